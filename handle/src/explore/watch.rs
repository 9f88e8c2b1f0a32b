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
/// How much time of a processor it may use without a step. Time that passes while the system runs others does
/// not count.
const MAX_CPU_OF_STEP: u64 = 500; // hundredths of a second, as the system counts

/// The findings of the last looks.
pub(super) struct Watch {
    steps: u64,
    /// The time of the running thread when it was first seen at this step.
    cpu: Option<u64>,
    asleep: u32,
}

impl Watch {
    pub(super) fn new() -> Self {
        Self { steps: 0, cpu: None, asleep: 0 }
    }

    /// Looks at the thread that should run. Returns the end of the run if the thread does not go on.
    pub(super) fn look(&mut self, run: &State, running: u32) -> Option<End> {
        if run.steps() != self.steps {
            *self = Self { steps: run.steps(), cpu: None, asleep: 0 };
            return None;
        }
        let thread = run.managed_threads().into_iter().nth(running as usize)?;
        let status = ThreadUse::of(thread.tid)?;
        let cpu = *self.cpu.get_or_insert(status.cpu);
        self.asleep = if status.is_asleep { self.asleep + 1 } else { 0 };
        if self.asleep >= MAX_ASLEEP {
            Some(End::BlockedOutside(thread.name))
        } else if status.cpu.saturating_sub(cpu) >= MAX_CPU_OF_STEP {
            Some(End::NoChoicePoint(thread.name))
        } else {
            None
        }
    }
}

/// A thread of this process, as the operating system tells of it.
struct ThreadUse {
    is_asleep: bool,
    /// The time of a processor that it has used, in hundredths of a second.
    cpu: u64,
}

impl ThreadUse {
    /// Returns `None` if the system does not tell.
    fn of(tid: u64) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/self/task/{tid}/stat")).ok()?;
        // The state is the first word after the name, which is in parentheses. The times in the program and
        // in the system are the twelfth and the thirteenth.
        let words: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let time = |index: usize| words.get(index)?.parse::<u64>().ok();
        Some(Self { is_asleep: *words.first()? == "S", cpu: time(11)? + time(12)? })
    }
}
