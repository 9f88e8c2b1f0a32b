//! A gate that holds calls back until the test opens it: no test here waits for a time.

use std::{
    io::Read,
    net::{Ipv4Addr, TcpListener, TcpStream},
};

/// Holds whoever calls [`wait_at`] with its port.
pub(crate) struct Gate(TcpListener);

/// One who waits at the gate. Dropping it lets them go.
pub(crate) struct Waiting(#[expect(dead_code, reason = "dropping it is its use")] TcpStream);

impl Gate {
    pub(crate) fn new() -> Self {
        Self(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap())
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    /// Waits until somebody stands at the gate: the call runs.
    pub(crate) fn arrival(&self) -> Waiting {
        Waiting(self.0.accept().unwrap().0)
    }
}

/// The call that waits until the gate opens, and gives the port back.
pub(crate) fn wait_at(port: u16) -> u16 {
    let mut gate = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    // Ends when the other side is dropped; how does not matter.
    let _ = gate.read_to_end(&mut Vec::new());
    port
}
