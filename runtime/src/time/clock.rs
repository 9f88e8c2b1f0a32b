//! The executor's clock: what it thinks the time is.
//!
//! Everything in this crate that needs the time asks the clock of its executor, and the clock asks
//! [`brigade_trace::clock`], which alone reads the operating system's. Timers count in ticks of a millisecond since the
//! clock was made, which is as fine as the reactor can sleep.

use brigade_trace::clock;
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// A tick is a millisecond.
const NANOS_PER_TICK: u32 = 1_000_000;

/// The source of time of one executor.
#[derive(Debug)]
pub(crate) enum Clock {
    /// The operating system's monotonic clock.
    Os {
        /// Tick 0.
        start: Instant,
    },
    /// One that stands still until it is told what the time is: for tests. See [`Builder::paused_clock`](crate::Builder::paused_clock).
    Paused {
        /// Tick 0.
        start: Instant,
        /// What has passed since, in ticks.
        passed: AtomicU64,
    },
}

/// So many ticks of the last second, and those of the seconds before. Not by way of all nanoseconds, whose division costs as much as a
/// timer does.
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
            // Relaxed: what the driving thread stores guards nothing.
            Self::Paused { start, passed } => *start + Duration::from_millis(passed.load(Ordering::Relaxed)),
        }
    }

    #[inline]
    pub(crate) fn is_paused(&self) -> bool {
        matches!(self, Self::Paused { .. })
    }

    /// Moves a clock that is paused to the beginning of a tick, which a timer has that fires. What has passed already stays so.
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

    /// The last tick that has begun.
    #[inline]
    pub(crate) fn tick_now(&self) -> u64 {
        self.tick_at(self.now())
    }

    /// The last tick that had begun at that time.
    #[inline]
    pub(crate) fn tick_at(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.start());
        ticks(since, since.subsec_nanos() / NANOS_PER_TICK)
    }

    /// The first tick that does not begin before the deadline: a timer may be late, never early.
    #[inline]
    pub(crate) fn tick_of(&self, deadline: Instant) -> u64 {
        let since = deadline.saturating_duration_since(self.start());
        ticks(since, since.subsec_nanos().div_ceil(NANOS_PER_TICK))
    }

    /// When the tick begins. None if that is too far away to be named.
    pub(crate) fn beginning(&self, tick: u64) -> Option<Instant> {
        self.start().checked_add(Duration::from_millis(tick))
    }

    /// How long until the tick begins.
    pub(crate) fn until(&self, tick: u64) -> Duration {
        let since_start = Duration::from_millis(tick);
        since_start.saturating_sub(self.now().saturating_duration_since(self.start()))
    }
}
