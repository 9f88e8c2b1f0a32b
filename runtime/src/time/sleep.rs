//! `Sleep`: a future that is ready once a deadline has passed.

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
use brigade_trace::{Cause, Domain, Wait, fresh_id};
use std::{
    fmt,
    future::Future,
    panic::Location,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

/// Waits for a duration.
///
/// The time counts from the call, not from the first poll. [`Duration::MAX`] sleeps for ever.
///
/// A sleep may be late, but is never early. Timers count in nanoseconds, and an idle runtime is woken as soon
/// as the operating system can do it:
///
/// | operating system | resolution |
/// |---|---|
/// | Linux, Android | that of a timerfd: nanoseconds. A wake-up takes the kernel some 20 to 100 µs |
/// | Linux, where a sandbox or a limit refused a timerfd at the start | milliseconds, rounded up |
/// | macOS, the BSDs | that of a kqueue, which may join timers that are close together |
///
/// A runtime that is busy looks at its timers between two polls of tasks, so a long poll makes them late.
/// With a [paused clock](crate::Builder::paused_clock) a sleep ends at its deadline exactly.
///
/// # Panics
///
/// Panics at the call or at the first poll if the thread is outside of a runtime. Panics at a later poll if
/// the runtime that first polled the sleep ended before the time came: when a runtime ends, it wakes its
/// sleeps that are held elsewhere.
///
/// # Cancellation
///
/// Dropping the future removes the timer.
///
/// ```
/// # use std::time::Duration;
/// # brigade_runtime::run(async {
/// brigade_runtime::sleep(Duration::from_millis(1)).await;
/// # });
/// ```
#[doc(alias("Timer", "delay"))]
#[track_caller]
pub fn sleep(duration: Duration) -> Sleep {
    let now = now_of("sleep");
    Sleep {
        deadline: now.checked_add(duration),
        due: duration.is_zero(),
        set: None,
        wait: Wait::NONE,
        at: Location::caller(),
    }
}

/// Waits until `deadline`. If that time has passed already, the sleep is ready at once.
///
/// # Panics
///
/// Panics as [`sleep`] does.
///
/// # Cancellation
///
/// Dropping the future removes the timer.
///
/// ```
/// # use std::time::Duration;
/// # use brigade_runtime::{now, sleep_until};
/// # brigade_runtime::run(async {
/// let deadline = now() + Duration::from_millis(2);
/// sleep_until(deadline).await;
/// assert!(now() >= deadline);
/// # });
/// ```
#[track_caller]
pub fn sleep_until(deadline: Instant) -> Sleep {
    let now = now_of("sleep_until");
    Sleep {
        deadline: Some(deadline),
        due: deadline <= now,
        set: None,
        wait: Wait::NONE,
        at: Location::caller(),
    }
}

/// The future of [`sleep`] and [`sleep_until`].
///
/// ```
/// # brigade_runtime::run(async {
/// use brigade_runtime::{Sleep, sleep};
/// use std::time::Duration;
///
/// let nap: Sleep = sleep(Duration::from_millis(1));
/// nap.await;
/// # });
/// ```
#[must_use = "futures do nothing unless awaited"]
pub struct Sleep {
    /// `None` if the deadline is so far away that an `Instant` cannot express it.
    deadline: Option<Instant>,
    /// True if the sleep is ready, or will be at the next poll without a timer.
    due: bool,
    /// The timer, once the first poll has set it.
    set: Option<SleepTimer>,
    /// The wait that a trace knows of.
    wait: Wait,
    /// The line of the program that waits.
    at: &'static Location<'static>,
}

const ENDED_MESSAGE: &str =
    "a sleep was polled after its runtime had ended: nothing would wake it when its time comes";

/// A timer that was set, and the wheel that it is on.
struct SleepTimer {
    executor: Lease,
    shard: usize,
    key: Key,
}

/// Calls `f` with the runtime of this thread, its driver and the index of the wheel that this thread uses.
/// Panics outside of a runtime and names `what` as the caller.
#[track_caller]
#[inline]
fn with_executor<R>(what: &str, f: impl FnOnce(ExecutorBorrow<'_>, &Driver, usize) -> R) -> R {
    let result = context::with(|place| {
        // One call of `f`, and not one an arm, so that the compiler inlines it.
        let (executor, driver, shard) = match place {
            ThreadRole::Outside => return None,
            ThreadRole::Guest(executor) => {
                let driver = executor.driver();
                (executor.borrow(), driver, driver.timers.guests())
            }
            ThreadRole::CurrentThread(core) => {
                (ExecutorBorrow::current_thread(&core.shared), &core.shared.driver, 0)
            }
            ThreadRole::Worker(worker) => {
                (ExecutorBorrow::multi_thread(&worker.shared), &worker.shared.driver, worker.index)
            }
        };
        Some(f(executor, driver, shard))
    });
    let Some(result) = result else {
        panic!("{what} was used outside of a runtime: use it within `run`, `block_on` or a task")
    };
    result
}

/// Returns the time of this thread's runtime. Panics outside of a runtime and names `what` as the caller.
#[track_caller]
#[inline]
pub(crate) fn now_of(what: &str) -> Instant {
    with_executor(what, |_, driver, _| driver.timers.clock.now())
}

/// Returns the current time of the runtime's clock, by which [`sleep_until`] counts.
///
/// It differs from the time of the operating system if the [clock is paused](crate::Builder::paused_clock).
///
/// # Panics
///
/// Panics at the call if the thread is outside of a runtime.
///
/// ```
/// # brigade_runtime::run(async {
/// let before = brigade_runtime::now();
/// assert!(brigade_runtime::now() >= before);
/// # });
/// ```
#[track_caller]
pub fn now() -> Instant {
    now_of("now")
}

impl Sleep {
    /// Returns the time at which the sleep is ready, or `None` if that is so far away that an `Instant`
    /// cannot express it.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Returns true if the sleep is ready as far as its last poll has seen, or needs no timer to be ready.
    pub fn is_elapsed(&self) -> bool {
        self.due
    }

    /// Changes the deadline. A sleep that was ready waits again, and its next poll sets a new timer.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use brigade_runtime::{now, sleep};
    /// # brigade_runtime::run(async {
    /// let mut sleep = sleep(Duration::MAX);
    /// let deadline = now() + Duration::from_millis(2);
    /// sleep.reset(deadline);
    /// sleep.await;
    /// assert!(now() >= deadline);
    /// # });
    /// ```
    pub fn reset(&mut self, deadline: Instant) {
        self.unset();
        self.deadline = Some(deadline);
        self.due = false;
    }

    /// Changes the deadline like [`reset`](Self::reset), but is ready without a timer if that time is at or
    /// before `now`. A deadline of `None` never comes.
    pub(super) fn reset_as_of(&mut self, now: Instant, deadline: Option<Instant>) {
        self.unset();
        self.deadline = deadline;
        self.due = deadline.is_some_and(|deadline| deadline <= now);
    }

    /// Names the line of the program that waits.
    pub(crate) fn at(&mut self, at: &'static Location<'static>) {
        self.at = at;
    }

    fn unset(&mut self) {
        self.wait.ended(Cause::Cancel);
        let Some(timer) = self.set.take() else { return };
        let driver = timer.executor.driver();
        // In a forked child the wheel's lock may be held for ever by a thread that exists only in the parent.
        if !driver.reactor.is_forked() {
            driver.timers.cancel(timer.shard, timer.key);
        }
    }

    /// Polls the sleep and ignores whether the task's budget is used up. A ready sleep still spends one unit.
    pub(crate) fn poll_unbudgeted(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.due {
            let Some(timer) = &self.set else {
                self.wait.begun(|| fresh_id(Domain::Timer), Cause::Timer, self.at);
                self.set(cx);
                return Poll::Pending;
            };
            timer.executor.driver().reactor.assert_not_forked();
            let timers = &timer.executor.driver().timers;
            match timers.rearm(timer.shard, timer.key, cx.waker()) {
                Armed::Waits => return Poll::Pending,
                Armed::Fired => {}
                // The timer may have fired before the executor was gone: then its time has come.
                Armed::Closed => {
                    assert!(self.deadline.is_some_and(|due| due <= timers.clock.now()), "{ENDED_MESSAGE}")
                }
            }
            self.set = None;
            self.due = true;
            self.wait.ended(Cause::Timer);
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
                SetTimer::HurryDriver(key) => {
                    driver.hurry(deadline);
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
        // Only a sleep that is ready asks for budget. Setting a timer and learning that it has fired are
        // free, so the timer of a task that has used up its budget elsewhere is not late.
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
