//! A gate that holds work back until the test opens it, in this process or another one. So no test here waits
//! for a time.

use std::{
    io::Read,
    net::{Ipv4Addr, TcpListener, TcpStream},
};

/// A gate. It holds every unit of work that calls [`wait_at`] with its port.
pub(crate) struct Gate {
    listener: TcpListener,
}

/// A unit of work that waits at the gate. Dropping this lets it go on.
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

    /// Waits until a unit of work is at the gate, so that it has certainly begun.
    pub(crate) fn arrival(&self) -> Waiting {
        Waiting { _connection: self.listener.accept().unwrap().0 }
    }
}

/// Blocks the worker until the gate opens, and returns the port.
pub(crate) fn wait_at(port: u16) -> u16 {
    let mut gate =
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("the gate stands as long as the test");
    let mut rest = Vec::new();
    // The read ends when the other side is dropped. An error is an end, too.
    let _ = gate.read_to_end(&mut rest);
    port
}
