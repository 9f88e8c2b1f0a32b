//! The rng: whom to steal from, and who of several racers is polled first.
//!
//! Everything that an executor decides without a reason goes through here, so that a test could decide it.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Decides what does not matter, cheaply.
#[derive(Debug)]
pub(crate) enum Rng {
    /// A different victim each time, by a xorshift generator (Marsaglia, 2003).
    Fast(u32),
}

impl Rng {
    /// A rng that differs from those of other seeds.
    pub(crate) fn fast(seed: usize) -> Self {
        Self::Fast((seed as u32).wrapping_mul(0x9E37_79B9) | 1)
    }

    /// One for a thread, which differs from those of other threads.
    pub(crate) fn of_thread() -> Self {
        static THREADS: AtomicUsize = AtomicUsize::new(1000);
        // Relaxed: only uniqueness matters.
        Self::fast(THREADS.fetch_add(1, Ordering::Relaxed))
    }

    /// The first of `count` victims, or of `count` racers, to try.
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
