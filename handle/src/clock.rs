//! The operating system's monotonic clock: the only module in Brigade that asks for the time.
//!
//! Executors ask their own clock (`runtime/src/time/clock.rs`), which asks this one unless a test has put a
//! virtual clock in its place. Nothing else calls `Instant::now`; `tests/tests/tidy/code.rs` checks that.

use std::time::{Duration, Instant};

/// Reads the clock.
///
/// ```
/// let start = brigade_handle::clock::now();
/// assert!(brigade_handle::clock::now() >= start);
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
/// use brigade_handle::clock;
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
