//! A gate that holds calls back until the test opens it, in this process or another one: no test waits for a
//! time. The tests of `tests/tests/shape` and `tests/tests/cluster` use it, too.

#![allow(dead_code, reason = "none of the suites needs all of it")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::fd::OwnedFd,
    time::Duration,
};

/// How long a gate waits for a call. It is over only if the test has failed.
const LIMIT: Duration = Duration::from_secs(120);

/// Holds calls of [`wait_at`] with its port.
pub(crate) struct Gate(TcpListener);

/// A call that waits at the gate. Dropping this lets it go.
pub(crate) struct Waiting {
    /// The line that the call has told.
    pub(crate) told: String,
    _stream: BufReader<TcpStream>,
}

impl Gate {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        // The limit is a socket's, of whichever kind, and holds for `accept`, too.
        let socket = TcpStream::from(OwnedFd::from(listener.try_clone().unwrap()));
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        Self(listener)
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    /// Waits until a call stands at the gate, so that it surely runs.
    pub(crate) fn arrival(&self) -> Waiting {
        let stream = self.0.accept().expect("a call comes to the gate in time").0;
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let mut stream = BufReader::new(stream);
        let mut told = String::new();
        // A call that was killed meanwhile has told nothing.
        let _ = stream.read_line(&mut told);
        Waiting { told: told.trim_end().to_owned(), _stream: stream }
    }
}

/// Waits, as a call, until the gate opens, and returns the port.
pub(crate) fn wait_at(port: u16) -> u16 {
    tell_and_wait_at(port, "");
    port
}

/// The same for a call that tells the test something, in one line.
pub(crate) fn tell_and_wait_at(port: u16, told: &str) {
    // A test that has ended has taken its gate along.
    let Ok(mut gate) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return };
    // The other side may be gone already, and then the gate is open.
    let _ = writeln!(gate, "{told}");
    // This ends when the other side is dropped, whichever way.
    let _ = gate.read_to_end(&mut Vec::new());
}

pub(crate) fn a_gate_does_not_wait_for_ever() {
    let gate = Gate::new();
    let socket = TcpStream::from(OwnedFd::from(gate.0.try_clone().unwrap()));
    assert_eq!(socket.read_timeout().unwrap(), Some(LIMIT));
    socket.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    assert!(gate.0.accept().is_err(), "the limit holds for accept");
}
