//! Wakes waiters that received a grant, after the lock is released.

use super::waiter::Waiter;
use crate::shim::{MutexGuard, lock};
use brigade_handle::contain;
use brigade_trace::{Cause, because};
use std::task::Waker;

/// How many wakers are collected under the lock before it is released to wake them.
const WAKE_BATCH: usize = 16;

/// Wakers that were taken out under a lock, and are woken after it is released.
pub(super) struct Wakers {
    wakers: [Option<Waker>; WAKE_BATCH],
    len: usize,
}

impl Wakers {
    pub(super) fn new() -> Self {
        Self { wakers: [const { None }; WAKE_BATCH], len: 0 }
    }

    pub(super) fn is_full(&self) -> bool {
        self.len == WAKE_BATCH
    }

    /// Adds a waker.
    ///
    /// # Panics
    ///
    /// Panics in the caller if there are `WAKE_BATCH` wakers already.
    pub(super) fn push(&mut self, waker: Waker) {
        self.wakers[self.len] = Some(waker);
        self.len += 1;
    }

    pub(super) fn wake(&mut self, cause: Cause) {
        for waker in &mut self.wakers[..self.len] {
            wake(cause, waker.take());
        }
        self.len = 0;
    }
}

/// Grants a turn to each waiter that is queued now, but to none that joins while these are woken.
///
/// The lock is released to wake each batch and when this returns.
pub(super) fn grant_all<'a, R: Waiter>(
    waiter: &'a R,
    mut state: MutexGuard<'a, R::State>,
    cause: Cause,
    mut fill: impl FnMut(&mut R::Request),
) {
    let round = R::queue(&mut state).next_round();
    let mut wakers = Wakers::new();
    loop {
        while !wakers.is_full()
            && let Some(waker) = R::queue(&mut state).grant_before(round, &mut fill)
        {
            wakers.push(waker);
        }
        let more = wakers.is_full();
        drop(state);
        wakers.wake(cause);
        if !more {
            return;
        }
        state = lock(waiter.lock());
    }
}

/// Wakes a waiter that received a grant. The caller has released the lock.
///
/// A waker of a foreign executor may panic. The panic is contained here, because it is not a failure of the
/// caller.
pub(super) fn wake(cause: Cause, waker: Option<Waker>) {
    if let Some(waker) = waker {
        contain(|| because(cause, || waker.wake()));
    }
}
