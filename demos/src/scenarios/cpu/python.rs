//! In Python, for comparison: the program is `demos/python/cpu.py`.

use super::Plan;
use crate::{
    experiment::{Effort, Mode, Outcome},
    python,
    show::Progress,
};
use serde::Serialize;
use std::io;

/// What Python is given.
#[derive(Serialize)]
struct Job {
    mode: &'static str,
    n: u64,
    tasks: usize,
    pieces: usize,
    workers: usize,
}

pub(super) fn sum_all(plan: &Plan, mode: Mode, progress: &Progress) -> io::Result<Effort> {
    // As many workers as ours, and each sum in as many pieces.
    let (workers, pieces) = if mode == Mode::Sync { (1, 1) } else { (plan.workers, plan.pieces_each()) };
    let job = Job { mode: mode.name(), n: plan.n, tasks: plan.tasks, pieces, workers };
    python::run(python::SUMS, &job, progress, |sum| Outcome { value: sum, failure: None })
}

pub(super) fn why(mode: Mode) -> &'static str {
    match mode {
        Mode::Threads => "The GIL lets one thread compute at a time: no gain, and the hand-overs on top.",
        Mode::Processes => "A GIL for each process: they compute at the same time.",
        Mode::Sync | Mode::Async => "Each number is an object, and each step is interpreted.",
    }
}
