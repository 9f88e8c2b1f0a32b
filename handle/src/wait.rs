//! What blocking means on this thread.
//!
//! Only the owner of a thread knows whether the thread may sleep: an ordinary thread may, a pool worker should help
//! first and tell its pool that it is away, an async worker must not. So whoever owns the thread [sets](set) the
//! [`Policy`], and whatever blocks goes through [`block`], or through [`away`] if it sleeps by other means.
//!
//! A pool stays the owner of its thread when an executor that runs there sets a policy of its own: a job may run async tasks, among which
//! blocking is forbidden, but when that executor sleeps, the pool has to hear of it.

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

/// What is set on a thread.
#[derive(Clone, Copy, Debug)]
struct Setting {
    policy: Policy,
    /// Those of the latest [`Policy::Help`], whatever was set above it.
    owner: Option<&'static Hooks>,
}

thread_local! {
    // It has no destructor, so it can be used as long as the thread runs.
    static SETTING: Cell<Setting> = const { Cell::new(Setting { policy: Policy::Park, owner: None }) };
    /// What this thread does before it sleeps; see [`owe`].
    static DEBT: Cell<Option<fn()>> = const { Cell::new(None) };
}

/// This thread's policy.
pub fn policy() -> Policy {
    SETTING.get().policy
}

/// Sets this thread's policy until the guard is dropped, which puts back the one before.
pub fn set(policy: Policy) -> Restore {
    let before = SETTING.get();
    let owner = if let Policy::Help(hooks) = policy { Some(hooks) } else { before.owner };
    SETTING.set(Setting { policy, owner });
    Restore { before, _not_send: PhantomData }
}

/// Puts back the policy that was there before [`set`].
#[derive(Debug)]
#[must_use = "the policy holds as long as the guard lives"]
pub struct Restore {
    before: Setting,
    _not_send: PhantomData<*const ()>,
}

impl Drop for Restore {
    fn drop(&mut self) {
        SETTING.set(self.before);
    }
}

/// Polls until ready; sleeps between the polls as this thread's policy says. `what` names the caller in a panic.
///
/// # Panics
///
/// If the policy is [`Policy::Forbid`], even if `poll` would have been ready at once: a mistake that shows only
/// sometimes is worse than one that always shows.
pub fn block<R>(what: &str, mut poll: impl FnMut(&Waker) -> Poll<R>) -> R {
    assert_allowed(what);
    parker::with_parker(|parker, waker| {
        if let Poll::Ready(result) = poll(waker) {
            return result;
        }
        let _away = away();
        loop {
            parker.park();
            if let Poll::Ready(result) = poll(waker) {
                return result;
            }
        }
    })
}

/// Has `settle` called whenever this thread is about to sleep, until the guard is dropped. For a thread that runs foreign code while it
/// holds what others wait for: if that code waits for one of them, nobody would ever hand it out.
pub fn owe(settle: fn()) -> Owing {
    Owing { before: DEBT.replace(Some(settle)), _not_send: PhantomData }
}

/// The time in which a thread owes something, from [`owe`].
#[derive(Debug)]
#[must_use = "the debt counts as long as the guard lives"]
pub struct Owing {
    before: Option<fn()>,
    _not_send: PhantomData<*const ()>,
}

impl Drop for Owing {
    fn drop(&mut self) {
        DEBT.set(self.before);
    }
}

/// For what may block later, or did not need to this time.
///
/// # Panics
///
/// As [`block`] does.
#[inline]
pub fn assert_allowed(what: &str) {
    if let Policy::Forbid(advice) = policy() {
        refuse(what, advice);
    }
}

#[cold]
fn refuse(what: &str, advice: &str) -> ! {
    panic!("{what} would block this thread: {advice}")
}

/// Settles what this thread [owes](owe), and tells the pool that owns it, if one does, that it sleeps until the guard is dropped. For a sleep that is not a
/// [`block`]: in an event loop, or until another thread has ended. Asks for no policy.
pub fn away() -> Away {
    if let Some(settle) = DEBT.get() {
        settle();
    }
    let owner = SETTING.get().owner;
    if let Some(hooks) = owner {
        (hooks.blocked)();
    }
    Away { owner, _not_send: PhantomData }
}

/// The time in which a thread sleeps, from [`away`].
#[derive(Debug)]
#[must_use = "the thread counts as asleep as long as the guard lives"]
pub struct Away {
    owner: Option<&'static Hooks>,
    _not_send: PhantomData<*const ()>,
}

impl Drop for Away {
    fn drop(&mut self) {
        if let Some(hooks) = self.owner {
            (hooks.unblocked)();
        }
    }
}
