//! A gate that holds work back until the test opens it, in this process or another: no test here waits for a time.

use std::{
    io::Read,
    net::{Ipv4Addr, TcpListener, TcpStream},
};

/// Holds whoever calls [`wait_at`] with its port.
pub(crate) struct Gate {
    listener: TcpListener,
}

/// One who waits at the gate. Dropping it lets them go.
pub(crate) struct Waiting {
    _connection: TcpStream,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self { listener: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap() }
    }

    pub(crate) fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    /// Waits until somebody stands at the gate: the work has begun.
    pub(crate) fn arrival(&self) -> Waiting {
        Waiting { _connection: self.listener.accept().unwrap().0 }
    }
}

/// The work that waits until the gate opens, blocking its worker, and gives the port back.
pub(crate) fn wait_at(port: u16) -> u16 {
    let mut gate =
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("the gate stands as long as the test");
    let mut rest = Vec::new();
    // Ends when the other side is dropped; how does not matter.
    let _ = gate.read_to_end(&mut rest);
    port
}
