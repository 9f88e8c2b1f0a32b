//! The interface between a wait queue and the types that use it.

use super::wait_queue::WaitQueue;
use crate::shim::{self, MutexGuard};
use brigade_trace::{Cause, Resource};

/// One kind of waiter: what it requests, which lock and queue it waits in, and what happens when it leaves.
pub(super) trait Waiter {
    /// The state behind the lock.
    type State;
    /// The request of a waiter and, with its grant, the result.
    type Request;

    /// The lock around the queue. It is the same lock on each call.
    fn lock(&self) -> &shim::Mutex<Self::State>;

    /// The queue within the state behind the lock.
    fn queue(state: &mut Self::State) -> &mut WaitQueue<Self::Request>;

    /// Tries to fulfil the request at once, without joining the queue. The lock is not held.
    fn try_fast(&self, request: &mut Self::Request) -> Attempt;

    /// Tries again under the lock. The waiter joins the queue if this returns [`Attempt::Wait`].
    fn try_locked(&self, state: &mut Self::State, request: &mut Self::Request) -> Attempt;

    /// The resource that it waits for, as a trace names it.
    fn resource(&self) -> &Resource;

    /// The cause that would end the wait.
    fn cause(&self) -> Cause;

    /// The cause that ended the wait, which was granted with this request.
    fn outcome(&self, _request: &Self::Request) -> Cause {
        self.cause()
    }

    /// Called when a waiter has left the queue without a grant: the waiters behind it may be due now.
    fn on_leave<'a>(&'a self, state: MutexGuard<'a, Self::State>) {
        drop(state);
    }

    /// Called when a waiter is dropped with a grant that it has not taken.
    fn give_back(&self, request: Self::Request) {
        drop(request);
    }
}

/// How an attempt to fulfil a request ended.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Attempt {
    /// The request is fulfilled.
    Done,
    /// The waiter has to wait.
    Wait,
    /// The waiter has to try again without the lock, because success means that it wakes others.
    Retry,
}

impl Attempt {
    /// [`Done`](Self::Done) if `is_done`, else [`Wait`](Self::Wait).
    pub(super) fn done_if(is_done: bool) -> Self {
        if is_done { Self::Done } else { Self::Wait }
    }
}
