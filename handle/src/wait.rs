//! The waiting policy: the meaning of blocking on this thread.
//!
//! Only the owner of a thread knows whether the thread may sleep. An ordinary thread may; a pool worker
//! should help first and tell its pool that it is blocked; an async worker must not. So the owner of a
//! thread [sets](set) the [`Policy`], and everything that blocks goes through [`block`] or
//! [`block_until`], or through [`away`] if it sleeps by other means.
//!
//! Policies nest. A job of a pool may run an async executor on its thread, and that executor forbids its
//! tasks to block. The pool still owns the thread and has to know when the executor sleeps. So a setting
//! keeps the [`Hooks`] of the pool, the functions that tell it so, beneath the executor's policy.

use crate::{clock, parker};
use std::{
    cell::Cell,
    marker::PhantomData,
    task::{Poll, Waker},
    time::Instant,
};

/// The policy of a thread: how it waits.
///
/// ```
/// use brigade_handle::wait::{self, Policy};
///
/// assert!(matches!(wait::policy(), Policy::Park));
/// let restore = wait::set(Policy::Forbid("this thread runs tasks: await instead"));
/// assert!(matches!(wait::policy(), Policy::Forbid(_)));
/// drop(restore);
/// assert!(matches!(wait::policy(), Policy::Park));
/// ```
#[derive(Clone, Copy, Debug)]
pub enum Policy {
    /// Park until woken. This is the policy of a thread that no executor owns.
    Park,
    /// Help with the awaited work; if it runs elsewhere, park and tell the pool. [`block`] only parks and
    /// tells the pool, because it does not know the work. A handle does: its `join` helps first.
    Help(&'static Hooks),
    /// Panic: this thread runs other people's tasks. The text says which executor owns the thread and
    /// what to do instead.
    Forbid(&'static str),
}

/// How a pool learns that one of its workers sleeps for a while, so that it can keep its work going.
///
/// ```
/// use brigade_handle::wait::{self, Hooks, Policy};
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// static BLOCKED: AtomicU32 = AtomicU32::new(0);
/// static HOOKS: Hooks = Hooks {
///     blocked: || _ = BLOCKED.fetch_add(1, Ordering::Relaxed),
///     unblocked: || (),
/// };
/// let _restore = wait::set(Policy::Help(&HOOKS));
/// let _away = wait::away();
/// assert_eq!(BLOCKED.load(Ordering::Relaxed), 1);
/// ```
#[derive(Debug)]
pub struct Hooks {
    /// Called before the worker parks.
    pub blocked: fn(),
    /// Called when the wait is over, and not after each wake-up before that.
    pub unblocked: fn(),
}

/// The setting of a thread.
#[derive(Clone, Copy, Debug)]
struct Setting {
    policy: Policy,
    /// The hooks of the latest [`Policy::Help`], whatever was set above it.
    owner: Option<&'static Hooks>,
}

thread_local! {
    // It has no destructor, so it can be used as long as the thread runs.
    static SETTING: Cell<Setting> = const { Cell::new(Setting { policy: Policy::Park, owner: None }) };
    /// A function to call before this thread sleeps; see [`owe`].
    static DEBT: Cell<Option<fn()>> = const { Cell::new(None) };
}

/// Returns this thread's policy.
///
/// ```
/// use brigade_handle::wait::{self, Policy};
///
/// assert!(matches!(wait::policy(), Policy::Park));
/// ```
pub fn policy() -> Policy {
    SETTING.get().policy
}

/// Sets this thread's policy until the guard is dropped, which restores the one before.
///
/// ```
/// use brigade_handle::wait::{self, Policy};
///
/// let _restore = wait::set(Policy::Forbid("this thread runs tasks: await instead"));
/// let joins = || brigade_handle::pair::<u32>().1.join();
/// assert!(std::panic::catch_unwind(joins).is_err());
/// ```
pub fn set(policy: Policy) -> Restore {
    let before = SETTING.get();
    let owner = if let Policy::Help(hooks) = policy { Some(hooks) } else { before.owner };
    SETTING.set(Setting { policy, owner });
    Restore { before, _not_send: PhantomData }
}

/// Restores the policy that was there before [`set`]. [`Policy`] has an example.
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

/// Polls until ready, and sleeps between the polls as this thread's policy says. `what` names the caller
/// in a panic.
///
/// ```
/// use brigade_handle::wait;
/// use std::task::Poll;
///
/// let mut polls = 0;
/// let done = wait::block("example", |waker| {
///     polls += 1;
///     waker.wake_by_ref();
///     if polls < 3 { Poll::Pending } else { Poll::Ready(polls) }
/// });
/// assert_eq!(done, 3);
/// ```
///
/// # Panics
///
/// Panics if the policy is [`Policy::Forbid`], even if `poll` would have been ready at once: a mistake
/// that shows only sometimes is worse than one that always shows.
#[track_caller]
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

/// Blocks like [`block`], but until the deadline at most. Returns `None` if `poll` was not ready by then.
///
/// A waker that `poll` has kept may still be woken later. That ends at most another sleep of this thread
/// early, and each sleep is followed by a poll.
///
/// ```
/// use brigade_handle::{clock, wait};
/// use std::{task::Poll, time::Duration};
///
/// let soon = clock::now() + Duration::from_millis(2);
/// assert_eq!(wait::block_until("example", soon, |_| Poll::<u32>::Pending), None);
/// assert!(clock::now() >= soon);
/// assert_eq!(wait::block_until("example", soon, |_| Poll::Ready(7)), Some(7));
/// ```
///
/// # Panics
///
/// Panics as [`block`] does.
#[track_caller]
pub fn block_until<R>(what: &str, deadline: Instant, mut poll: impl FnMut(&Waker) -> Poll<R>) -> Option<R> {
    assert_allowed(what);
    parker::with_parker(|parker, waker| {
        if let Poll::Ready(result) = poll(waker) {
            return Some(result);
        }
        // A pool would start a spare thread for a worker that is away, and a wait that is over needs none.
        if clock::now() >= deadline {
            return None;
        }
        let _away = away();
        loop {
            let was_woken = parker.park_until(deadline);
            if let Poll::Ready(result) = poll(waker) {
                return Some(result);
            }
            if !was_woken {
                return None;
            }
        }
    })
}

/// Makes this thread call `settle` whenever it is about to sleep, until the guard is dropped. Use it on a
/// thread that runs foreign code while it holds something that others wait for: if that code waits for
/// one of them, it would otherwise wait for ever.
///
/// ```
/// use brigade_handle::wait;
/// use std::sync::atomic::{AtomicBool, Ordering};
///
/// static SETTLED: AtomicBool = AtomicBool::new(false);
/// let _owing = wait::owe(|| SETTLED.store(true, Ordering::Relaxed));
/// let _away = wait::away();
/// assert!(SETTLED.load(Ordering::Relaxed));
/// ```
pub fn owe(settle: fn()) -> Owing {
    Owing { before: DEBT.replace(Some(settle)), _not_send: PhantomData }
}

/// A guard of [`owe`], which has an example: this thread owes something until the guard is dropped.
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

/// Panics on a thread that must not block. Code that blocks only sometimes, or later, calls this each time,
/// so that a mistake always shows.
///
/// ```
/// use brigade_handle::wait::{self, Policy};
///
/// wait::assert_allowed("an example");
/// let _restore = wait::set(Policy::Forbid("this thread runs tasks: await instead"));
/// assert!(std::panic::catch_unwind(|| wait::assert_allowed("an example")).is_err());
/// ```
///
/// # Panics
///
/// Panics as [`block`] does.
#[inline]
#[track_caller]
pub fn assert_allowed(what: &str) {
    if let Policy::Forbid(advice) = policy() {
        refuse(what, advice);
    }
}

#[cold]
#[track_caller]
fn refuse(what: &str, advice: &str) -> ! {
    panic!("{what} would block this thread: {advice}")
}

/// Settles what this thread [owes](owe), and tells the pool that owns it, if there is one, that it sleeps
/// until the guard is dropped. Use it for a sleep that is not a [`block`]: in an event loop, or until
/// another thread has ended. It checks no policy. [`Hooks`] has an example.
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

/// A guard of [`away`]: this thread counts as asleep until the guard is dropped. [`owe`] has an example.
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
