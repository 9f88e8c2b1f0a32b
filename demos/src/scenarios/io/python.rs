//! In Python, for comparison: the program is `demos/python/io.py`.

use super::{FetchPlan, outcome, processes, threads};
use crate::{
    experiment::{Completed, Mode, Outcome, python},
    fetch::{Failure, FailureKind},
    show::Progress,
};
use serde::Serialize;
use serde_json::Value;
use std::io;

/// What Python runs.
const PROGRAM: &str =
    concat!(include_str!("../../../python/harness.py"), "\n", include_str!("../../../python/io.py"));

/// What Python is given.
#[derive(Serialize)]
struct FetchJob<'a> {
    mode: &'static str,
    urls: &'a [String],
    limit: f64,
    workers: usize,
    at_once: usize,
}

pub(super) fn fetch_all(plan: &FetchPlan, mode: Mode, progress: &Progress) -> io::Result<Completed> {
    // As many workers as ours.
    let workers = match mode {
        Mode::Threads => plan.workers(threads::THREADS_MAX),
        Mode::Processes => plan.workers(processes::CHILDREN_MAX),
        Mode::Sync | Mode::Async => 1,
    };
    let (limit, at_once) = (plan.limit.as_secs_f64(), plan.at_once);
    let job = FetchJob { mode: mode.name(), urls: &plan.urls, limit, workers, at_once };
    python::run(PROGRAM, &job, progress, read)
}

/// A reply as Python tells it: a status, or a failure.
fn read(reply: Value) -> Outcome {
    let reply = match serde_json::from_value::<(Option<u16>, Option<Failure>)>(reply) {
        Ok((Some(status), None)) => Ok(status),
        Ok((_, Some(failure))) => Err(failure),
        Ok((None, None)) => {
            Err(Failure::new(FailureKind::Protocol, "Python says neither a status nor a failure"))
        }
        Err(error) => Err(Failure::new(FailureKind::Protocol, error.to_string())),
    };
    outcome(reply)
}

pub(super) fn why(mode: Mode) -> &'static str {
    match mode {
        Mode::Sync => "The waits add up here too.",
        Mode::Threads => "A thread that waits gives up the GIL, so the waits overlap.",
        Mode::Async => "One thread here too, which the event loop shares out.",
        Mode::Processes => "Each process is an interpreter with memory of its own.",
    }
}
