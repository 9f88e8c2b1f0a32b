//! The packed word that counts available workers. One load tells a producer whether to wake a worker.
//!
//! ```text
//!   63        48 47        32 31        16 15         0
//!   [  dozing  |  searching |   vacant   |  sleeping  ]
//! ```
//!
//! * **sleeping**: workers that are parked for want of work, or have announced that they will be.
//! * **vacant**: threads that could be started, because as many workers are blocked inside their jobs.
//! * **searching**: workers that look for work; each carries the duty that `registry/sleep.rs` describes.
//! * **dozing**: sleeping workers that will wake by themselves soon. Each is counted under sleeping, too.
//!
//! 1. No field overflows: a pool has fewer than 2¹⁵ threads (`Builder::build` checks it).
//! 2. No field goes below zero: each subtraction is made by the worker that holds what the matching
//!    addition stood for.

use crate::sync::{AtomicU64, Ordering};

const BITS: u32 = 16;
const MASK: u64 = (1 << BITS) - 1;

pub(crate) const SLEEPING: u64 = 1;
pub(crate) const VACANT: u64 = 1 << BITS;
pub(crate) const SEARCHING: u64 = 1 << (2 * BITS);
pub(crate) const DOZING: u64 = 1 << (3 * BITS);

const _: () = assert!(4 * BITS == u64::BITS, "four fields fill the word");

/// The packed word.
#[derive(Debug)]
pub(crate) struct Counters(AtomicU64);

/// The value of the word at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CountersSnapshot(u64);

impl Counters {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    #[inline(always)]
    pub(crate) fn load(&self) -> CountersSnapshot {
        // Relaxed: the fences of `registry/sleep.rs` order it.
        CountersSnapshot(self.0.load(Ordering::Relaxed))
    }

    /// Adds to some fields and subtracts from others in one step. Returns the new value.
    pub(crate) fn change(&self, add: u64, subtract: u64) -> CountersSnapshot {
        // Fields do not borrow from one another (rules 1 and 2), so one wrapping addition changes them
        // all. AcqRel orders the changes of several workers; the fences of `registry/sleep.rs` order what
        // the counters guard.
        let change = add.wrapping_sub(subtract);
        CountersSnapshot(self.0.fetch_add(change, Ordering::AcqRel).wrapping_add(change))
    }

    /// Counts one more searching worker, unless that would exceed `limit`. Returns whether it did.
    pub(crate) fn search_within(&self, limit: u64) -> bool {
        let more = |word| (CountersSnapshot(word).searching() < limit).then_some(word + SEARCHING);
        self.0.fetch_update(Ordering::AcqRel, Ordering::Relaxed, more).is_ok()
    }
}

impl CountersSnapshot {
    pub(crate) fn sleeping(self) -> u64 {
        self.0 & MASK
    }

    pub(crate) fn searching(self) -> u64 {
        self.0 >> (2 * BITS) & MASK
    }

    /// Returns how many workers are available.
    pub(crate) fn idle(self) -> u64 {
        self.sleeping() + (self.0 >> BITS & MASK)
    }

    pub(crate) fn dozing(self) -> u64 {
        self.0 >> (3 * BITS)
    }

    /// Returns whether new work needs a wake-up: a worker is available, and none searches or will soon.
    #[inline(always)]
    pub(crate) fn want_wake(self) -> bool {
        // True if the two upper fields are zero and the two lower ones are not, in one comparison.
        self.0.wrapping_sub(1) < SEARCHING - 1
    }
}
