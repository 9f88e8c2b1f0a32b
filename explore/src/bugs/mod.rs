//! Twenty bugs that people write, each beside its right version.
//!
//! They measure this crate: each must be found, shrunk to its known minimum, and its right version must pass.
//! And they are lessons: each file of this folder is one bug, with a comment at the wrong line.
//!
//! The bugs of plain threads name their atomics, locks and threads through `shim`, so that the benches build
//! the same files for other checkers.

mod aba;
mod cancelled_transfer;
mod condition_if;
mod double_completion;
mod double_unlock;
mod flag_order;
mod futurelock;
mod job_behind;
mod lost_update;
mod lost_wake_up;
mod merged_notify;
mod missed_close;
mod missed_shutdown;
mod notify_before_wait;
mod permit_leak;
mod select_loses_item;
mod shim;
mod starvation;
mod three_locks;
mod timer_against_cancel;
mod two_locks;

use crate::{Explore, Verdict};
use std::{future::Future, pin::Pin};

/// A bug, and the same program without it.
#[derive(Clone, Copy, Debug)]
pub struct Bug {
    /// A short name.
    pub name: &'static str,
    /// The mistake, in a sentence.
    pub about: &'static str,
    /// The wrong program.
    pub bad: Program,
    /// The right program.
    pub right: Program,
    /// The fewest deviations from the usual schedule with which the wrong program fails.
    pub minimum: usize,
    /// Why it takes so many.
    pub why: &'static str,
}

/// A program that can be checked.
#[derive(Clone, Copy, Debug)]
pub enum Program {
    /// Plain threads, or pools that the program makes.
    Threads(fn()),
    /// Tasks of a runtime with so many workers.
    Tasks {
        /// The number of workers.
        workers: usize,
        /// Makes the first task.
        root: fn() -> Root,
    },
}

/// The first task of a program.
pub type Root = Pin<Box<dyn Future<Output = ()>>>;

impl Program {
    /// Checks the program.
    ///
    /// ```
    /// use brigade_explore::{Explore, Verdict, bugs};
    ///
    /// let bug = bugs::ALL.iter().find(|bug| bug.name == "lost-update").unwrap();
    /// let Verdict::Failed(failed) = bug.bad.explore(Explore::new()) else { panic!("it is not found") };
    /// assert_eq!(failed.schedule.deviations().len(), bug.minimum);
    /// assert!(matches!(bug.right.explore(Explore::new()), Verdict::Passed(_)));
    /// ```
    #[must_use]
    pub fn explore(self, explore: Explore) -> Verdict {
        match self {
            Self::Threads(code) => explore.explore_threads(code),
            Self::Tasks { workers, root } => explore.workers(workers).explore(root),
        }
    }
}

/// All bugs.
pub const ALL: &[Bug] = &[
    Bug {
        name: "lost-update",
        about: "Two threads count with a load and a store, and one count is lost.",
        bad: Program::Threads(lost_update::bad),
        right: Program::Threads(lost_update::right),
        minimum: 1,
        why: "One thread is preempted between its load and its store, and the other one counts.",
    },
    Bug {
        name: "flag-order",
        about: "A flag is set before the message that it promises.",
        bad: Program::Threads(flag_order::bad),
        right: Program::Threads(flag_order::right),
        minimum: 2,
        why: "The reader, which goes first, is preempted; then the writer is, between its stores.",
    },
    Bug {
        name: "double-completion",
        about: "An answer and a timeout both look before they set, and both complete the request.",
        bad: Program::Threads(double_completion::bad),
        right: Program::Threads(double_completion::right),
        minimum: 1,
        why: "One side is preempted between its look and its store.",
    },
    Bug {
        name: "aba",
        about: "A compare-and-swap succeeds on a stack that has changed and changed back.",
        bad: Program::Threads(aba::bad),
        right: Program::Threads(aba::right),
        minimum: 1,
        why: "The first pop is preempted before its swap, and the other thread pops, pops and pushes.",
    },
    Bug {
        name: "double-unlock",
        about: "A thread unlocks twice, and frees a lock that is another's by then.",
        bad: Program::Threads(double_unlock::bad),
        right: Program::Threads(double_unlock::right),
        minimum: 2,
        why: "The first thread is preempted between its unlocks, and the second one inside of the lock.",
    },
    Bug {
        name: "lost-wake-up",
        about: "A thread looks at a flag, enlists and sleeps, and does not look again.",
        bad: Program::Threads(lost_wake_up::bad),
        right: Program::Threads(lost_wake_up::right),
        minimum: 1,
        why: "The waiter is preempted between its look and its entry in the list.",
    },
    Bug {
        name: "missed-close",
        about: "A consumer looks for items, then for the close, and misses the last item.",
        bad: Program::Threads(missed_close::bad),
        right: Program::Threads(missed_close::right),
        minimum: 1,
        why: "The consumer is preempted between its two looks.",
    },
    Bug {
        name: "three-locks",
        about: "Three threads take three locks in a circle.",
        bad: Program::Threads(three_locks::bad),
        right: Program::Threads(three_locks::right),
        minimum: 1,
        why: "The first thread is preempted between its locks and the third one goes on; the rest follows.",
    },
    Bug {
        name: "two-locks",
        about: "Two tasks take two locks in opposite orders.",
        bad: Program::Tasks { workers: 2, root: || Box::pin(two_locks::bad()) },
        right: Program::Tasks { workers: 2, root: || Box::pin(two_locks::right()) },
        minimum: 1,
        why: "One task is preempted between its locks; the other one blocks by itself.",
    },
    Bug {
        name: "condition-if",
        about: "A consumer waits on a condition with `if` in place of `while`.",
        bad: Program::Tasks { workers: 2, root: || Box::pin(condition_if::bad()) },
        right: Program::Tasks { workers: 2, root: || Box::pin(condition_if::right()) },
        minimum: 2,
        why: "The producer is preempted before its notification, so that one consumer takes the loaf and the other \
              one waits, and after it, so that the other one wakes to an empty shelf.",
    },
    Bug {
        name: "merged-notify",
        about: "Two notifications that nobody waits for yet become one.",
        bad: Program::Tasks { workers: 2, root: || Box::pin(merged_notify::bad()) },
        right: Program::Tasks { workers: 2, root: || Box::pin(merged_notify::right()) },
        minimum: 2,
        why: "The producer is preempted before its items, and a consumer between its look and its wait.",
    },
    Bug {
        name: "notify-before-wait",
        about: "A task looks at a flag, and then begins to wait for the notification.",
        bad: Program::Tasks { workers: 2, root: || Box::pin(notify_before_wait::bad()) },
        right: Program::Tasks { workers: 2, root: || Box::pin(notify_before_wait::right()) },
        minimum: 1,
        why: "The waiter is preempted between its look and its wait.",
    },
    Bug {
        name: "futurelock",
        about: "A task waits for a lock that was granted to a future of its own which it does not poll.",
        bad: Program::Tasks { workers: 2, root: || Box::pin(futurelock::bad()) },
        right: Program::Tasks { workers: 2, root: || Box::pin(futurelock::right()) },
        minimum: 1,
        why: "The task is preempted before it tries the lock, so that the other task has it first.",
    },
    Bug {
        name: "select-loses-item",
        about: "A select in a loop drops a future that has received an item already.",
        bad: Program::Tasks { workers: 2, root: || Box::pin(select_loses_item::bad()) },
        right: Program::Tasks { workers: 2, root: || Box::pin(select_loses_item::right()) },
        minimum: 1,
        why: "The task is preempted before it takes the log, so that the other task has it first.",
    },
    Bug {
        name: "timer-against-cancel",
        about: "An alarm that looks whether it is cancelled rings after that look.",
        bad: Program::Tasks { workers: 2, root: || Box::pin(timer_against_cancel::bad()) },
        right: Program::Tasks { workers: 2, root: || Box::pin(timer_against_cancel::right()) },
        minimum: 1,
        why: "The alarm is preempted between its look and its ring.",
    },
    Bug {
        name: "missed-shutdown",
        about: "A server looks at the flag that stops it only after it has got an order.",
        bad: Program::Tasks { workers: 2, root: || Box::pin(missed_shutdown::bad()) },
        right: Program::Tasks { workers: 2, root: || Box::pin(missed_shutdown::right()) },
        minimum: 1,
        why: "The task that stops the server is preempted before it sets the flag.",
    },
    Bug {
        name: "permit-leak",
        about: "A cancelled task does not come to the line that gives its permit back.",
        bad: Program::Tasks { workers: 2, root: || Box::pin(permit_leak::bad()) },
        right: Program::Tasks { workers: 2, root: || Box::pin(permit_leak::right()) },
        minimum: 1,
        why: "The task that cancels is preempted before it does, so that the other one takes the permit.",
    },
    Bug {
        name: "cancelled-transfer",
        about: "A task is cancelled between the two halves of a transfer.",
        bad: Program::Tasks { workers: 2, root: || Box::pin(cancelled_transfer::bad()) },
        right: Program::Tasks { workers: 2, root: || Box::pin(cancelled_transfer::right()) },
        minimum: 1,
        why: "The task that cancels is preempted before it does, so that the other one begins.",
    },
    Bug {
        name: "starvation",
        about: "A task tries a lock three times, always while another one has it.",
        bad: Program::Tasks { workers: 2, root: || Box::pin(starvation::bad()) },
        right: Program::Tasks { workers: 2, root: || Box::pin(starvation::right()) },
        minimum: 2,
        why: "One preemption chooses the worker of the other task, and one lets that task take the lock.",
    },
    Bug {
        name: "job-behind",
        about: "Jobs of a pool block the threads that the jobs behind them need.",
        bad: Program::Threads(job_behind::bad),
        right: Program::Threads(job_behind::right),
        minimum: 0,
        why: "Both threads of the pool take a call before any of the jobs behind the calls.",
    },
];
