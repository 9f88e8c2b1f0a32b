//! A gate that holds calls back until the test opens it: no test here waits for a time.

use std::{
    io::Read,
    net::{Ipv4Addr, TcpListener, TcpStream},
};

/// Holds calls of [`wait_at`] with its port.
pub(crate) struct Gate(TcpListener);

/// A call that waits at the gate. Dropping this lets it go.
pub(crate) struct Waiting(#[expect(dead_code, reason = "dropping it is its use")] TcpStream);

impl Gate {
    pub(crate) fn new() -> Self {
        Self(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap())
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    /// Waits until a call stands at the gate, so that it surely runs.
    pub(crate) fn arrival(&self) -> Waiting {
        Waiting(self.0.accept().unwrap().0)
    }
}

/// Waits, as a call, until the gate opens, and returns the port.
pub(crate) fn wait_at(port: u16) -> u16 {
    // A test that has ended has taken its gate along.
    let Ok(mut gate) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return port };
    // This ends when the other side is dropped, whichever way.
    let _ = gate.read_to_end(&mut Vec::new());
    port
}
