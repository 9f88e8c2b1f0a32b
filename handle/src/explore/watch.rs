//! The watch over the running thread: it notices a thread that waits outside of its run.
//!
//! The thread that has the baton should run. If it sleeps in the operating system instead, for a lock of std
//! that another thread of the run holds, or in a call that waits, no thread goes on. And if it runs for long
//! without coming to a choice point, it may do so for ever. Time of the operating system decides here only
//! whether a run that does not go on is given up.

use super::{End, state::State};
use std::fs;

/// How many looks in a row must find the running thread asleep, without a step in between.
const MAX_ASLEEP: u32 = 10;
/// How many looks in a row must find it at the same step.
const MAX_SAME_STEP: u32 = 50;

/// The findings of the last looks.
pub(super) struct Watch {
    steps: u64,
    same_step: u32,
    asleep: u32,
}

impl Watch {
    pub(super) fn new() -> Self {
        Self { steps: 0, same_step: 0, asleep: 0 }
    }

    /// Looks at the thread that should run. Returns the end of the run if the thread does not go on.
    pub(super) fn look(&mut self, run: &State, running: u32) -> Option<End> {
        if run.steps() != self.steps {
            *self = Self { steps: run.steps(), same_step: 0, asleep: 0 };
            return None;
        }
        self.same_step += 1;
        let thread = run.managed_threads().into_iter().nth(running as usize)?;
        self.asleep = if is_asleep(thread.tid) { self.asleep + 1 } else { 0 };
        if self.asleep >= MAX_ASLEEP {
            Some(End::BlockedOutside(thread.name))
        } else if self.same_step >= MAX_SAME_STEP {
            Some(End::NoChoicePoint(thread.name))
        } else {
            None
        }
    }
}

/// Returns whether the operating system says that this thread of this process sleeps.
fn is_asleep(tid: u64) -> bool {
    let state = fs::read_to_string(format!("/proc/self/task/{tid}/stat")).unwrap_or_default();
    // The state is the first letter after the name, which is in parentheses.
    state.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('S'))
}
