//! The executor's clock: the one source of time in this crate.
//!
//! All code in this crate that needs the time asks the clock of its executor. The clock asks
//! [`brigade_trace::clock`], which alone reads the operating system's clock. Timers count in ticks of one
//! millisecond since the clock was made. The reactor cannot sleep with a finer resolution.

use brigade_trace::clock;
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// The length of a tick: one millisecond.
const NANOS_PER_TICK: u32 = 1_000_000;

/// The source of time of one executor.
#[derive(Debug)]
pub(crate) enum Clock {
    /// The operating system's monotonic clock.
    Os {
        /// Tick 0.
        start: Instant,
    },
    /// A clock for tests, which stands still until it is told the time. See
    /// [`Builder::paused_clock`](crate::Builder::paused_clock).
    Paused {
        /// Tick 0.
        start: Instant,
        /// The time that has passed since `start`, in ticks.
        passed: AtomicU64,
    },
}

/// Returns the number of ticks in `since`, given those of its last, incomplete second. This avoids dividing
/// the whole duration in nanoseconds, which would cost as much as setting a timer.
#[inline]
fn ticks(since: Duration, of_last_second: u32) -> u64 {
    const PER_SECOND: u64 = 1_000_000_000 / NANOS_PER_TICK as u64;
    since.as_secs().saturating_mul(PER_SECOND).saturating_add(of_last_second.into())
}

impl Clock {
    pub(crate) fn os() -> Self {
        Self::Os { start: clock::now() }
    }

    pub(crate) fn paused() -> Self {
        Self::Paused { start: clock::now(), passed: AtomicU64::new(0) }
    }

    #[inline]
    pub(crate) fn now(&self) -> Instant {
        match self {
            Self::Os { .. } => clock::now(),
            // Relaxed: the driving thread's store publishes no other data.
            Self::Paused { start, passed } => *start + Duration::from_millis(passed.load(Ordering::Relaxed)),
        }
    }

    #[inline]
    pub(crate) fn is_paused(&self) -> bool {
        matches!(self, Self::Paused { .. })
    }

    /// Moves a paused clock to the beginning of a tick at which a timer fires. The clock never moves
    /// backwards. A clock of the operating system is left alone.
    pub(crate) fn jump_to(&self, tick: u64) {
        if let Self::Paused { passed, .. } = self {
            passed.fetch_max(tick, Ordering::Relaxed);
        }
    }

    #[inline]
    fn start(&self) -> Instant {
        match self {
            Self::Os { start } | Self::Paused { start, .. } => *start,
        }
    }

    /// Returns the last tick that has begun.
    #[inline]
    pub(crate) fn tick_now(&self) -> u64 {
        self.tick_at(self.now())
    }

    /// Returns the last tick that had begun at the time `now`.
    #[inline]
    pub(crate) fn tick_at(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.start());
        ticks(since, since.subsec_nanos() / NANOS_PER_TICK)
    }

    /// Returns the first tick that does not begin before the deadline: a timer may be late, but is never
    /// early.
    #[inline]
    pub(crate) fn tick_of(&self, deadline: Instant) -> u64 {
        let since = deadline.saturating_duration_since(self.start());
        ticks(since, since.subsec_nanos().div_ceil(NANOS_PER_TICK))
    }

    /// Returns the time at which the tick begins, or `None` if an `Instant` cannot express it.
    pub(crate) fn beginning(&self, tick: u64) -> Option<Instant> {
        self.start().checked_add(Duration::from_millis(tick))
    }

    /// Returns the time that remains until the tick begins: zero if it has begun.
    pub(crate) fn until(&self, tick: u64) -> Duration {
        let since_start = Duration::from_millis(tick);
        since_start.saturating_sub(self.now().saturating_duration_since(self.start()))
    }
}
