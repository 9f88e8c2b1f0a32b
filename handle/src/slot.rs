//! The slot: a cell for one result, between the side that completes it and the side that waits.
//!
//! # Who may touch what, and when
//!
//! A slot has two sides, each used by at most one thread at a time: the **completer**, who stores the result once, and
//! the **joiner**, who polls for it. One byte says how far they are:
//!
//! ```text
//!   bit 0  DONE      the result is stored                 set by the completer, once, never cleared
//!   bit 1  WAITING   the waker is stored                  set and cleared by the joiner
//!   bit 2  DETACHED  nobody will take the result          set by the joiner, once, never cleared
//!   bit 3  JOINED    a joiner exists                      set when a handle is made, never cleared
//!   bit 4  CLAIMED   a completer has begun                set by `complete`, never cleared
//! ```
//!
//! 1. Until DONE the value belongs to the completer. From DONE on it belongs to the joiner, unless the bit DETACHED was
//!    set before DONE: then it stays the completer's, who drops it.
//! 2. While neither WAITING nor DONE is set the waker belongs to the joiner, who may write it.
//! 3. While WAITING is set both sides may read the waker and neither may write it. The joiner takes it back by clearing
//!    WAITING, which it may do only while DONE is not set.
//! 4. The completer reads the waker only if the operation that set DONE found WAITING set and DETACHED not set. It wakes
//!    by reference; the waker is dropped with the slot, or by a detach that came before DONE.
//!
//! # Why no wake-up is lost
//!
//! The completer stores the value, then sets DONE. The joiner stores the waker, then sets WAITING. Both are
//! read-modify-write operations on one byte, so one of them comes second and sees the other's bit:
//!
//! ```text
//!   completer                          joiner
//!   value = result                     waker = me
//!   old = state.fetch_or(DONE)         old = state.fetch_or(WAITING)
//!   old has WAITING? wake              old has DONE? take the value
//! ```
//!
//! The protocol is tokio's for `JoinHandle` (`runtime/task/state.rs`), cut out of the task so that pool jobs and process
//! calls use it too. `tests/loom.rs` models each pair of operations.

use crate::{
    JoinError,
    sync::{AtomicU8, Ordering, UnsafeCell},
};
use std::task::{Poll, Waker};

const DONE: u8 = 1 << 0;
const WAITING: u8 = 1 << 1;
const DETACHED: u8 = 1 << 2;
const JOINED: u8 = 1 << 3;
const CLAIMED: u8 = 1 << 4;

type Output<T> = Result<T, JoinError>;

/// A cell for one result, which wakes the one who waits for it. See the head of `slot.rs` for the protocol.
pub struct Slot<T> {
    state: AtomicU8,
    // --- the joiner's until WAITING, then read by both (rules 2 to 4) ---
    waker: UnsafeCell<Option<Waker>>,
    // --- the completer's until DONE, then the joiner's (rule 1) ---
    value: UnsafeCell<Option<Output<T>>>,
}

// SAFETY: the state byte hands the value from the completer's thread to the joiner's (rule 1), so T must be Send; the
// waker is Send and Sync itself, and is never written while the other side may read it (rules 2 to 4).
unsafe impl<T: Send> Sync for Slot<T> {}

impl<T> Slot<T> {
    /// An empty slot with no joiner.
    #[cfg(not(loom))]
    pub const fn new() -> Self {
        Self { state: AtomicU8::new(0), waker: UnsafeCell::new(None), value: UnsafeCell::new(None) }
    }

    /// An empty slot with no joiner.
    #[cfg(loom)]
    pub fn new() -> Self {
        Self { state: AtomicU8::new(0), waker: UnsafeCell::new(None), value: UnsafeCell::new(None) }
    }

    /// An empty slot whose joiner exists already: for [`JoinHandle::from_raw`](crate::JoinHandle::from_raw).
    pub fn joined() -> Self {
        let slot = Self::new();
        slot.state.store(JOINED, Ordering::Relaxed);
        slot
    }

    /// Stores the result and wakes the joiner. Of several calls the first one wins; the others' results are dropped
    /// and they return false.
    ///
    /// # Panics
    ///
    /// If the joiner is gone and dropping the result panics.
    pub fn complete(&self, result: Output<T>) -> bool {
        // The claim only has to be unique; what it guards is published by DONE.
        if self.state.fetch_or(CLAIMED, Ordering::Relaxed) & CLAIMED != 0 {
            return false;
        }
        // SAFETY: the bit CLAIMED lets exactly one caller of `complete` come here, and whoever calls
        // `complete_once` has promised that nobody else completes.
        unsafe { self.complete_once(result) };
        true
    }

    /// [`complete`](Self::complete) without the check that nobody else does.
    ///
    /// # Panics
    ///
    /// If the joiner is gone and dropping the result panics.
    ///
    /// # Safety
    ///
    /// In the slot's life there is at most one call of `complete_once`, and none together with `complete`.
    pub unsafe fn complete_once(&self, result: Output<T>) {
        // SAFETY: DONE is not set, since only this call sets it, so the value is the completer's (rule 1).
        self.value.with_mut(|value| unsafe { *value = Some(result) });
        // Release publishes the value to the joiner's Acquire; Acquire pairs with the joiner's fetch_or(WAITING) so
        // that its waker is seen, and with `detach` so that its last accesses come before ours.
        let old = self.state.fetch_or(DONE, Ordering::AcqRel);
        if old & DETACHED != 0 {
            // SAFETY: DETACHED came before DONE, so the value stays the completer's (rule 1).
            drop(self.value.with_mut(|value| unsafe { (*value).take() }));
        } else if old & WAITING != 0 {
            // SAFETY: the operation that set DONE found WAITING set, so the waker may be read and nobody writes it
            // any more (rules 3 and 4).
            self.waker.with(|waker| unsafe { (*waker).as_ref() }.map(Waker::wake_by_ref));
        }
    }

    /// Whether the result has been stored.
    #[inline]
    pub fn is_finished(&self) -> bool {
        // Acquire, so that what the work did is visible to who sees it finished.
        self.state.load(Ordering::Acquire) & DONE != 0
    }

    /// Whether the joiner is gone, so that nobody will see the result.
    #[inline]
    pub fn is_detached(&self) -> bool {
        self.state.load(Ordering::Relaxed) & DETACHED != 0
    }

    /// Marks that a joiner exists. False if there was one already.
    pub(crate) fn claim_joiner(&self) -> bool {
        // Only uniqueness matters: the slot itself reaches the joiner by other means.
        self.state.fetch_or(JOINED, Ordering::Relaxed) & JOINED == 0
    }

    /// Takes the result, or registers `waker` for when it is there.
    ///
    /// # Safety
    ///
    /// The caller is the only joiner, has not detached, and has not been given the result yet.
    #[inline]
    pub(crate) unsafe fn poll(&self, waker: &Waker) -> Poll<Output<T>> {
        // Acquire pairs with the completer's fetch_or(DONE).
        let state = self.state.load(Ordering::Acquire);
        if state & DONE == 0 {
            // SAFETY: the caller is the joiner.
            let registered = unsafe { self.register(state, waker) };
            if registered {
                return Poll::Pending;
            }
        }
        // SAFETY: DONE was seen by an Acquire and DETACHED is not set, so the value is the joiner's (rule 1).
        let value = self.value.with_mut(|value| unsafe { (*value).take() });
        Poll::Ready(value.expect("a finished slot holds its value until the joiner takes it, once"))
    }

    /// Stores the waker. False if the result came first.
    ///
    /// # Safety
    ///
    /// As for `poll`; `state` is what the joiner last saw.
    unsafe fn register(&self, state: u8, waker: &Waker) -> bool {
        if state & WAITING != 0 {
            // SAFETY: while WAITING is set both sides may read the waker and nobody writes it (rule 3).
            let same =
                self.waker.with(|old| unsafe { (*old).as_ref() }.is_some_and(|old| old.will_wake(waker)));
            if same {
                return true;
            }
            // WAITING => not WAITING takes the waker back, unless DONE came first (rule 3). Release keeps our reads of
            // it before; Acquire pairs with the completer's DONE.
            let free = self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| {
                (now & DONE == 0).then_some(now & !WAITING)
            });
            if free.is_err() {
                return false;
            }
        }
        // SAFETY: neither WAITING nor DONE is set, or DONE was set without WAITING: the waker is the joiner's (rules 2, 4).
        let old = self.waker.with_mut(|place| unsafe { (*place).replace(waker.clone()) });
        // Release publishes the waker; Acquire pairs with the completer's DONE if that came first.
        let won = self.state.fetch_or(WAITING, Ordering::AcqRel) & DONE == 0;
        // Dropped last: a waker's destructor is foreign code, which must not find the slot between two states.
        drop(old);
        won
    }

    /// Says that nobody will take the result.
    ///
    /// # Panics
    ///
    /// If the result is there and dropping it panics.
    ///
    /// # Safety
    ///
    /// The caller is the only joiner and does not touch the slot afterwards.
    pub(crate) unsafe fn detach(&self) {
        // Release puts our last accesses before what the completer does next; Acquire pairs with its DONE.
        let old = self.state.fetch_or(DETACHED, Ordering::AcqRel);
        if old & DONE != 0 {
            // SAFETY: DONE came before DETACHED, so the value is the joiner's (rule 1).
            drop(self.value.with_mut(|value| unsafe { (*value).take() }));
        } else if old & WAITING != 0 {
            // SAFETY: DETACHED came before DONE, so the completer will not read the waker (rule 4).
            drop(self.waker.with_mut(|waker| unsafe { (*waker).take() }));
        }
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> std::fmt::Debug for Slot<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slot").field("finished", &self.is_finished()).finish_non_exhaustive()
    }
}
