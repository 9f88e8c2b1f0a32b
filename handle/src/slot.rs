//! The slot: a cell for one result, between the side that completes it and the side that waits.
//!
//! It consists of a [`Signal`], whose header states the protocol, and room for the value. A [`Place`] is a
//! pointer to such room. An executor that has room elsewhere needs only the signal: a task keeps its output
//! where its future was.

use crate::{
    JoinError, note_unseen,
    signal::{Heir, Signal},
    sync::UnsafeCell,
};
use std::{
    marker::PhantomData,
    mem::MaybeUninit,
    panic::{RefUnwindSafe, UnwindSafe},
    ptr::NonNull,
};

type Output<T> = Result<T, JoinError>;

/// A cell for one result, which wakes the side that waits for it.
///
/// ```
/// use brigade_handle::Slot;
///
/// let slot = Slot::new();
/// assert!(slot.complete(Ok(42)));
/// // The first result wins.
/// assert!(!slot.complete(Ok(43)));
/// assert!(slot.is_finished());
/// ```
pub struct Slot<T> {
    signal: Signal,
    // --- the completer's until DONE, then the joiner's (rule 1 of `signal.rs`) ---
    value: UnsafeCell<MaybeUninit<Output<T>>>,
}

// SAFETY: the signal hands the value from the completer's thread to the joiner's (rule 1), so T must be
// Send.
unsafe impl<T: Send> Sync for Slot<T> {}

// As for the signal. A reference to a slot gives no reference to the value.
impl<T> UnwindSafe for Slot<T> {}
impl<T> RefUnwindSafe for Slot<T> {}

impl<T> Slot<T> {
    /// Makes an empty slot without a joiner.
    #[cfg(not(loom))]
    pub const fn new() -> Self {
        Self { signal: Signal::new(), value: UnsafeCell::new(MaybeUninit::uninit()) }
    }

    /// Makes an empty slot without a joiner.
    #[cfg(loom)]
    pub fn new() -> Self {
        Self { signal: Signal::new(), value: UnsafeCell::new(MaybeUninit::uninit()) }
    }

    /// Makes an empty slot whose joiner exists already, for
    /// [`JoinHandle::from_raw`](crate::JoinHandle::from_raw).
    #[inline]
    pub fn joined() -> Self {
        Self { signal: Signal::joined(0), value: UnsafeCell::new(MaybeUninit::uninit()) }
    }

    /// Returns the state of the two sides.
    #[inline]
    pub fn signal(&self) -> &Signal {
        &self.signal
    }

    /// Returns the place of the value.
    #[inline]
    pub fn place(&self) -> Place<'_, T> {
        let value = self.value.with_mut(|value| NonNull::new(value).expect("a cell has an address"));
        Place { value: value.cast(), _slot: PhantomData }
    }

    /// Stores the result and wakes the joiner. Of several calls the first one wins. The results of the
    /// others are dropped, and they return false.
    ///
    /// ```
    /// let slot = brigade_handle::Slot::new();
    /// assert!(slot.complete(Ok("first")));
    /// assert!(!slot.complete(Ok("second")));
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if the joiner is gone and dropping the result panics.
    #[track_caller]
    pub fn complete(&self, result: Output<T>) -> bool {
        if !self.signal.claim() {
            return false;
        }
        // SAFETY: the claim lets exactly one caller of `complete` come here, and a caller of
        // `complete_once` has promised that no other call completes. The caller's borrow keeps the slot
        // alive.
        unsafe { self.complete_once(result) };
        true
    }

    /// Stores the result like [`complete`](Self::complete), but does not check that no other call does.
    ///
    /// # Panics
    ///
    /// Panics if the joiner is gone and dropping the result panics.
    ///
    /// # Safety
    ///
    /// In the slot's life there is at most one call of `complete_once`, and none together with
    /// `complete`. The caller has its own reference to the allocation of the slot, because the joiner may
    /// give up its reference before this returns.
    #[track_caller]
    pub unsafe fn complete_once(&self, result: Output<T>) {
        // SAFETY: DONE is not set, because only this call sets it, so the value is the completer's (rule
        // 1).
        self.value.with_mut(|value| unsafe { (*value).write(result) });
        // SAFETY: the value is stored, and this is the one call; the caller has its own reference to the
        // slot's allocation, in which the signal lies.
        if unsafe { self.signal.complete() } == Heir::Completer {
            // SAFETY: it was stored above, and no other code takes it (rule 1).
            self.value.with_mut(|value| unsafe { drop_unseen(value.cast::<Output<T>>()) });
        }
    }

    /// Returns whether the result has been stored.
    ///
    /// ```
    /// let slot = brigade_handle::Slot::new();
    /// assert!(!slot.is_finished());
    /// slot.complete(Ok(42));
    /// assert!(slot.is_finished());
    /// ```
    #[inline]
    pub fn is_finished(&self) -> bool {
        self.signal.is_finished()
    }

    /// Returns whether the joiner is gone, so that the result will not be used.
    #[inline]
    pub fn is_detached(&self) -> bool {
        self.signal.is_detached()
    }
}

impl<T> Drop for Slot<T> {
    fn drop(&mut self) {
        // If there was a joiner, it has taken or dropped the value, or it had detached before and the
        // completer has dropped the value.
        if self.signal.is_finished() && !self.signal.has_joiner() {
            // SAFETY: DONE says that the value is stored, and without a joiner no code has taken it.
            self.value.with_mut(|value| unsafe { drop_unseen(value.cast::<Output<T>>()) });
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

/// Drops a result in its place, which nobody has taken. An explored run fails if it is a panic.
///
/// ```
/// use brigade_handle::JoinError;
///
/// let mut result = std::mem::ManuallyDrop::new(Ok::<_, JoinError>("soup".to_owned()));
/// // SAFETY: the result is there, and nobody touches it afterwards.
/// unsafe { brigade_handle::drop_unseen(&raw mut *result) };
/// ```
///
/// # Safety
///
/// The result lies there and is the caller's, and no code touches it afterwards.
#[inline]
pub unsafe fn drop_unseen<T>(result: *mut Result<T, JoinError>) {
    // SAFETY: the caller says that it is there.
    note_unseen(unsafe { &*result });
    // SAFETY: the caller owns it, and no code touches it afterwards.
    unsafe { result.drop_in_place() };
}

/// The place of a value: in a [`Slot`], or in an executor's own allocation. A
/// [`Rendezvous`](crate::Rendezvous) returns it.
///
/// ```
/// use brigade_handle::{JoinHandle, Place, Rendezvous, Signal, Slot};
/// use std::sync::Arc;
///
/// struct Work(Slot<u32>);
///
/// // SAFETY: signal and place are those of one slot, and a thread that borrows the Arc completes it.
/// unsafe impl Rendezvous<u32> for Work {
///     fn signal(&self) -> &Signal {
///         self.0.signal()
///     }
///     fn place(&self) -> Place<'_, u32> {
///         self.0.place()
///     }
///     fn cancel(&self) {}
/// }
///
/// let work = Arc::new(Work(Slot::new()));
/// let handle = JoinHandle::from_arc(work.clone());
/// work.0.complete(Ok(42));
/// assert_eq!(handle.join().unwrap(), 42);
/// ```
pub struct Place<'a, T> {
    value: NonNull<Output<T>>,
    _slot: PhantomData<&'a Slot<T>>,
}

impl<T> Place<'_, T> {
    /// Makes a place in an allocation.
    ///
    /// # Safety
    ///
    /// The value lies there from the completion of the signal until it is taken, and only the signal's
    /// heir touches it.
    #[inline]
    pub unsafe fn new(value: NonNull<Output<T>>) -> Self {
        Self { value, _slot: PhantomData }
    }

    /// Takes the value.
    ///
    /// # Safety
    ///
    /// The caller is the joiner, has learned from the signal that the value is the joiner's before it
    /// asked for this place, and calls this once.
    #[inline]
    pub(crate) unsafe fn take(self) -> Output<T> {
        // SAFETY: the value is there and belongs to the caller, which takes it once.
        unsafe { self.value.read() }
    }
}
