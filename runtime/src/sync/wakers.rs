//! Wakes waiters that received a grant, after the lock is released.

use super::waiter::Waiter;
use crate::shim::{MutexGuard, lock};
use brigade_handle::contain;
use brigade_trace::{Cause, because};
use std::task::Waker;

/// How many wakers are collected under the lock before it is released to wake them. The fewer there are,
/// the more often the lock is taken, against tasks that were woken and wait again. The more there are, the
/// longer the lock is held.
const WAKE_BATCH: usize = 256;
/// The first wakers of a batch need no allocation.
const FIRST_WAKERS: usize = 16;

/// Wakers that were taken out under a lock, and are woken after it is released.
pub(super) struct Wakers {
    first: [Option<Waker>; FIRST_WAKERS],
    len: usize,
    /// Those beyond the first ones.
    more: Vec<Waker>,
}

impl Wakers {
    pub(super) fn new() -> Self {
        Self { first: [const { None }; FIRST_WAKERS], len: 0, more: Vec::new() }
    }

    pub(super) fn is_full(&self) -> bool {
        self.more.len() == WAKE_BATCH - FIRST_WAKERS
    }

    /// Adds a waker. The caller has seen that these are not full.
    pub(super) fn push(&mut self, waker: Waker) {
        if let Some(place) = self.first.get_mut(self.len) {
            *place = Some(waker);
            self.len += 1;
        } else {
            if self.more.capacity() == 0 {
                self.more.reserve_exact(WAKE_BATCH - FIRST_WAKERS);
            }
            self.more.push(waker);
        }
    }

    pub(super) fn wake(&mut self, cause: Cause) {
        for waker in &mut self.first[..self.len] {
            wake(cause, waker.take());
        }
        self.len = 0;
        self.more.drain(..).for_each(|waker| wake(cause, Some(waker)));
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
