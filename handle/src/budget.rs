//! The cooperative budget: how many operations a task may complete in one poll before it has to let others run.
//!
//! Without it a task whose channel always has a value, or which joins a thousand tasks that have ended, would never return to its executor. An
//! operation that finds the budget used up wakes the task and is pending, so the task comes back behind the others. After tokio's
//! `task::coop`.
//!
//! The executor [renews](renew) the budget before it polls a task. An operation that can be ready again and again asks for it first, and
//! spends some when it is ready:
//!
//! ```
//! use brigade_handle::budget;
//! use std::task::{Context, Poll, ready};
//!
//! fn poll_number(cx: &mut Context<'_>) -> Poll<u32> {
//!     ready!(budget::poll(cx));
//!     budget::spend();
//!     Poll::Ready(7)
//! }
//!
//! let mut cx = Context::from_waker(std::task::Waker::noop());
//! // Outside of a task of ours nothing is counted: another executor has its own ideas.
//! assert!((0..1000).all(|_| poll_number(&mut cx).is_ready()));
//! let _lifted = budget::lift();
//! budget::renew();
//! assert!((0..budget::OPERATIONS).all(|_| poll_number(&mut cx).is_ready()));
//! assert!(poll_number(&mut cx).is_pending());
//! ```
//!
//! An operation that is pending costs nothing: a task that polls a thousand of those is no hog.

use std::{
    cell::Cell,
    marker::PhantomData,
    task::{Context, Poll, Waker},
};

/// How many operations a task may complete in one poll.
pub const OPERATIONS: u8 = 128;

/// Nothing is counted.
const UNLIMITED: u8 = u8::MAX;

thread_local! {
    // It has no destructor, so it can be used as long as the thread runs.
    static LEFT: Cell<u8> = const { Cell::new(UNLIMITED) };
}

/// Begins a poll of a task.
#[inline]
pub fn renew() {
    LEFT.set(OPERATIONS);
}

/// Pending, and the task is woken, if the budget is used up.
#[inline]
pub fn poll(cx: &mut Context<'_>) -> Poll<()> {
    if LEFT.get() == 0 {
        wait_for_turn(cx.waker());
        return Poll::Pending;
    }
    Poll::Ready(())
}

/// Spends some, for an operation that is about to complete. If there is nothing left, the task is woken instead, and this is false.
#[inline]
pub fn take(waker: &Waker) -> bool {
    let left = LEFT.get();
    if left == 0 {
        wait_for_turn(waker);
        return false;
    }
    if left != UNLIMITED {
        LEFT.set(left - 1);
    }
    true
}

#[cold]
fn wait_for_turn(waker: &Waker) {
    waker.wake_by_ref();
}

/// Whether there is some left: for an operation that can be done without a waker.
#[inline]
pub fn is_left() -> bool {
    LEFT.get() != 0
}

/// An operation was completed.
#[inline]
pub fn spend() {
    let less = LEFT.get().wrapping_sub(1);
    // Neither for 0, of which nothing is left, nor for UNLIMITED.
    if less < UNLIMITED - 1 {
        LEFT.set(less);
    }
}

/// How much was left at some moment.
#[derive(Clone, Copy, Debug)]
pub struct Mark(u8);

/// Remembers how much is left, for [`spend_since`].
#[inline]
pub fn mark() -> Mark {
    Mark(LEFT.get())
}

/// An operation was completed that is made of others: it counts if none of those did since the mark.
#[inline]
pub fn spend_since(mark: Mark) {
    if LEFT.get() == mark.0 {
        spend();
    }
}

/// Counts nothing on this thread until the guard is dropped, which puts back what was left.
#[inline]
pub fn lift() -> Lifted {
    Lifted { before: LEFT.replace(UNLIMITED), _not_send: PhantomData }
}

/// The time in which nothing is counted, from [`lift`].
#[derive(Debug)]
#[must_use = "operations count again as soon as the guard is dropped"]
pub struct Lifted {
    before: u8,
    _not_send: PhantomData<*const ()>,
}

impl Drop for Lifted {
    #[inline]
    fn drop(&mut self) {
        LEFT.set(self.before);
    }
}
