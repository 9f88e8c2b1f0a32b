//! The engine, from outside: what a run finds, how it ends, and that nothing of it is left.

mod chance;
mod ends;
mod interleavings;
mod schedules;
mod stuck;
mod time;

use brigade_explore::{Coverage, Explore, Failed, Verdict};

/// The failure of a check that must fail.
fn failed(verdict: Verdict) -> Failed {
    match verdict {
        Verdict::Failed(failed) => *failed,
        Verdict::Passed(coverage) => panic!("all of {} schedules pass", coverage.schedules),
        unfit @ Verdict::Unfit { .. } => panic!("{unfit:?}"),
    }
}

/// The coverage of a check that must pass.
fn passed(verdict: Verdict) -> Coverage {
    match verdict {
        Verdict::Passed(coverage) => coverage,
        Verdict::Failed(failed) => panic!("{failed}"),
        unfit @ Verdict::Unfit { .. } => panic!("{unfit:?}"),
    }
}

/// A check of threads within a small budget.
fn check_threads(code: impl Fn() + Send + Sync + 'static) -> Verdict {
    Explore::new().schedules(500).explore_threads(code)
}
