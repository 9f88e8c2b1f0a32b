//! Group `demos`: the document's two headline experiments, against CPython running the document's own
//! programs, and against their limits.
//!
//! As in the document, a run begins with nothing: the start of threads, a runtime or processes is part of it.
//! Each experiment has five tasks.

mod cpu_bound;
mod io_bound;
pub(crate) mod server;

use crate::{
    bench::{Bench, Side, Sides, Skip, limit, sides, timed_with_children},
    python,
};
use server::DelayServer;
use std::{rc::Rc, time::Duration};

/// How many tasks an experiment has.
const TASKS: usize = 5;

/// The delay of a request in the benches against CPython. With the document's second, a run would last as
/// long as its delays.
const REQUEST_DELAY: Duration = Duration::from_millis(50);

/// The document's n.
const SUM_END: u64 = 10_000_000;

/// One way to run an experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// One task after the other, on the calling thread.
    Sync,
    /// A pool of five threads.
    Threads,
    /// Five futures on one thread.
    Async,
    /// A pool of five processes.
    Processes,
}

/// The modes of the I/O-bound experiment.
pub const IO_MODES: [Mode; 4] = [Mode::Sync, Mode::Threads, Mode::Async, Mode::Processes];
/// The modes of the CPU-bound experiment.
pub const CPU_MODES: [Mode; 3] = [Mode::Sync, Mode::Threads, Mode::Processes];

impl Mode {
    /// The word in the names of benches.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Threads => "threads",
            Self::Async => "async",
            Self::Processes => "processes",
        }
    }
}

/// A side that fetches a page five times, from a server in another process. The page takes `delay`.
pub fn io_side(mode: Mode, delay: Duration) -> Side {
    io_side_at(mode, Rc::new(DelayServer::start()), delay)
}

fn io_side_at(mode: Mode, server: Rc<DelayServer>, delay: Duration) -> Side {
    let url = server.url(delay);
    timed_with_children(1, move |iterations| {
        // The server lives as long as this side.
        let _alive = &server;
        for _ in 0..iterations {
            assert_eq!(io_bound::run(mode, &url), [200; TASKS], "a fetch failed");
        }
    })
}

/// A side that computes five sums of squares below `n`.
pub fn cpu_side(mode: Mode, n: u64) -> Side {
    // The closed form: (n − 1) n (2n − 1) / 6.
    let wide = u128::from(n);
    let expected = (wide - 1) * wide * (2 * wide - 1) / 6;
    timed_with_children(1, move |iterations| {
        for _ in 0..iterations {
            assert_eq!(cpu_bound::run(mode, n), [expected; TASKS], "a sum is wrong");
        }
    })
}

/// The group.
pub(crate) fn benches() -> Vec<Bench> {
    const SECOND: Duration = Duration::from_secs(1);
    let (blocking, asynchronous) = python::http_libraries();
    let to_second = |name, mode| {
        Bench::new(name, "limit", move || sides(io_side(mode, SECOND), limit(1_000_000_000))).goal(1.02)
    };
    let to_sync = |name, mode, n| {
        Bench::new(name, "our sync", move || sides(cpu_side(mode, n), cpu_side(Mode::Sync, n)))
            .goal(1.0 / 1.9)
    };
    vec![
        to_second("io_threads_1s", Mode::Threads),
        to_second("io_async_1s", Mode::Async),
        to_second("io_processes_1s", Mode::Processes),
        to_python("io_sync", blocking, Mode::Sync),
        to_python("io_threads", blocking, Mode::Threads),
        to_python("io_async", asynchronous, Mode::Async),
        to_python("io_processes", blocking, Mode::Processes),
        to_sync("cpu_threads", Mode::Threads, SUM_END),
        to_sync("cpu_processes", Mode::Processes, SUM_END),
        // With ten times the document's n the start counts less.
        to_sync("cpu_threads_100m", Mode::Threads, 10 * SUM_END),
        to_sync("cpu_processes_100m", Mode::Processes, 10 * SUM_END),
        to_python("cpu_sync", "CPython", Mode::Sync),
        to_python("cpu_threads", "CPython", Mode::Threads),
        to_python("cpu_processes", "CPython", Mode::Processes),
    ]
}

/// A bench against CPython's program of the same name.
fn to_python(name: &'static str, peer: &'static str, mode: Mode) -> Bench {
    Bench::needing(python::needed, name, peer, move || -> Result<Sides, Skip> {
        let server = Rc::new(DelayServer::start());
        let theirs = python::side("document.py", name, &[server.url(REQUEST_DELAY), SUM_END.to_string()])?;
        let ours = if name.starts_with("io") {
            io_side_at(mode, server, REQUEST_DELAY)
        } else {
            cpu_side(mode, SUM_END)
        };
        Ok(sides(ours, theirs))
    })
}
