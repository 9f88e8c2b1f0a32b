//! In Python, for comparison, by the program `demos/python/io.py`.

use super::{FetchPlan, outcome, processes, threads};
use crate::{
    experiment::{Completed, Mode, Outcome, python},
    fetch::{Failure, FailureKind},
    show::Progress,
};
use serde::Serialize;
use serde_json::Value;
use std::{io, time::Duration};

/// The program that Python runs.
const PROGRAM: &str =
    concat!(include_str!("../../../python/harness.py"), "\n", include_str!("../../../python/io.py"));

/// The job that Python is given.
#[derive(Serialize)]
struct FetchJob<'a> {
    mode: &'static str,
    urls: &'a [String],
    limit: f64,
    workers: usize,
    at_once: usize,
}

pub(super) fn fetch_all(
    plan: &FetchPlan,
    mode: Mode,
    limit: Duration,
    progress: &Progress,
) -> io::Result<Completed> {
    // Python gets as many workers as we have.
    let workers = match mode {
        Mode::Threads => plan.workers(threads::THREADS_MAX),
        Mode::Processes => plan.workers(processes::CHILDREN_MAX),
        Mode::Sync | Mode::Async => 1,
    };
    let (name, each, at_once) = (mode.name(), plan.limit.as_secs_f64(), plan.at_once);
    let job = FetchJob { mode: name, urls: &plan.urls, limit: each, workers, at_once };
    python::run(PROGRAM, &job, limit, progress, read)
}

/// Reads a reply of the Python program: a status or a failure.
fn read(reply: Value) -> Outcome {
    let reply = match serde_json::from_value::<(Option<u16>, Option<Failure>)>(reply) {
        Ok((Some(status), None)) => Ok(status),
        Ok((_, Some(failure))) => Err(failure),
        Ok((None, None)) => {
            Err(Failure::new(FailureKind::Protocol, "Python reported neither a status nor a failure"))
        }
        Err(error) => Err(Failure::new(FailureKind::Protocol, error.to_string())),
    };
    outcome(reply)
}

/// The sentence below the table for Python's row.
pub(super) fn explain(mode: Mode) -> &'static str {
    match mode {
        Mode::Sync => "Here too the waits add up.",
        Mode::Threads => "A thread gives up the GIL while it waits, so the waits overlap.",
        Mode::Async => "Here too one thread serves all tasks, by an event loop.",
        Mode::Processes => "Each process is an interpreter, with memory of its own.",
    }
}
