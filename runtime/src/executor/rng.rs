//! Choices that need no reason: which worker to steal from first, and which racer to poll first.
//!
//! All such choices of an executor come from here, so that a test could make them instead. So does the chance
//! by which a retry is late.

#[cfg(feature = "explore")]
use brigade_handle::explore;
use std::{
    hash::{BuildHasher, Hasher, RandomState},
    process,
    sync::atomic::{AtomicUsize, Ordering},
};

/// Returns a number below `count`, by chance. Unlike the choices of an [`Rng`], it differs from process to
/// process. `count` is not 0.
pub(crate) fn chance(count: usize) -> usize {
    #[cfg(feature = "explore")]
    if explore::is_managed() {
        return explore::pick(explore::Kind::Chance, count.min(2)) * (count - 1);
    }
    // The standard library seeds it with random bytes of the operating system, once a thread, and makes each
    // state different. A forked child has its parent's bytes, but another number.
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u32(process::id());
    hasher.finish() as usize % count
}

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
        #[cfg(feature = "explore")]
        if explore::is_managed() {
            return explore::pick(explore::Kind::Victim, count);
        }
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
