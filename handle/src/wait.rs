//! What blocking means on this thread.
//!
//! Only the owner of a thread knows whether the thread may sleep: an ordinary thread may, a pool worker should help
//! first and tell its pool that it is away, an async worker must not. So whoever owns the thread [sets](set) the
//! [`Policy`], and whatever blocks goes through [`block`].

use crate::parker;
use std::{
    cell::Cell,
    marker::PhantomData,
    task::{Poll, Waker},
};

/// What a thread does when it is asked to wait.
#[derive(Clone, Copy, Debug)]
pub enum Policy {
    /// Park until woken. What a thread does that nobody has claimed.
    Park,
    /// Help with the work that is waited for; if it runs elsewhere, park and let the pool know.
    Help(&'static Hooks),
    /// Panic: this thread runs other people's tasks. The text says who owns the thread and what to do instead.
    Forbid(&'static str),
}

/// How a pool hears that one of its workers sleeps for a while, so that it can keep its work going.
#[derive(Debug)]
pub struct Hooks {
    /// Called before the worker parks.
    pub blocked: fn(),
    /// Called after it was woken for good.
    pub unblocked: fn(),
}

thread_local! {
    static POLICY: Cell<Policy> = const { Cell::new(Policy::Park) };
}

/// This thread's policy.
pub fn policy() -> Policy {
    // A thread that is ending has no policy any more: it parks like any other.
    POLICY.try_with(Cell::get).unwrap_or(Policy::Park)
}

/// Sets this thread's policy until the guard is dropped, which puts back the one before.
pub fn set(policy: Policy) -> Restore {
    let before = POLICY.with(|place| place.replace(policy));
    Restore { before, _not_send: PhantomData }
}

/// Puts back the policy that was there before [`set`].
#[derive(Debug)]
#[must_use = "the policy holds as long as the guard lives"]
pub struct Restore {
    before: Policy,
    _not_send: PhantomData<*const ()>,
}

impl Drop for Restore {
    fn drop(&mut self) {
        let _ = POLICY.try_with(|place| place.set(self.before));
    }
}

/// Polls until ready; sleeps between the polls as this thread's policy says. `what` names the caller in a panic.
///
/// # Panics
///
/// If the policy is [`Policy::Forbid`], even if `poll` would have been ready at once: a mistake that shows only
/// sometimes is worse than one that always shows.
pub fn block<R>(what: &str, mut poll: impl FnMut(&Waker) -> Poll<R>) -> R {
    let policy = policy();
    if let Policy::Forbid(advice) = policy {
        panic!("{what} would block this thread: {advice}");
    }
    parker::with_parker(|parker, waker| {
        if let Poll::Ready(result) = poll(waker) {
            return result;
        }
        let _away = Away::begin(policy);
        loop {
            parker.park();
            if let Poll::Ready(result) = poll(waker) {
                return result;
            }
        }
    })
}

/// Between the two hooks of a helping worker; also when the poll panics.
struct Away(Policy);

impl Away {
    fn begin(policy: Policy) -> Self {
        if let Policy::Help(hooks) = policy {
            (hooks.blocked)();
        }
        Self(policy)
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        if let Policy::Help(hooks) = self.0 {
            (hooks.unblocked)();
        }
    }
}
