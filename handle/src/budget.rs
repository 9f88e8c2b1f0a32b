//! The cooperative budget: how many operations a task may complete in one poll before it has to let
//! others run.
//!
//! Without a budget, a task whose channel always has a value, or which joins a thousand tasks that have
//! ended, would never return to its executor. An operation that finds the budget used up wakes the task
//! and is pending, so the task comes back behind the others. This follows tokio's `task::coop`.
//!
//! The executor [renews](renew) the budget before it polls a task. An operation that can be ready again
//! and again checks the budget first, and spends from it when it is ready:
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
//! A pending operation costs nothing: a task that polls a thousand of those does not hold up the others.

use std::{
    cell::Cell,
    marker::PhantomData,
    task::{Context, Poll, Waker},
};

/// How many operations a task may complete in one poll.
pub const OPERATIONS: u8 = 128;

/// The budget of a thread that counts nothing.
const UNLIMITED: u8 = u8::MAX;

thread_local! {
    // It has no destructor, so it can be used as long as the thread runs.
    static LEFT: Cell<u8> = const { Cell::new(UNLIMITED) };
}

/// Renews the budget: the executor calls this before it polls a task.
///
/// ```
/// use brigade_handle::budget;
///
/// budget::renew();
/// (0..budget::OPERATIONS).for_each(|_| budget::spend());
/// assert!(!budget::is_left());
/// budget::renew();
/// assert!(budget::is_left());
/// ```
#[inline]
pub fn renew() {
    // A task is about to be polled.
    #[cfg(feature = "explore")]
    crate::explore::progress();
    LEFT.set(OPERATIONS);
}

/// Returns pending, and wakes the task, if the budget is used up.
#[inline]
pub fn poll(cx: &mut Context<'_>) -> Poll<()> {
    if LEFT.get() == 0 {
        wait_for_turn(cx.waker());
        return Poll::Pending;
    }
    Poll::Ready(())
}

/// Spends one operation that is about to complete. If nothing is left, it wakes the task instead and
/// returns false.
///
/// ```
/// use brigade_handle::budget;
/// use std::task::Waker;
///
/// budget::renew();
/// assert!((0..budget::OPERATIONS).all(|_| budget::take(Waker::noop())));
/// assert!(!budget::take(Waker::noop()));
/// ```
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

/// Returns whether some budget is left, for an operation that needs no waker.
///
/// ```
/// use brigade_handle::budget;
///
/// budget::renew();
/// assert!(budget::is_left());
/// ```
#[inline]
pub fn is_left() -> bool {
    LEFT.get() != 0
}

/// Spends one operation that was completed.
///
/// ```
/// use brigade_handle::budget;
///
/// budget::renew();
/// (0..budget::OPERATIONS).for_each(|_| budget::spend());
/// assert!(!budget::is_left());
/// ```
#[inline]
pub fn spend() {
    let less = LEFT.get().wrapping_sub(1);
    // Neither for 0, which means that nothing is left, nor for UNLIMITED.
    if less < UNLIMITED - 1 {
        LEFT.set(less);
    }
}

/// The budget that was left at some moment. [`mark`] makes it, and has an example.
#[derive(Clone, Copy, Debug)]
pub struct Mark(u8);

/// Remembers how much budget is left, for [`spend_since`].
///
/// ```
/// use brigade_handle::budget;
///
/// budget::renew();
/// let before = budget::mark();
/// budget::spend();
/// // A part has paid already, so the whole is free.
/// budget::spend_since(before);
/// let left = (0..).take_while(|_| budget::is_left() && { budget::spend(); true }).count();
/// assert_eq!(left, usize::from(budget::OPERATIONS) - 1);
/// ```
#[inline]
pub fn mark() -> Mark {
    Mark(LEFT.get())
}

/// Spends one operation that consists of others, unless one of those has spent since the mark.
#[inline]
pub fn spend_since(mark: Mark) {
    if LEFT.get() == mark.0 {
        spend();
    }
}

/// Lifts the budget: nothing is counted on this thread until the guard is dropped, which restores the
/// budget.
///
/// ```
/// use brigade_handle::budget;
///
/// budget::renew();
/// let lifted = budget::lift();
/// (0..=budget::OPERATIONS).for_each(|_| budget::spend());
/// assert!(budget::is_left());
/// drop(lifted);
/// assert!(budget::is_left());
/// ```
#[inline]
pub fn lift() -> Lifted {
    Lifted { before: LEFT.replace(UNLIMITED), _not_send: PhantomData }
}

/// A guard of [`lift`], which has an example: no operation is counted until the guard is dropped.
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
