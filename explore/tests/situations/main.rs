//! The engine, from outside: what a run finds, how it ends, and that nothing of it is left.

mod chance;
mod ends;
mod interleavings;
mod schedules;
mod stepping;
mod stuck;
mod time;

use brigade_explore::{Explore, Verdict};

/// A check of threads within a small budget.
fn check_threads(code: impl Fn() + Send + Sync + 'static) -> Verdict {
    Explore::new().schedules(500).explore_threads(code)
}
