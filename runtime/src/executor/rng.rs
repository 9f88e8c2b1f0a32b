//! Choices that need no reason: which worker to steal from first, and which racer to poll first.
//!
//! All such choices of an executor come from here, so that a test could make them instead.

use std::sync::atomic::{AtomicUsize, Ordering};

/// A cheap source of choices.
#[derive(Debug)]
pub(crate) enum Rng {
    /// A xorshift generator (Marsaglia, 2003).
    Fast(u32),
}

impl Rng {
    /// Makes a generator whose choices differ from those of other seeds.
    pub(crate) fn fast(seed: usize) -> Self {
        Self::Fast((seed as u32).wrapping_mul(0x9E37_79B9) | 1)
    }

    /// Makes a generator for this thread, whose choices differ from those of other threads.
    pub(crate) fn of_thread() -> Self {
        static THREADS: AtomicUsize = AtomicUsize::new(1000);
        // Relaxed: only uniqueness matters.
        Self::fast(THREADS.fetch_add(1, Ordering::Relaxed))
    }

    /// Picks the first of `count` victims, or of `count` racers, to try.
    #[inline]
    pub(crate) fn pick(&mut self, count: usize) -> usize {
        match self {
            Self::Fast(state) => {
                *state ^= *state << 13;
                *state ^= *state >> 17;
                *state ^= *state << 5;
                *state as usize % count
            }
        }
    }
}
