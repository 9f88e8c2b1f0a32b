//! How many children a scope still waits for: a count that the scope's owner changes without an atomic
//! operation.
//!
//! Most children are spawned and run by the worker that owns their scope, and two atomic operations would
//! be a third of the cost of such a child. So the count is the sum of two parts:
//!
//! 1. Only the owner changes [`LocalCount`]: for a child that it spawns, and for a child that has ended
//!    on its thread.
//! 2. All other threads change [`SharedCount`]. A child that the owner spawns and that ends on another
//!    thread takes one from `SharedCount`. So both parts may be negative, and only the owner, which knows
//!    both, can tell that the sum is zero.
//! 3. To be told of the end, the owner **merges** the parts each time before it parks: it adds
//!    `LocalCount` to `SharedCount`, and only `SharedCount` counts while it is parked. Before the first
//!    merge `SharedCount` is larger by [`BIAS`], and `LocalCount` is smaller by the same number. So the
//!    thread that brings `SharedCount` to zero knows that the owner has merged. If the owner is parked,
//!    that thread's child was the last one. If the owner goes on and has spawned meanwhile, it may not be
//!    the last one, and the owner is told for nothing.
//! 4. A thread that adds a child is itself counted, as a child or as the scope's body. So a sum of zero
//!    is final.
//!
//! This follows Choi, Shull and Torrellas, "Biased reference counting: minimizing atomic operations in
//! garbage collection" (2018). `tests/loom/waiting.rs` models it.

use crate::sync::{AtomicIsize, Ordering};
use std::{cell::Cell, ptr::NonNull};

/// More than the number of children that there can be.
const BIAS: isize = isize::MAX / 2;

/// The owner's part of the count.
#[derive(Debug)]
pub struct LocalCount(Cell<isize>);

/// The part of all other threads.
#[derive(Debug)]
pub struct SharedCount(AtomicIsize);

impl LocalCount {
    /// Makes both parts for a scope whose body is about to run.
    pub fn body() -> (Self, SharedCount) {
        (Self(Cell::new(1 - BIAS)), SharedCount(AtomicIsize::new(BIAS)))
    }

    /// Counts a child that the owner spawns.
    #[inline]
    pub fn add(&self) {
        self.0.set(self.0.get() + 1);
    }

    /// Counts off a child, or the body, that has ended on the owner's thread.
    #[inline]
    pub fn end(&self) {
        self.0.set(self.0.get() - 1);
    }

    /// Returns whether the body and all children have ended.
    #[inline]
    pub fn is_done(&self, shared: &SharedCount) -> bool {
        // Acquire pairs with the Release of the children that ended on other threads.
        self.0.get() + shared.0.load(Ordering::Acquire) == 0
    }

    /// Merges the parts, because the owner will park. Until it goes on, the thread whose child is the
    /// last one says so (rule 3).
    pub fn merge(&self, shared: &SharedCount) {
        // Relaxed: only the owner acquires what ended here, and it checks next whether all have ended. An
        // addition does not end the release sequence of the children that ended on other threads before.
        shared.0.fetch_add(self.0.take(), Ordering::Relaxed);
    }
}

/// The owner's look at both parts while it runs children.
///
/// While thieves run children too, `SharedCount` comes from another processor at each look, and goes back for
/// each of their children. But the owner need not look as long as it finds children in its own queue: they
/// have not ended, so the scope has not. So after a look that finds the part changed, it runs up to
/// [`CHILDREN_PER_LOOK`] of them before the next one (`scope_queens`).
#[derive(Debug)]
pub struct CountWatch<'scope> {
    local: &'scope LocalCount,
    shared: &'scope SharedCount,
    seen: isize,
    children_left: u32,
}

/// How many children the owner runs from its own queue between two looks.
const CHILDREN_PER_LOOK: u32 = 16;

impl<'scope> CountWatch<'scope> {
    /// Begins to watch both parts of a count.
    pub fn new(local: &'scope LocalCount, shared: &'scope SharedCount) -> Self {
        Self { local, shared, seen: BIAS, children_left: 0 }
    }

    /// Returns whether all have ended, if this is the time for a look, and false otherwise.
    #[inline]
    pub fn is_done(&mut self) -> bool {
        if let Some(left) = self.children_left.checked_sub(1) {
            self.children_left = left;
            return false;
        }
        // Acquire, as in `LocalCount::is_done`.
        let shared = self.shared.0.load(Ordering::Acquire);
        if shared != self.seen {
            (self.seen, self.children_left) = (shared, CHILDREN_PER_LOOK);
        }
        self.local.0.get() + shared == 0
    }

    /// Looks, because the owner has found no child in its own queue. Returns whether all have ended.
    #[inline]
    pub fn is_done_now(&mut self) -> bool {
        self.children_left = 0;
        self.local.is_done(self.shared)
    }
}

impl SharedCount {
    /// Counts a child that another thread than the owner spawns.
    #[inline]
    pub fn add(&self) {
        // Relaxed: the sum is not zero (rule 4), so no thread draws a conclusion.
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts off a child that has ended on another thread. Returns whether it was the last one, so that
    /// the caller must unpark the owner. The count may be gone afterwards, so this takes a pointer.
    ///
    /// # Safety
    ///
    /// The count exists until all children have ended, and the caller's child was counted, and ends once.
    #[inline]
    #[must_use = "if true, the caller must unpark the owner"]
    pub unsafe fn end(this: NonNull<Self>) -> bool {
        // SAFETY: the child is counted until this operation.
        let count = unsafe { &(*this.as_ptr()).0 };
        // Release pairs with the owner's Acquire: everything that the child did comes before the scope's
        // end.
        count.fetch_sub(1, Ordering::Release) == 1
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn while_thieves_run_children_the_owner_looks_at_their_part_only_now_and_then() {
        let (local, shared) = LocalCount::body();
        local.end();
        let mut count = CountWatch::new(&local, &shared);
        assert!(count.is_done());
        // Nobody has changed the part of the others, so each look sees what the owner itself does.
        local.add();
        assert!(!count.is_done());
        local.end();
        assert!(count.is_done());
        // A child of another thread.
        shared.add();
        assert!(!count.is_done());
        // SAFETY: the count exists, and this child was counted.
        assert!(!unsafe { SharedCount::end(NonNull::from(&shared)) });
        let looks = (0..CHILDREN_PER_LOOK).filter(|_| count.is_done()).count();
        assert_eq!(looks, 0, "it found a child of its own each time");
        assert!(count.is_done());
        // It has found none.
        shared.add();
        assert!(!count.is_done());
        // SAFETY: as above.
        assert!(!unsafe { SharedCount::end(NonNull::from(&shared)) });
        assert!(count.is_done_now());
    }
}
