//! The clock of a trace: the ground floor's [`now`] and [`after`], and the nanoseconds that events count in.
//!
//! `handle/src/clock.rs` alone asks the operating system for the time. Where the processor's counter is
//! steady, an event is stamped with its ticks, which costs half of reading the clock. A session reads
//! counter and clock together at its begin and whenever its events are read, and computes the time of each
//! event from the two readings.

pub use brigade_handle::clock::{after, cpu_nanos, now};

use brigade_handle::{
    clock::{monotonic_nanos, thread_number, ticks, ticks_are_steady, unix_nanos},
    fork::PerProcess,
};
use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

/// The moment from which a process counts, on each of its clocks.
#[derive(Clone, Copy)]
pub(crate) struct Start {
    instant: Instant,
    pub(crate) monotonic_nanos: u64,
    pub(crate) unix_nanos: u64,
}

/// Returns the moment from which [`nanos`] counts.
pub(crate) fn start() -> Start {
    // Not a `OnceLock`, on which a forked child might wait for a thread of its parent.
    static START: PerProcess<Start> = PerProcess::new();
    let read = || Start { instant: now(), monotonic_nanos: monotonic_nanos(), unix_nanos: unix_nanos() };
    *START.get_or_init(read)
}

/// The instant from which [`nanos`] counts: the first call of this function in this process.
pub fn epoch() -> Instant {
    start().instant
}

/// Returns the nanoseconds since [`epoch`].
///
/// ```
/// let begin = brigade_trace::clock::nanos();
/// assert!(brigade_trace::clock::nanos() >= begin);
/// ```
#[inline]
pub fn nanos() -> u64 {
    let since = start().monotonic_nanos;
    monotonic_nanos().saturating_sub(since)
}

/// Runs `f` and returns its result with the time that it took.
///
/// ```
/// let (sum, took) = brigade_trace::clock::timed(|| (1..=10).sum::<u32>());
/// assert_eq!(sum, 55);
/// assert!(took.as_secs() < 60);
/// ```
pub fn timed<R>(f: impl FnOnce() -> R) -> (R, Duration) {
    let start = now();
    let result = f();
    (result, start.elapsed())
}

/// Returns the number that the operating system gave this thread.
pub(crate) fn tid() -> u64 {
    thread_number()
}

/// Whether events are stamped with ticks.
static TICKS: AtomicBool = AtomicBool::new(false);
/// How many units of [`stamp`] are 50 µs.
static CPU_INTERVAL: AtomicU64 = AtomicU64::new(CPU_INTERVAL_NANOS);

/// The CPU time of a thread is recorded after a run if so much time has passed since the last record.
const CPU_INTERVAL_NANOS: u64 = 50_000;

/// Chooses the clock of the stamps, once in a process.
pub(crate) fn choose() {
    static CHOSEN: PerProcess<()> = PerProcess::new();
    CHOSEN.get_or_init(|| {
        start();
        if ticks_are_steady() {
            let before = ticks();
            let until = monotonic_nanos() + CPU_INTERVAL_NANOS;
            while monotonic_nanos() < until {
                std::hint::spin_loop();
            }
            CPU_INTERVAL.store(ticks().wrapping_sub(before), Relaxed);
            TICKS.store(true, Relaxed);
        }
    });
}

/// Returns the time as an event in a ring holds it: ticks, or nanoseconds.
#[inline]
pub(crate) fn stamp() -> u64 {
    if TICKS.load(Relaxed) { ticks() } else { nanos() }
}

/// Returns how many units of [`stamp`] pass between two records of the CPU time.
#[inline]
pub(crate) fn cpu_interval() -> u64 {
    CPU_INTERVAL.load(Relaxed)
}

/// A moment as both clocks show it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Anchor {
    stamp: u64,
    nanos: u64,
}

impl Anchor {
    /// Reads both clocks. The readings lie as close together as the best of a few tries.
    pub(crate) fn now() -> Self {
        let read = || {
            let before = stamp();
            let nanos = nanos();
            let took = stamp().saturating_sub(before);
            (took, Self { stamp: before + took / 2, nanos })
        };
        let tries: [_; 4] = std::array::from_fn(|_| read());
        let best = tries.into_iter().min_by_key(|&(took, _)| took);
        best.map(|(_, anchor)| anchor).unwrap_or_default()
    }

    /// Returns the nanoseconds of a stamp, by the line through this anchor and a later one.
    pub(crate) fn nanos_of(self, stamp: u64, later: Self) -> u64 {
        let offset = i128::from(stamp) - i128::from(self.stamp);
        let units = i128::from(later.stamp) - i128::from(self.stamp);
        let nanos = i128::from(later.nanos) - i128::from(self.nanos);
        let passed = if units > 0 { offset * nanos / units } else { offset };
        u64::try_from(i128::from(self.nanos) + passed).unwrap_or(0)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_between_two_anchors_lies_on_their_line() {
        let (first, last) = (Anchor { stamp: 1_000, nanos: 50 }, Anchor { stamp: 4_000, nanos: 1_050 });
        assert_eq!([1_000, 2_500, 4_000].map(|stamp| first.nanos_of(stamp, last)), [50, 550, 1_050]);
        assert_eq!(first.nanos_of(700, last), 0, "no time is negative");
        assert_eq!(first.nanos_of(1_000, first), 50);
    }

    #[test]
    fn stamps_are_moments_of_the_clock() {
        choose();
        let first = Anchor::now();
        let stamp = stamp();
        let last = Anchor::now();
        let at = first.nanos_of(stamp, last);
        assert!(first.nanos <= at && at <= last.nanos, "{first:?} {at} {last:?}");
    }
}
