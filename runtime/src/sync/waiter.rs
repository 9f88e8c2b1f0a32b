//! What those in one line are, to the line.

use super::wait_queue::WaitQueue;
use crate::shim::{self, MutexGuard};

/// What those in one line are: what they want, where they stand, and who sees to them.
pub(super) trait Waiter {
    /// What is behind the lock.
    type State;
    /// What one wants and, with its turn, what it got.
    type Request;

    /// The lock around the line.
    fn lock(&self) -> &shim::Mutex<Self::State>;

    /// The line.
    fn queue(state: &mut Self::State) -> &mut WaitQueue<Self::Request>;

    /// Tries to have it at once, without standing.
    fn try_fast(&self, request: &mut Self::Request) -> Attempt;

    /// Tries again under the lock, and stands if that fails.
    fn try_locked(&self, state: &mut Self::State, request: &mut Self::Request) -> Attempt;

    /// Somebody left the line without a turn: those behind may be due.
    fn on_leave<'a>(&'a self, state: MutexGuard<'a, Self::State>) {
        drop(state);
    }

    /// Somebody was dropped with a turn.
    fn give_back(&self, request: Self::Request) {
        drop(request);
    }
}

/// How an attempt ended.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Attempt {
    /// It has what it wants.
    Done,
    /// It has to wait.
    Wait,
    /// It is to try again without the lock: for an attempt that ends in waking others.
    Retry,
}

impl Attempt {
    /// Has it if `has` is true.
    pub(super) fn done_if(is_done: bool) -> Self {
        if is_done { Self::Done } else { Self::Wait }
    }
}
