//! Load from a separate process on a CPU of its own: closed loops over many connections.
//!
//! The generator is one thread over mio, so that neither Brigade's runtime nor a peer's drives it. It
//! connects once, and then runs each time that a line on its standard input tells it to. This side reads the
//! server's CPU time meanwhile.

pub(crate) mod generator;
mod http2;

use crate::cpu;
use std::{
    env,
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

/// The first argument of a process that generates load.
pub(crate) const ROLE: &str = "generate-load";

/// The CPU of the generator. The server has another one.
pub(crate) const LOAD_CPU: usize = 1;

/// The words for where a generator runs: on its own CPU, or where the system puts it.
const PINNED: &str = "pinned";
const ANYWHERE: &str = "anywhere";

/// The traffic on each connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Traffic {
    /// 64 bytes go there, and the same 64 bytes come back.
    Echo,
    /// `GET /` over HTTP/1.1.
    Http,
    /// `GET /` over HTTP/2, one at a time on each connection.
    Http2,
    /// The echo of 64 bytes on a new connection, which is then closed.
    Accept,
}

impl Traffic {
    fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Http => "http",
            Self::Http2 => "http2",
            Self::Accept => "accept",
        }
    }

    fn named(name: &str) -> Option<Self> {
        [Self::Echo, Self::Http, Self::Http2, Self::Accept].into_iter().find(|traffic| traffic.name() == name)
    }
}

/// The report of the generator about a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Report {
    pub(crate) requests: u64,
    pub(crate) wall: Duration,
    /// Half of the requests took no longer than this many nanoseconds.
    pub(crate) p50: f64,
    /// 99 of 100 requests took no longer than this many nanoseconds.
    pub(crate) p99: f64,
}

/// A generator with open connections.
pub(crate) struct Load {
    child: Child,
    orders: Option<ChildStdin>,
    reports: BufReader<ChildStdout>,
}

impl Load {
    /// Starts a generator with this many connections, on the CPU of the generators.
    pub(crate) fn start(traffic: Traffic, server: SocketAddr, connections: usize) -> Self {
        Self::start_on(PINNED, traffic, server, connections)
    }

    /// Starts a generator that the system puts on any CPU, for a server that has all of them.
    pub(crate) fn start_anywhere(traffic: Traffic, server: SocketAddr, connections: usize) -> Self {
        Self::start_on(ANYWHERE, traffic, server, connections)
    }

    fn start_on(place: &str, traffic: Traffic, server: SocketAddr, connections: usize) -> Self {
        let executable = env::current_exe().expect("the system knows what it runs");
        let mut command = Command::new(executable);
        command.args([ROLE, place, traffic.name(), &server.to_string(), &connections.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = cpu::spawn_outsider(&mut command).expect("the machine lets us start a process");
        let orders = child.stdin.take();
        let reports = BufReader::new(child.stdout.take().expect("the output was asked to be a pipe"));
        let mut load = Self { child, orders, reports };
        assert_eq!(load.line(), "connected", "the load generator connects to a server on this machine");
        load
    }

    /// Sends requests for this long, on each connection a new one as soon as the one before is answered.
    pub(crate) fn run(&mut self, time: Duration) -> Report {
        let mut orders = self.orders.as_ref().expect("the pipe is open until the load is dropped");
        writeln!(orders, "{}", time.as_millis()).expect("the generator lives as long as its input is open");
        let line = self.line();
        let numbers: Vec<u64> = line.split(' ').flat_map(str::parse).collect();
        let [requests, wall, p50, p99] = numbers[..] else { panic!("the load generator reported {line:?}") };
        Report { requests, wall: Duration::from_nanos(wall), p50: p50 as f64, p99: p99 as f64 }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.reports.read_line(&mut line).expect("the generator's output is text");
        line.trim_end().to_owned()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // The end of its input ends it.
        drop(self.orders.take());
        // An error means that it is gone already.
        let _ = self.child.wait();
    }
}
