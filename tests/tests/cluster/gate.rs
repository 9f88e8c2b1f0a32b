//! A gate that holds calls back until the test opens it, at which each tells where it runs.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
};

/// Holds calls of [`wait_at`] with its port.
pub(crate) struct Gate(TcpListener);

/// A call that waits at the gate. Dropping this lets it go.
pub(crate) struct Waiting {
    /// The node on which it runs, as Slurm names it.
    pub(crate) node: String,
    /// The step of Slurm that it runs in, as `job.step`.
    pub(crate) step: String,
    /// Its process.
    pub(crate) pid: u32,
    _stream: BufReader<TcpStream>,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap())
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    /// Waits until a call stands at the gate, so that it surely runs.
    pub(crate) fn arrival(&self) -> Waiting {
        let mut stream = BufReader::new(self.0.accept().unwrap().0);
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        let [node, step, pid] = line.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{line}") };
        Waiting { node: node.into(), step: step.into(), pid: pid.parse().unwrap(), _stream: stream }
    }
}

/// Tells where it runs, waits until the gate opens, and returns the name of the node.
pub(crate) fn wait_at(port: u16) -> String {
    let mut gate = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    let variable = |name| std::env::var(name).unwrap_or_else(|_| "-".into());
    let node = variable("SLURMD_NODENAME");
    let step = format!("{}.{}", variable("SLURM_JOB_ID"), variable("SLURM_STEP_ID"));
    // The other side may be gone already, and then the gate is open.
    let _ = writeln!(gate, "{node} {step} {}", std::process::id());
    let _ = gate.read_to_end(&mut Vec::new());
    node
}
