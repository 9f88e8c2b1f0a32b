//! The simulated network, through the runtime's own sockets.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

mod faults;
mod planted;
mod reactor;
mod tcp;
mod udp;
mod unix;

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

/// A check without choice points at atomics, so that most of its choices are those of the network.
fn coarse(schedules: u64) -> Explore {
    Explore::new().coarse().schedules(schedules)
}
