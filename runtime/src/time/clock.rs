//! The executor's clock: the one source of time in this crate.
//!
//! All code in this crate that needs the time asks the clock of its executor. The clock asks
//! [`brigade_trace::clock`], which alone reads the operating system's clock.
//!
//! Timers count in *moments*. A moment is a number: the nanoseconds since the clock was made. 64 bits of
//! nanoseconds last for 584 years, and a test with a paused clock may sleep for longer. So after 285 years
//! moments go on in milliseconds, rounded up: a timer is never early.

use brigade_trace::clock;
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// The moment that never comes.
pub(crate) const NEVER: u64 = u64::MAX;

const NANOS_PER_SECOND: u64 = 1_000_000_000;
const NANOS_PER_MILLI: u32 = 1_000_000;
/// The seconds after which moments count milliseconds.
const EXACT_SECONDS: u64 = 9_000_000_000;
/// The moment from which on moments count milliseconds.
const EXACT_UNTIL: u64 = EXACT_SECONDS * NANOS_PER_SECOND;

/// The source of time of one executor.
#[derive(Debug)]
pub(crate) enum Clock {
    /// The operating system's monotonic clock.
    Os {
        /// Moment 0.
        start: Instant,
    },
    /// A clock for tests, which stands still until it is told the time. See
    /// [`Builder::paused_clock`](crate::Builder::paused_clock).
    Paused {
        /// Moment 0.
        start: Instant,
        /// The present moment.
        moment: AtomicU64,
    },
}

/// Returns the first moment that is not before the end of this span from moment 0.
#[inline]
fn moment_after(span: Duration) -> u64 {
    if span.as_secs() < EXACT_SECONDS {
        span.as_secs() * NANOS_PER_SECOND + u64::from(span.subsec_nanos())
    } else {
        distant_moment_after(span)
    }
}

#[cold]
fn distant_moment_after(span: Duration) -> u64 {
    let millis = (span.as_secs() - EXACT_SECONDS)
        .saturating_mul(1000)
        .saturating_add(span.subsec_nanos().div_ceil(NANOS_PER_MILLI).into());
    millis.saturating_add(EXACT_UNTIL)
}

/// Returns the span from moment 0 to this one.
fn span_to(moment: u64) -> Duration {
    match moment.checked_sub(EXACT_UNTIL) {
        None => Duration::from_nanos(moment),
        Some(millis) => Duration::from_secs(EXACT_SECONDS) + Duration::from_millis(millis),
    }
}

impl Clock {
    pub(crate) fn os() -> Self {
        Self::Os { start: clock::now() }
    }

    pub(crate) fn paused() -> Self {
        Self::Paused { start: clock::now(), moment: AtomicU64::new(0) }
    }

    #[inline]
    pub(crate) fn now(&self) -> Instant {
        match self {
            Self::Os { .. } => clock::now(),
            // Relaxed: the driving thread's store publishes no other data.
            Self::Paused { start, moment } => *start + span_to(moment.load(Ordering::Relaxed)),
        }
    }

    #[inline]
    pub(crate) fn is_paused(&self) -> bool {
        matches!(self, Self::Paused { .. })
    }

    /// Moves a paused clock to the moment at which a timer fires. The clock never moves backwards. A clock of
    /// the operating system is left alone.
    pub(crate) fn jump_to(&self, when: u64) {
        if let Self::Paused { moment, .. } = self {
            moment.fetch_max(when, Ordering::Relaxed);
        }
    }

    #[inline]
    fn start(&self) -> Instant {
        match self {
            Self::Os { start } | Self::Paused { start, .. } => *start,
        }
    }

    /// Returns the present moment.
    #[inline]
    pub(crate) fn moment_now(&self) -> u64 {
        self.moment_of(self.now())
    }

    /// Returns the moment of this time: moment 0 if the time lies before it, and [`NEVER`] if the time lies
    /// beyond all others.
    #[inline]
    pub(crate) fn moment_of(&self, time: Instant) -> u64 {
        moment_after(time.saturating_duration_since(self.start()))
    }

    /// Returns the time that remains until the moment: zero if it has come.
    pub(crate) fn until(&self, moment: u64) -> Duration {
        span_to(moment).saturating_sub(self.now().saturating_duration_since(self.start()))
    }

    /// Returns the time of a moment.
    pub(crate) fn time_of(&self, moment: u64) -> Instant {
        self.start() + span_to(moment)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn moments_keep_the_order_of_times_and_are_never_early() {
        let (second, nano) = (Duration::from_secs(1), Duration::from_nanos(1));
        let border = Duration::from_secs(EXACT_SECONDS);
        let spans = [
            Duration::ZERO,
            nano,
            second - nano,
            second,
            border - nano,
            border,
            border + nano,
            border + Duration::from_millis(1),
            border + Duration::from_millis(1) + nano,
            border + second - nano,
            Duration::from_secs(10_000 * 365 * 24 * 3600),
        ];
        for pair in spans.windows(2) {
            assert!(moment_after(pair[0]) <= moment_after(pair[1]), "{pair:?}");
        }
        for span in spans {
            let found = span_to(moment_after(span));
            assert!(found >= span && found < span + Duration::from_millis(1), "{span:?}");
            assert!(span > border || found == span, "{span:?}");
        }
        assert_eq!(moment_after(Duration::MAX), NEVER);
    }
}
