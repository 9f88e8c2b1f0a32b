//! Loops that use the vector instructions of the processor at hand, and not only those of every processor
//! of its kind.
//!
//! A program is compiled for the oldest processor that it may meet: on x86-64 for vectors of 128 bits,
//! without a multiplication of 32-bit numbers among others. That matters in the pieces of a parallel loop
//! (`map_sum_1mi`). So the body of each loop is compiled twice, and the choice is made when the program runs.
//! Both versions compute the same, also in floating point, where the compiler neither reorders nor fuses.
//!
//! The wide version is not always the faster one. AVX2 has no multiplication of 64-bit numbers, for
//! example, but the compiler builds one out of several instructions where one ordinary multiplication would
//! do (`collect_100k_10ns`). So each loop tries both versions on small parts of its first pieces, and goes
//! on with the one whose items took less time:
//!
//! ```text
//!   part of the loop    0      1      2      3      4      further ones
//!   version             wide   base   wide   base   wide   the faster one
//!   measured            no     yes    yes    yes    yes    no
//! ```
//!
//! The first part only warms the caches. Of each version the faster of two parts counts, because an interrupt
//! makes a part longer, and nothing makes it shorter.

use brigade_trace::clock;
use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::Duration,
};

/// How many parts of a loop are tried.
const TRIALS: u32 = 5; // parts
/// A part with fewer items is over too soon to be measured.
const TRIAL_ITEMS: usize = 128;
/// A piece is divided into this many parts while the loop tries.
const PARTS_PER_PIECE: usize = 8;
/// The base version must be faster by this part, so that equally fast ones do not take turns.
const MARGIN: u64 = 32;

/// A version of the body of a loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    /// It runs on every processor of this kind.
    Base,
    /// It uses the widest vectors that are known here.
    Wide,
}

/// The two versions of the body of one loop, and how fast they were.
#[derive(Debug)]
pub(crate) struct Versions {
    /// How many parts were tried. It is [`TRIALS`] from the start where there is one version.
    tried: AtomicU32,
    /// The shortest time of an item, in picoseconds, in the version for every processor.
    base: AtomicU64,
    /// The same in the version for this processor.
    wide: AtomicU64,
}

impl Versions {
    /// Versions that have not been tried.
    #[inline]
    pub(crate) fn new() -> Self {
        let tried = if has_wide() { 0 } else { TRIALS };
        Self { tried: AtomicU32::new(tried), base: AtomicU64::new(u64::MAX), wide: AtomicU64::new(u64::MAX) }
    }

    /// Returns how many items of a piece to run as one part, while the versions are tried.
    #[inline]
    pub(crate) fn trial_part(&self, items: usize) -> Option<usize> {
        let part = items / PARTS_PER_PIECE;
        // Relaxed, here and below: the measurements order nothing, and an old value is one trial more.
        (part >= TRIAL_ITEMS && self.tried.load(Ordering::Relaxed) < TRIALS).then_some(part)
    }

    /// Runs `f`, a part of the loop with this many items, in one of the versions. A function that is not
    /// inlined into `f` is the same in both.
    #[inline(always)]
    pub(crate) fn run<R>(&self, items: usize, f: impl FnOnce() -> R) -> R {
        let is_trial = items >= TRIAL_ITEMS && self.tried.load(Ordering::Relaxed) < TRIALS;
        let trial = if is_trial { self.tried.fetch_add(1, Ordering::Relaxed) } else { TRIALS };
        let version = match trial {
            TRIALS.. => self.faster(),
            _ if trial.is_multiple_of(2) => Version::Wide,
            _ => Version::Base,
        };
        let begun = (1..TRIALS).contains(&trial).then(clock::now);
        let result = match version {
            Version::Wide => with_widest(f),
            Version::Base => f(),
        };
        if let Some(begun) = begun {
            self.learn(version, begun.elapsed(), items);
        }
        result
    }

    fn faster(&self) -> Version {
        let (base, wide) = (self.base.load(Ordering::Relaxed), self.wide.load(Ordering::Relaxed));
        if base.saturating_add(base / MARGIN) >= wide { Version::Wide } else { Version::Base }
    }

    #[cold]
    fn learn(&self, version: Version, time: Duration, items: usize) {
        let item = 1000 * time.as_nanos() / items as u128; // picoseconds
        let shortest = match version {
            Version::Base => &self.base,
            Version::Wide => &self.wide,
        };
        shortest.fetch_min(u64::try_from(item).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

#[inline]
fn has_wide() -> bool {
    #[cfg(target_arch = "x86_64")]
    let has_wide = std::arch::is_x86_feature_detected!("avx2");
    #[cfg(not(target_arch = "x86_64"))]
    let has_wide = false;
    has_wide
}

/// Calls `f`. The code that is compiled into it may use AVX2, if the processor has that.
#[inline(always)]
fn with_widest<R>(f: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2")]
        fn with_avx2<R>(f: impl FnOnce() -> R) -> R {
            f()
        }
        if has_wide() {
            // SAFETY: the processor has AVX2.
            return unsafe { with_avx2(f) };
        }
    }
    f()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn after(base: u64, wide: u64) -> Version {
        let versions = Versions::new();
        versions.learn(Version::Base, Duration::from_nanos(base), 1000);
        versions.learn(Version::Wide, Duration::from_nanos(wide), 1000);
        versions.faster()
    }

    #[test]
    fn the_version_whose_items_take_less_time_runs() {
        assert_eq!(after(4000, 2000), Version::Wide);
        assert_eq!(after(2000, 2500), Version::Base);
        assert_eq!(after(2000, 2001), Version::Wide, "no difference beyond the noise of a measurement");
    }

    #[test]
    fn a_disturbed_part_does_not_decide() {
        let versions = Versions::new();
        let learn = |version, nanos| versions.learn(version, Duration::from_nanos(nanos), 1000);
        learn(Version::Base, 3000);
        learn(Version::Wide, 900_000);
        assert_eq!(versions.faster(), Version::Base);
        learn(Version::Base, 3100);
        learn(Version::Wide, 1000);
        assert_eq!(versions.faster(), Version::Wide);
    }

    #[test]
    fn trials_end_and_short_parts_are_none() {
        let versions = Versions::new();
        (0..10).for_each(|_| versions.run(TRIAL_ITEMS - 1, || ()));
        let tried = |versions: &Versions| versions.tried.load(Ordering::Relaxed);
        assert_eq!(tried(&versions), if has_wide() { 0 } else { TRIALS });
        (0..10).for_each(|_| versions.run(TRIAL_ITEMS, || ()));
        assert_eq!(tried(&versions), TRIALS);
        assert_eq!(versions.trial_part(usize::MAX), None);
        assert_eq!(Versions::new().trial_part(TRIAL_ITEMS), None, "a part would be too short");
    }
}
