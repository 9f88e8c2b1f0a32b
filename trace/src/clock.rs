//! The clock of a trace: the ground floor's [`now`] and [`after`], and the nanoseconds that events count in.
//!
//! `handle/src/clock.rs` alone asks the operating system for the time. Where the processor's counter is
//! steady, an event is stamped with its ticks, which costs half of reading the clock. A session reads
//! counter and clock together at its begin and whenever its events are read, and computes the time of each
//! event from the two readings.

pub use brigade_handle::clock::{after, cpu_nanos, now, thread_sleeps};

use crate::export::Epoch;
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

/// The rate of [`stamp`] as [`choose`] measured it.
static RATE_UNITS: AtomicU64 = AtomicU64::new(1);
static RATE_NANOS: AtomicU64 = AtomicU64::new(1);

/// The CPU time of a thread is recorded after a run if so much time has passed since the last record.
const CPU_INTERVAL_NANOS: u64 = 50_000;

impl Start {
    pub(crate) fn epoch(self) -> Epoch {
        Epoch { monotonic_nanos: self.monotonic_nanos, unix_nanos: self.unix_nanos }
    }
}

/// How events are stamped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamping {
    pub(crate) has_ticks: bool,
    /// How many units of [`stamp`] pass between two records of the CPU time.
    pub(crate) cpu_interval: u64,
}

/// Returns how events are stamped.
pub(crate) fn stamping() -> Stamping {
    Stamping { has_ticks: TICKS.load(Relaxed), cpu_interval: CPU_INTERVAL.load(Relaxed) }
}

/// Stamps events as the parent of this process does.
pub(crate) fn follow(Stamping { has_ticks, cpu_interval }: Stamping) {
    TICKS.store(has_ticks, Relaxed);
    CPU_INTERVAL.store(cpu_interval, Relaxed);
}

/// Chooses the clock of the stamps, once in a process.
pub(crate) fn choose() {
    static CHOSEN: PerProcess<()> = PerProcess::new();
    CHOSEN.get_or_init(|| {
        start();
        if ticks_are_steady() {
            TICKS.store(true, Relaxed);
            let before = Anchor::now();
            while nanos() < before.nanos + CPU_INTERVAL_NANOS {
                std::hint::spin_loop();
            }
            let rate = before.rate(Anchor::now());
            RATE_UNITS.store(rate.units.max(1) as u64, Relaxed);
            RATE_NANOS.store(rate.nanos as u64, Relaxed);
            CPU_INTERVAL.store((rate.units * i128::from(CPU_INTERVAL_NANOS) / rate.nanos) as u64, Relaxed);
        }
    });
}

/// Returns the time as an event in a ring holds it: ticks, or nanoseconds.
#[inline]
pub(crate) fn stamp() -> u64 {
    if TICKS.load(Relaxed) { ticks() } else { nanos_out_of_line() }
}

#[cold]
#[inline(never)]
fn nanos_out_of_line() -> u64 {
    nanos()
}

/// Returns the time between two stamps, by the rate that [`choose`] measured.
pub(crate) fn between(since: u64, now: u64) -> Duration {
    let rate = Rate::measured();
    let nanos = i128::from(now.saturating_sub(since)) * rate.nanos / rate.units.max(1);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
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

    fn rate(self, later: Self) -> Rate {
        let between = |from: u64, to: u64| i128::from(to) - i128::from(from);
        Rate { units: between(self.stamp, later.stamp), nanos: between(self.nanos, later.nanos) }
    }

    /// Returns the nanoseconds of a stamp, by the line through this anchor and a later one. If the machine
    /// slept between the two, the counter may have gone on without the clock, or have begun again. Then the
    /// rate from before counts.
    pub(crate) fn nanos_of(self, stamp: u64, later: Self) -> u64 {
        let measured = Rate::measured();
        let rate = self.rate(later);
        self.nanos_at(stamp, if rate.is_near(measured) { rate } else { measured })
    }

    fn nanos_at(self, stamp: u64, rate: Rate) -> u64 {
        let offset = i128::from(stamp) - i128::from(self.stamp);
        u64::try_from(i128::from(self.nanos) + offset * rate.nanos / rate.units).unwrap_or(0)
    }
}

/// How many units of [`stamp`] pass in how many nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Rate {
    units: i128,
    nanos: i128,
}

impl Rate {
    /// The rate that [`choose`] measured.
    fn measured() -> Self {
        Self { units: RATE_UNITS.load(Relaxed).into(), nanos: RATE_NANOS.load(Relaxed).into() }
    }

    /// Whether neither rate is more than twice the other.
    fn is_near(self, other: Self) -> bool {
        let (one, two) = (self.units * other.nanos, other.units * self.nanos);
        self.units > 0 && self.nanos > 0 && one <= 2 * two && two <= 2 * one
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_between_two_anchors_lies_on_their_line() {
        let (first, last) = (Anchor { stamp: 1_000, nanos: 50 }, Anchor { stamp: 4_000, nanos: 1_050 });
        let rate = first.rate(last);
        assert_eq!([1_000, 2_500, 4_000].map(|stamp| first.nanos_at(stamp, rate)), [50, 550, 1_050]);
        assert_eq!(first.nanos_at(700, rate), 0, "no time is negative");
        assert_eq!(first.nanos_of(1_000, first), 50);
    }

    #[test]
    fn after_a_sleep_of_the_machine_the_measured_rate_counts() {
        choose();
        let first = Anchor::now();
        let second = Rate::measured().units as u64 * 1_000_000_000 / Rate::measured().nanos as u64;
        let (half, end) = (first.stamp + second / 2, first.nanos + 1_000_000_000);
        // The counter went on for an hour; it did not; it began again.
        for stamp in [first.stamp + 3600 * second, first.stamp + second, 0] {
            let at = first.nanos_of(half, Anchor { stamp, nanos: end }) - first.nanos;
            assert!(at.abs_diff(500_000_000) < 1_000, "{at} ns for half a second");
        }
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
