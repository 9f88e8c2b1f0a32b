//! In Python, for comparison, by the program `demos/python/cpu.py`.

use super::SumPlan;
use crate::{
    experiment::{Completed, Mode, Outcome, python},
    show::Progress,
};
use serde::Serialize;
use std::{io, time::Duration};

/// The program that Python runs.
const PROGRAM: &str =
    concat!(include_str!("../../../python/harness.py"), "\n", include_str!("../../../python/cpu.py"));

/// The job that Python is given.
#[derive(Serialize)]
struct SumJob {
    mode: &'static str,
    n: u64,
    tasks: usize,
    pieces: usize,
    workers: usize,
}

pub(super) fn sum_all(
    plan: &SumPlan<'_>,
    mode: Mode,
    limit: Duration,
    progress: &Progress,
) -> io::Result<Completed> {
    // Python gets as many workers as we have, and cuts each sum into as many pieces.
    let (workers, pieces) = if mode == Mode::Sync { (1, 1) } else { (plan.workers, plan.pieces_each()) };
    let job = SumJob { mode: mode.name(), n: plan.n, tasks: plan.tasks, pieces, workers };
    python::run(PROGRAM, &job, limit, progress, |sum| Outcome { value: sum, failure: None })
}

/// The least speed-up that counts as a gain: smaller ones may be noise.
const SPEEDUP_MIN: f64 = 1.3;

/// The sentence below the table for Python's row. It follows what was measured, not what is expected.
pub(super) fn explain(mode: Mode, gil: bool, speedup: Option<f64>) -> &'static str {
    let gains = speedup.map(|speedup| speedup >= SPEEDUP_MIN);
    match (mode, gil, gains) {
        (Mode::Threads, true, Some(false)) => {
            "The GIL lets one thread compute at a time: no gain, and the hand-overs cost time."
        }
        (Mode::Threads, true, None) => "The GIL lets one thread compute at a time.",
        (Mode::Threads, true, Some(true)) => {
            "The GIL lets one thread compute at a time, so this gain came from elsewhere."
        }
        (Mode::Threads, false, Some(false)) => {
            "This Python runs without a GIL, but the threads gained little."
        }
        (Mode::Threads, false, _) => "This Python runs without a GIL: its threads compute at the same time.",
        (Mode::Processes, _, Some(false)) => {
            "Each process is an interpreter of its own, but there was little to gain here."
        }
        (Mode::Processes, true, _) => "Each process has a GIL of its own, so they compute at the same time.",
        (Mode::Processes, false, _) => {
            "Each process is an interpreter of its own, so they compute at the same time."
        }
        (Mode::Sync | Mode::Async, ..) => "Each number is an object, and each step is interpreted.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_about_threads_says_what_was_measured() {
        assert!(explain(Mode::Threads, true, Some(0.98)).contains("no gain"));
        assert!(explain(Mode::Threads, false, Some(1.9)).contains("without a GIL"));
        for (gil, speedup) in [(true, None), (true, Some(1.9)), (false, Some(1.9)), (false, None)] {
            assert!(!explain(Mode::Threads, gil, speedup).contains("no gain"));
        }
    }
}
