//! A future that is ready when a time has come.

use super::timers::{Armed, SetTimer};
use crate::{
    driver::Driver,
    driver::slab::Key,
    executor::{
        context::{self, ThreadRole},
        reference::ExecutorBorrow,
    },
    task::{Lease, budget},
};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

/// Waits for so long.
///
/// To the millisecond: a sleep may be late, never early. [`Duration::MAX`] sleeps for ever. The time counts from the call, not
/// from the first poll.
///
/// # Panics
///
/// Outside of a runtime. And when it is polled, if the runtime inside of which it was first polled has ended before the time has come:
/// one that is held elsewhere is woken then.
///
/// # Cancellation
///
/// Dropping the future takes the timer back.
///
/// ```
/// # use std::time::Duration;
/// # brigade_runtime::run(async {
/// brigade_runtime::sleep(Duration::from_millis(1)).await;
/// # });
/// ```
#[track_caller]
pub fn sleep(duration: Duration) -> Sleep {
    let now = now_of("sleep");
    Sleep { deadline: now.checked_add(duration), due: duration.is_zero(), set: None }
}

/// Waits until that time. A time that has passed is ready at once.
///
/// # Panics
///
/// As for [`sleep`].
#[track_caller]
pub fn sleep_until(deadline: Instant) -> Sleep {
    let now = now_of("sleep_until");
    Sleep { deadline: Some(deadline), due: deadline <= now, set: None }
}

/// The future of [`sleep`] and [`sleep_until`].
#[must_use = "futures do nothing unless awaited"]
pub struct Sleep {
    /// None: so far away that no clock can name it.
    deadline: Option<Instant>,
    /// It is ready, or will be without a timer.
    due: bool,
    set: Option<SleepTimer>,
}

const ENDED_MESSAGE: &str =
    "a sleep was polled after its runtime had ended: nothing would wake it when its time comes";

/// A timer that was set, and on which wheel.
struct SleepTimer {
    executor: Lease,
    shard: usize,
    key: Key,
}

/// Calls `f` with this thread's runtime, and the wheel that this thread uses.
#[track_caller]
#[inline]
fn with_executor<R>(what: &str, f: impl FnOnce(ExecutorBorrow<'_>, &Driver, usize) -> R) -> R {
    let result = context::with(|place| {
        Some(match place {
            ThreadRole::Outside => return None,
            ThreadRole::Guest(executor) => {
                let driver = executor.driver();
                f(executor.borrow(), driver, driver.timers.guests())
            }
            ThreadRole::CurrentThread(core) => {
                f(ExecutorBorrow::current_thread(&core.shared), &core.shared.driver, 0)
            }
            ThreadRole::Worker(worker) => {
                f(ExecutorBorrow::multi_thread(&worker.shared), &worker.shared.driver, worker.index)
            }
        })
    });
    let Some(result) = result else {
        panic!("{what} was used outside of a runtime: use it within `run`, `block_on` or a task")
    };
    result
}

/// The time of the runtime that this thread is inside of, which `what` needs.
#[track_caller]
pub(crate) fn now_of(what: &str) -> Instant {
    with_executor(what, |_, driver, _| driver.timers.clock.now())
}

/// The time, as the runtime sees it: what [`sleep_until`] counts by. It differs from that of the operating system if the
/// [clock is paused](crate::Builder::paused_clock).
///
/// # Panics
///
/// Outside of a runtime.
#[track_caller]
pub fn now() -> Instant {
    now_of("now")
}

impl Sleep {
    /// When it is ready. None if that is too far away for the clock to name.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Whether the time has come, as far as a poll has seen.
    pub fn is_elapsed(&self) -> bool {
        self.due
    }

    /// Sets another time, also after it was ready.
    pub fn reset(&mut self, deadline: Instant) {
        self.unset();
        self.deadline = Some(deadline);
        self.due = false;
    }

    /// [`reset`](Self::reset), and ready at once if the time has passed. None is never.
    pub(super) fn reset_as_of(&mut self, now: Instant, deadline: Option<Instant>) {
        self.unset();
        self.deadline = deadline;
        self.due = deadline.is_some_and(|deadline| deadline <= now);
    }

    fn unset(&mut self) {
        let Some(timer) = self.set.take() else { return };
        let driver = timer.executor.driver();
        // In a forked child the wheel may be locked for ever.
        if !driver.reactor.is_forked() {
            driver.timers.cancel(timer.shard, timer.key);
        }
    }

    /// What a poll does, without regard to the budget.
    pub(super) fn poll_unbudgeted(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.due {
            let Some(timer) = &self.set else {
                self.set(cx);
                return Poll::Pending;
            };
            timer.executor.driver().reactor.assert_not_forked();
            let timers = &timer.executor.driver().timers;
            match timers.rearm(timer.shard, timer.key, cx.waker()) {
                Armed::Waits => return Poll::Pending,
                Armed::Fired => {}
                // It may have fired before.
                Armed::Closed => {
                    assert!(self.deadline.is_some_and(|due| due <= timers.clock.now()), "{ENDED_MESSAGE}")
                }
            }
            self.set = None;
            self.due = true;
        }
        budget::spend();
        Poll::Ready(())
    }

    /// Sets the timer on the wheel of the worker that polls.
    fn set(&mut self, cx: &Context<'_>) {
        let Some(deadline) = self.deadline else { return };
        self.set = Some(with_executor("sleep", |executor, driver, shard| {
            let executor = Lease::new(executor);
            let key = match driver.timers.set(shard, deadline, cx.waker()) {
                SetTimer::Done(key) => key,
                SetTimer::WakeDriver(key) => {
                    driver.reactor.wake();
                    key
                }
                SetTimer::Closed => panic!("{ENDED_MESSAGE}"),
            };
            SleepTimer { executor, shard, key }
        }));
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        // To set a timer and to hear that it has fired costs nothing, so that who has used up the budget beside it is not late.
        if this.due {
            ready!(budget::poll(cx));
        }
        this.poll_unbudgeted(cx)
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.unset();
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").field("deadline", &self.deadline).field("elapsed", &self.due).finish()
    }
}
