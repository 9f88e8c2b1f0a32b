//! The clock of a trace: the ground floor's [`now`] and [`after`], and the nanoseconds that events count in.
//!
//! `handle/src/clock.rs` alone asks the operating system for the time.

pub use brigade_handle::clock::{after, now};

use brigade_handle::fork::PerProcess;
use std::time::{Duration, Instant};

/// The instant from which [`nanos`] counts: the first call of this function in this process.
pub fn epoch() -> Instant {
    // Not a `OnceLock`, on which a forked child might wait for a thread of its parent.
    static EPOCH: PerProcess<Instant> = PerProcess::new();
    *EPOCH.get_or_init(now)
}

/// Returns the nanoseconds since [`epoch`].
///
/// ```
/// let begin = brigade_trace::clock::nanos();
/// assert!(brigade_trace::clock::nanos() >= begin);
/// ```
#[inline]
pub fn nanos() -> u64 {
    let since = epoch().elapsed();
    // 64 bits of nanoseconds last for 584 years.
    since.as_nanos() as u64
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
