//! How many children a scope still waits for: a count that the scope's owner changes without an atomic operation.
//!
//! Most children are spawned and run by the worker that owns their scope, and two atomic operations would be a third of what such a child
//! costs. So the count is the sum of two parts:
//!
//! 1. [`Here`] is changed by the owner alone: for a child that it spawns, and for one that has ended on its thread.
//! 2. [`Away`] is changed by everybody else. A child that is spawned here and ends elsewhere takes one from `Away`, so both parts may be
//!    negative, and only the owner, which knows both, can tell that the sum is zero.
//! 3. To be told, the owner **settles** each time before it parks: it adds `Here` to `Away`, and while it is parked only `Away` counts.
//!    Before the first time `Away` has a head start of [`BIAS`], which `Here` lacks; so whoever brings `Away` to zero knows that the owner
//!    has settled. It was the last one if the owner is parked; if the owner goes on and has spawned meanwhile, it may not be, and
//!    the owner is told for nothing.
//! 4. Whoever adds a child is itself counted, as a child or as the scope's body. So a sum of zero is final.
//!
//! After Choi, Shull and Torrellas, "Biased reference counting: minimizing atomic operations in garbage collection" (2018).
//! `tests/loom/waiting.rs` models it.

use crate::sync::{AtomicIsize, Ordering};
use std::{cell::Cell, ptr::NonNull};

/// More than there can be children.
const BIAS: isize = isize::MAX / 2;

/// The owner's part.
#[derive(Debug)]
pub struct LocalCount(Cell<isize>);

/// Everybody else's part.
#[derive(Debug)]
pub struct SharedCount(AtomicIsize);

impl LocalCount {
    /// Both parts, for a scope whose body is about to run.
    pub fn body() -> (Self, SharedCount) {
        (Self(Cell::new(1 - BIAS)), SharedCount(AtomicIsize::new(BIAS)))
    }

    /// The owner spawns a child.
    #[inline]
    pub fn add(&self) {
        self.0.set(self.0.get() + 1);
    }

    /// A child, or the body, has ended on the owner's thread.
    #[inline]
    pub fn end(&self) {
        self.0.set(self.0.get() - 1);
    }

    /// Whether all have ended.
    #[inline]
    pub fn is_done(&self, shared: &SharedCount) -> bool {
        // Acquire pairs with the Release of those who ended elsewhere.
        self.0.get() + shared.0.load(Ordering::Acquire) == 0
    }

    /// The owner will park: until it goes on, whoever is last says so (rule 3).
    pub fn merge(&self, shared: &SharedCount) {
        // Relaxed: nobody acquires what ended here but the owner, and the owner asks whether all is done next. An addition does not end
        // the release sequence of those who ended elsewhere before.
        shared.0.fetch_add(self.0.take(), Ordering::Relaxed);
    }
}

impl SharedCount {
    /// Somebody else than the owner spawns a child.
    #[inline]
    pub fn add(&self) {
        // Relaxed: the sum is not zero (rule 4), so nobody draws a conclusion.
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// A child has ended elsewhere. True if it was the last one, and the owner has to be told. Afterwards the count may be gone, which is why
    /// this takes a pointer.
    ///
    /// # Safety
    ///
    /// The count is there as long as not all have ended, and the caller's child was counted, and ends once.
    #[inline]
    #[must_use = "if it says so, the owner has to be unparked"]
    pub unsafe fn end(this: NonNull<Self>) -> bool {
        // SAFETY: the child is counted until this operation.
        let count = unsafe { &(*this.as_ptr()).0 };
        // Release pairs with the owner's Acquire: what the child did comes before the scope's end.
        count.fetch_sub(1, Ordering::Release) == 1
    }
}
