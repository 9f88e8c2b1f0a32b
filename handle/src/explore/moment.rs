//! A moment of a run that was stopped: the choice that it has come to, and what each thread does.

use super::{
    Blocked, Choice, Kind, ManagedThread,
    managed_thread::{Managed, Status},
    state::State,
};
use std::panic::Location;

/// A choice that a run has come to and has not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The thread that has come to it.
    pub thread: u32,
    /// The kind of the choice.
    pub kind: Kind,
    /// How many choices of this kind the thread has come to before.
    pub nth: u32,
    /// The number of ways.
    pub enabled: u32,
    /// The threads that can go on, as in [`Choice::threads`].
    pub threads: Vec<u32>,
}

impl Pending {
    pub(super) fn of(choice: &Choice<'_>) -> Self {
        let Choice { thread, kind, nth, enabled, threads } = *choice;
        Self { thread, kind, nth, enabled, threads: threads.to_vec() }
    }
}

/// The state of a managed thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// It has the baton.
    Runs,
    /// It can go on.
    Ready,
    /// It waits.
    Waits {
        /// The thing that it waits for.
        on: Blocked,
        /// The place of the call that waits.
        at: &'static Location<'static>,
        /// The virtual nanosecond at which it goes on anyway.
        until: Option<u64>,
    },
    /// It has ended.
    Ended,
}

impl State {
    /// Returns what each thread does.
    pub(super) fn managed_threads(&self) -> Vec<ManagedThread> {
        let doing = |index: u32, thread: &Managed| match thread.status {
            Status::Ready if self.ready.contains(&index) => Doing::Ready,
            Status::Ready => Doing::Runs,
            Status::Blocked { on, limits, at } => Doing::Waits { on, at, until: limits.deadline },
            Status::Ended => Doing::Ended,
        };
        let of = |(index, thread): (u32, &Managed)| ManagedThread {
            name: thread.name.clone(),
            tid: thread.tid,
            doing: doing(index, thread),
        };
        (0..).zip(&self.threads).map(of).collect()
    }
}
