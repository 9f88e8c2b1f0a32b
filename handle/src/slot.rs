//! The slot: a cell for one result, between the side that completes it and the side that waits.
//!
//! It is a [`Signal`], whose head states the protocol, and a [`Place`] for the value. An executor that has room for the value elsewhere
//! needs a signal only: a task keeps its output where its future was.

use crate::{
    JoinError,
    signal::{Heir, Signal},
    sync::UnsafeCell,
};
use std::{marker::PhantomData, mem::MaybeUninit, ptr::NonNull};

type Output<T> = Result<T, JoinError>;

/// A cell for one result, which wakes the one who waits for it.
pub struct Slot<T> {
    signal: Signal,
    // --- the completer's until DONE, then the joiner's (rule 1 of `signal.rs`) ---
    value: UnsafeCell<MaybeUninit<Output<T>>>,
}

// SAFETY: the signal hands the value from the completer's thread to the joiner's (rule 1), so T must be Send.
unsafe impl<T: Send> Sync for Slot<T> {}

impl<T> Slot<T> {
    /// An empty slot with no joiner.
    #[cfg(not(loom))]
    pub const fn new() -> Self {
        Self { signal: Signal::new(), value: UnsafeCell::new(MaybeUninit::uninit()) }
    }

    /// An empty slot with no joiner.
    #[cfg(loom)]
    pub fn new() -> Self {
        Self { signal: Signal::new(), value: UnsafeCell::new(MaybeUninit::uninit()) }
    }

    /// An empty slot whose joiner exists already: for [`JoinHandle::from_raw`](crate::JoinHandle::from_raw).
    #[inline]
    pub fn joined() -> Self {
        Self { signal: Signal::joined(0), value: UnsafeCell::new(MaybeUninit::uninit()) }
    }

    /// How far the two sides are.
    #[inline]
    pub fn signal(&self) -> &Signal {
        &self.signal
    }

    /// Where the value is, when it is there.
    #[inline]
    pub fn place(&self) -> Place<'_, T> {
        let value = self.value.with_mut(|value| NonNull::new(value).expect("a cell has an address"));
        Place { value: value.cast(), _slot: PhantomData }
    }

    /// Stores the result and wakes the joiner. Of several calls the first one wins; the others' results are dropped
    /// and they return false.
    ///
    /// # Panics
    ///
    /// If the joiner is gone and dropping the result panics.
    pub fn complete(&self, result: Output<T>) -> bool {
        if !self.signal.claim() {
            return false;
        }
        // SAFETY: the claim lets exactly one caller of `complete` come here, and whoever calls
        // `complete_once` has promised that nobody else completes. The caller's borrow keeps the slot there.
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
    /// In the slot's life there is at most one call of `complete_once`, and none together with `complete`. The caller has a reference of its
    /// own to what the slot lies in: the joiner may give up its own before this returns.
    pub unsafe fn complete_once(&self, result: Output<T>) {
        // SAFETY: DONE is not set, since only this call sets it, so the value is the completer's (rule 1).
        self.value.with_mut(|value| unsafe { (*value).write(result) });
        // SAFETY: the value is stored, and this is the one call; as for the slot, the caller has a reference.
        if unsafe { self.signal.complete() } == Heir::Completer {
            // SAFETY: it was stored above, and nobody else takes it (rule 1).
            self.value.with_mut(|value| unsafe { value.cast::<Output<T>>().drop_in_place() });
        }
    }

    /// Whether the result has been stored.
    #[inline]
    pub fn is_finished(&self) -> bool {
        self.signal.is_finished()
    }

    /// Whether the joiner is gone, so that nobody will see the result.
    #[inline]
    pub fn is_detached(&self) -> bool {
        self.signal.is_detached()
    }
}

impl<T> Drop for Slot<T> {
    fn drop(&mut self) {
        // A joiner has taken or dropped what was there for it.
        if self.signal.is_finished() && !self.signal.has_joiner() {
            // SAFETY: DONE says that the value is stored, and without a joiner nobody has taken it.
            self.value.with_mut(|value| unsafe { value.cast::<Output<T>>().drop_in_place() });
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

/// Where a value is: in a [`Slot`], or in an executor's own allocation.
pub struct Place<'a, T> {
    value: NonNull<Output<T>>,
    _slot: PhantomData<&'a Slot<T>>,
}

impl<T> Place<'_, T> {
    /// A place in an allocation.
    ///
    /// # Safety
    ///
    /// The value lies there from when the signal was completed until it is taken, and only the signal's heir touches it.
    #[inline]
    pub unsafe fn new(value: NonNull<Output<T>>) -> Self {
        Self { value, _slot: PhantomData }
    }

    /// Takes the value.
    ///
    /// # Safety
    ///
    /// The caller is the joiner, had the signal say that the value is the joiner's before it asked for this place, and calls this once.
    #[inline]
    pub(crate) unsafe fn take(self) -> Output<T> {
        // SAFETY: the value is there and the caller's, who takes it once.
        unsafe { self.value.read() }
    }
}
