//! The operating system's monotonic clock: the only module in Brigade that asks for the time.
//!
//! Executors ask their own clock (`runtime/src/time/clock.rs`), which asks this one unless a test has put a
//! virtual clock in its place. A trace also asks for the CPU time of a thread and for the processor's ticks.
//! Nothing else calls `Instant::now`; `tests/tests/tidy/code.rs` checks that.

use crate::sys;
use std::time::{Duration, Instant};

/// Reads the clock.
///
/// ```
/// let start = brigade_handle::clock::now();
/// assert!(brigade_handle::clock::now() >= start);
/// ```
#[inline]
pub fn now() -> Instant {
    #[cfg(feature = "explore")]
    if let Some(now) = crate::explore::now() {
        return now;
    }
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

/// Returns the nanoseconds of the operating system's monotonic clock. All processes of one machine share it.
///
/// ```
/// use brigade_handle::clock::monotonic_nanos;
///
/// let before = monotonic_nanos();
/// assert!(monotonic_nanos() >= before);
/// ```
#[inline]
pub fn monotonic_nanos() -> u64 {
    #[cfg(feature = "explore")]
    if let Some(stamp) = crate::explore::stamp() {
        return stamp;
    }
    sys::monotonic_nanos()
}

/// Returns the nanoseconds since 1970, for showing when a recording was made. This clock can be set, so it
/// measures nothing.
///
/// ```
/// assert!(brigade_handle::clock::unix_nanos() > 1_600_000_000_000_000_000);
/// ```
pub fn unix_nanos() -> u64 {
    sys::unix_nanos()
}

/// Returns the CPU time that this thread has used, in nanoseconds. It is a system call.
///
/// ```
/// use brigade_handle::clock::cpu_nanos;
///
/// let before = cpu_nanos();
/// assert!(cpu_nanos() >= before);
/// ```
pub fn cpu_nanos() -> u64 {
    sys::cpu_nanos()
}

/// Returns how often this thread has slept so far: how often it gave up its processor of its own accord,
/// instead of being preempted. It is a system call.
///
/// ```
/// use brigade_handle::clock::thread_sleeps;
///
/// let before = thread_sleeps();
/// std::thread::sleep(std::time::Duration::from_millis(1));
/// assert!(!cfg!(target_os = "linux") || thread_sleeps() > before);
/// ```
pub fn thread_sleeps() -> u64 {
    sys::thread_sleeps()
}

/// Returns the number that the operating system gave this thread, or 0 where it tells none. It is a system
/// call.
///
/// ```
/// let here = brigade_handle::clock::thread_number();
/// assert_eq!(here, brigade_handle::clock::thread_number());
/// ```
pub fn thread_number() -> u64 {
    sys::thread_number()
}

/// Returns the processor's counter of ticks, which costs less than a clock. It counts time only where
/// [`ticks_are_steady`] says so.
///
/// ```
/// use brigade_handle::clock::{ticks, ticks_are_steady};
///
/// let before = ticks();
/// assert!(!ticks_are_steady() || ticks() > before);
/// ```
#[inline]
pub fn ticks() -> u64 {
    sys::ticks()
}

/// Returns whether [`ticks`] counts at one rate, on all processors together, whatever they do. The kernel
/// tells: it uses the counter as its own clock. It is answered from files, so ask once.
///
/// ```
/// let steady = brigade_handle::clock::ticks_are_steady();
/// assert_eq!(steady, brigade_handle::clock::ticks_are_steady());
/// ```
pub fn ticks_are_steady() -> bool {
    // Ticks do not follow virtual time.
    #[cfg(feature = "explore")]
    if crate::explore::stamp().is_some() {
        return false;
    }
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let is_steady = |cpus: &str| {
        let mut flags = cpus.lines().filter(|line| line.starts_with("flags"));
        flags.next().is_some_and(|flags| {
            let has = |flag| flags.split_whitespace().any(|word| word == flag);
            has("constant_tsc") && has("nonstop_tsc")
        })
    };
    cfg!(target_arch = "x86_64")
        && read("/sys/devices/system/clocksource/clocksource0/current_clocksource").trim() == "tsc"
        && is_steady(&read("/proc/cpuinfo"))
}
