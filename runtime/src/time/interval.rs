//! `Interval`: ticks at a fixed period.

use super::sleep::{Sleep, now_of, sleep_until};
use futures_core::Stream;
use std::{
    future::{Future, poll_fn},
    panic::Location,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

/// Makes an interval that ticks every `period`, for the first time at once.
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
/// Panics at the call if `period` is zero. Otherwise panics as [`sleep`](crate::sleep) does, at the call or
/// at the poll of a tick.
#[track_caller]
pub fn interval(period: Duration) -> Interval {
    interval_at(now_of("interval"), period)
}

/// Makes an interval that ticks every `period`, for the first time at `start`.
///
/// # Panics
///
/// Panics as [`interval`] does.
///
/// ```
/// use brigade_runtime::{interval_at, now, run};
/// use std::time::Duration;
///
/// run(async {
///     let start = now() + Duration::from_millis(2);
///     let mut interval = interval_at(start, Duration::from_millis(1));
///     assert_eq!(interval.tick().await, start);
/// });
/// ```
#[track_caller]
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    assert!(!period.is_zero(), "an interval's period is longer than nothing");
    Interval { period, missed: MissedTicks::Burst, next: Some(start), sleep: sleep_until(start) }
}

/// The policy for ticks whose time passes while nobody asks for them.
///
/// The drawing has a period of 2 and a task that is busy from 2 to 7:
///
/// ```text
///   time    0   1   2   3   4   5   6   7   8   9  10  11
///   Burst   t       t------- busy -----ttt  t       t           late ticks at once, then the old beat
///   Delay   t       t------- busy -----t       t       t        a new beat from the late tick on
///   Skip    t       t------- busy -----t   t       t            late ticks left out, then the old beat
/// ```
///
/// A tick is missed if the task asks for it more than 5 ms late. A smaller delay may come from the timer
/// itself. The three policies are tokio's.
///
/// ```
/// use brigade_runtime::{MissedTicks, interval, run};
/// use std::time::Duration;
///
/// run(async {
///     let mut interval = interval(Duration::from_millis(2)).missed(MissedTicks::Skip);
///     interval.tick().await;
/// });
/// ```
#[doc(alias = "MissedTickBehavior")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissedTicks {
    /// Missed ticks come at once, one after the other, until the interval has caught up. This keeps the
    /// number of ticks.
    #[default]
    Burst,
    /// The next tick comes a whole period after the late one. This keeps the distance between two ticks.
    Delay,
    /// Missed ticks do not come. The next tick comes at a multiple of the period from the start. This keeps
    /// the beat.
    Skip,
}

/// A source of ticks at a fixed period, made by [`interval`] or [`interval_at`].
///
/// It is also a `Stream`, which never ends.
///
/// ```
/// # brigade_runtime::run(async {
/// use std::time::Duration;
///
/// let mut interval = brigade_runtime::interval(Duration::from_millis(1));
/// let first = interval.tick().await;
/// assert!(interval.tick().await > first);
/// # });
/// ```
#[derive(Debug)]
#[must_use = "an interval ticks only if asked"]
pub struct Interval {
    period: Duration,
    missed: MissedTicks,
    /// The time at which the next tick is due. `None` if that is so far away that an `Instant` cannot
    /// express it.
    next: Option<Instant>,
    sleep: Sleep,
}

impl Interval {
    /// Sets the policy for missed ticks. The default is [`MissedTicks::Burst`].
    pub fn missed(mut self, missed: MissedTicks) -> Self {
        self.missed = missed;
        self
    }

    /// Returns the time between two ticks.
    pub fn period(&self) -> Duration {
        self.period
    }

    /// Waits for the next tick and returns the time at which it was due.
    ///
    /// # Panics
    ///
    /// Panics when polled outside of a runtime, or as [`sleep`](crate::sleep) does.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses no tick.
    #[track_caller]
    pub fn tick(&mut self) -> impl Future<Output = Instant> {
        self.sleep.at(Location::caller());
        poll_fn(|cx| self.poll_tick(cx))
    }

    /// Starts the period again: the next tick comes one period from now.
    ///
    /// # Panics
    ///
    /// Panics at the call if the thread is outside of a runtime.
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
            // The time has passed already, so the sleep becomes ready without a timer.
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

/// The longest delay with which a tick is not missed.
const MISSED_TICK_TOLERANCE: Duration = Duration::from_millis(5);

/// Returns the first time after `now` that lies a multiple of the period after `due`.
fn after(due: Instant, now: Instant, period: Duration) -> Option<Instant> {
    let late = now.saturating_duration_since(due).as_nanos() % period.as_nanos();
    // 64 bits of nanoseconds last for 584 years. With a longer remainder, the next tick would come early.
    let late = Duration::from_nanos(u64::try_from(late).unwrap_or(u64::MAX));
    now.checked_add(period.saturating_sub(late))
}

impl Stream for Interval {
    type Item = Instant;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Instant>> {
        self.poll_tick(cx).map(Some)
    }
}
