//! The operating system's monotonic clock: the only module in Brigade that asks for the time.
//!
//! Executors ask their own clock (`runtime/src/time/clock.rs`), which asks this one unless a test has put a
//! virtual clock in its place. Nothing else calls `Instant::now`; `tests/tests/tidy/code.rs` checks that.

use brigade_handle::fork::PerProcess;
use std::time::{Duration, Instant};

/// Reads the clock.
///
/// ```
/// let start = brigade_trace::clock::now();
/// assert!(brigade_trace::clock::now() >= start);
/// ```
#[inline]
pub fn now() -> Instant {
    Instant::now()
}

/// The longest wait that [`after`] adds. No program runs for so long, and every clock can name it.
const LONGEST_WAIT: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// The instant `wait` after `start`. A wait longer than the clock can name, such as `Duration::MAX`, ends
/// in the far future.
///
/// ```
/// use brigade_trace::clock;
/// use std::time::Duration;
///
/// let now = clock::now();
/// assert_eq!(clock::after(now, Duration::from_secs(1)), now + Duration::from_secs(1));
/// assert!(clock::after(now, Duration::MAX) > now + Duration::from_secs(1_000_000_000));
/// ```
#[inline]
pub fn after(start: Instant, wait: Duration) -> Instant {
    start.checked_add(wait.min(LONGEST_WAIT)).unwrap_or(start)
}

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
