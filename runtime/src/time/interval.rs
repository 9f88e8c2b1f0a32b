//! Something that happens again and again.

use super::sleep::{Sleep, now_of, sleep_until};
use futures_core::Stream;
use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

/// Ticks every `period`, the first time at once.
///
/// ```
/// use brigade_runtime::{interval, run};
/// use std::time::Duration;
///
/// run(async {
///     let mut interval = interval(Duration::from_millis(2));
///     let first = interval.tick().await;
///     let second = interval.tick().await;
///     assert_eq!(second - first, Duration::from_millis(2));
/// });
/// ```
///
/// # Panics
///
/// If `period` is zero. Otherwise as for [`sleep`](crate::sleep).
#[track_caller]
pub fn interval(period: Duration) -> Interval {
    interval_at(now_of("interval"), period)
}

/// Ticks every `period`, the first time at `start`.
///
/// # Panics
///
/// As for [`interval`].
#[track_caller]
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    assert!(!period.is_zero(), "an interval's period is longer than nothing");
    Interval { period, missed: MissedTicks::Burst, next: Some(start), sleep: sleep_until(start) }
}

/// What becomes of ticks whose time passed while nobody asked for them. Drawn for a period of 2 and a task that is busy from 2 to 7:
///
/// ```text
///   time    0   1   2   3   4   5   6   7   8   9  10  11
///   Burst   t       t------- busy -----ttt  t       t           late ticks at once, then as if nothing had been
///   Delay   t       t------- busy -----t       t       t        a new count from the late tick on
///   Skip    t       t------- busy -----t   t       t            late ticks are left out
/// ```
///
/// A tick is missed if it is asked for more than 5 ms late: as much may be the timer's own. The three policies are tokio's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissedTicks {
    /// They come at once, one after the other, until the interval has caught up. The number of ticks is right.
    #[default]
    Burst,
    /// The next one comes a whole period after the late one. The distance between two ticks is right.
    Delay,
    /// They do not come; the next one comes at a multiple of the period from the start. The beat is right.
    Skip,
}

/// Ticks again and again. Made by [`interval`]; also a `Stream`.
#[derive(Debug)]
#[must_use = "an interval ticks only if asked"]
pub struct Interval {
    period: Duration,
    missed: MissedTicks,
    /// When the next tick is due. None: so far away that no clock can name it.
    next: Option<Instant>,
    sleep: Sleep,
}

impl Interval {
    /// Sets what becomes of ticks that are missed. Without this: [`MissedTicks::Burst`].
    pub fn missed(mut self, missed: MissedTicks) -> Self {
        self.missed = missed;
        self
    }

    /// The time between two ticks.
    pub fn period(&self) -> Duration {
        self.period
    }

    /// Waits for the next tick and gives the time at which it was due.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses no tick.
    pub async fn tick(&mut self) -> Instant {
        poll_fn(|cx| self.poll_tick(cx)).await
    }

    /// Starts the count anew: the next tick comes a period from now.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn reset(&mut self) {
        let now = now_of("Interval::reset");
        self.set(now, now.checked_add(self.period));
    }

    fn set(&mut self, now: Instant, next: Option<Instant>) {
        self.next = next;
        self.sleep.reset_as_of(now, next);
    }

    fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        let now = now_of("an interval");
        if self.next.is_some_and(|due| due <= now) {
            // A timer that is set so late would fire at the next tick only.
            self.sleep.reset_as_of(now, self.next);
        }
        ready!(Pin::new(&mut self.sleep).poll(cx));
        let due = self.next.expect("a sleep without a deadline does not end");
        let next = match self.missed {
            MissedTicks::Delay if now > due + MISSED_TICK_TOLERANCE => now.checked_add(self.period),
            MissedTicks::Skip if now > due + MISSED_TICK_TOLERANCE => after(due, now, self.period),
            _ => due.checked_add(self.period),
        };
        self.set(now, next);
        Poll::Ready(due)
    }
}

/// A tick that is later than this was missed.
const MISSED_TICK_TOLERANCE: Duration = Duration::from_millis(5);

/// The first multiple of the period from `due` on that is after `now`.
fn after(due: Instant, now: Instant, period: Duration) -> Option<Instant> {
    let late = now.saturating_duration_since(due).as_nanos() % period.as_nanos();
    // 64 bits of nanoseconds last 584 years; who is later than that gets a tick that is early.
    let late = Duration::from_nanos(u64::try_from(late).unwrap_or(u64::MAX));
    now.checked_add(period.saturating_sub(late))
}

impl Stream for Interval {
    type Item = Instant;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Instant>> {
        self.poll_tick(cx).map(Some)
    }
}
