//! A managed thread, as the state of its run knows it.

use super::{Blocked, Kind, virtual_time::TimeLimits};
use std::{panic::Location, thread::Thread};

/// A managed thread.
pub(super) struct Managed {
    pub(super) name: String,
    pub(super) thread: Option<Thread>,
    pub(super) tid: u64,
    pub(super) status: Status,
    /// An unpark has come that no park has taken.
    pub(super) has_token: bool,
    /// While it waits awake for other threads: how many changes there had been when it looked last.
    pub(super) spun_at: Option<u64>,
    /// It has panicked.
    pub(super) has_panicked: bool,
    /// A thread has joined it, and so seen its panic.
    pub(super) is_joined: bool,
    /// How many of its parks have ended for no reason.
    pub(super) spurious: u32,
    /// The number of choices of each kind.
    pub(super) choices: [u32; Kind::ALL.len()],
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Ready,
    Blocked { on: Blocked, limits: TimeLimits, at: &'static Location<'static> },
    Ended,
}

impl Managed {
    pub(super) fn new(name: String) -> Self {
        Self {
            name,
            thread: None,
            tid: 0,
            status: Status::Ready,
            has_token: false,
            spun_at: None,
            has_panicked: false,
            is_joined: false,
            spurious: 0,
            choices: [0; Kind::ALL.len()],
        }
    }
}
