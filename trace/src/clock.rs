//! The operating system's monotonic clock: the only place in Brigade that asks for the time.
//!
//! Executors ask their own clock (`runtime/src/clock.rs`), which asks this one unless a test has put a virtual clock in
//! its place. Nothing else calls `Instant::now`; `tests/tests/tidy.rs` sees to it.

use brigade_handle::fork::PerProcess;
use std::time::{Duration, Instant};

/// Now.
#[inline]
pub fn now() -> Instant {
    Instant::now()
}

/// How far the far future is. No clock of ours runs for so long, and every one of them can name it.
const FAR_FUTURE: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// The instant `wait` after `start`. A user's "for ever" may be longer than the clock can name: then it is the far future.
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
    start.checked_add(wait.min(FAR_FUTURE)).unwrap_or(start)
}

/// The instant from which [`nanos`] counts: the first time that anybody asked in this process.
pub fn epoch() -> Instant {
    // Not a `OnceLock`, on which a forked child might wait for a thread of its parent.
    static EPOCH: PerProcess<Instant> = PerProcess::new();
    *EPOCH.get_or_init(now)
}

/// Nanoseconds since [`epoch`].
#[inline]
pub fn nanos() -> u64 {
    let since = epoch().elapsed();
    // 64 bits of nanoseconds last 584 years.
    since.as_nanos() as u64
}

/// How long `f` took.
pub fn timed<R>(f: impl FnOnce() -> R) -> (R, Duration) {
    let start = now();
    let result = f();
    (result, start.elapsed())
}
