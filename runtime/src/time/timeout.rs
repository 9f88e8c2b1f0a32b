//! `Timeout`: a future with a limit on the time to wait for it.

use super::{
    elapsed::Elapsed,
    sleep::{Sleep, sleep, sleep_until},
};
use crate::task::budget;
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

/// Awaits a future for at most `duration`.
///
/// Each poll polls the future first, so a future that is ready wins over a time that is over. Whenever the
/// future is pending, the poll checks the time too, even if the future has used up the task's budget. The
/// future is boxed, so that it can be polled without unsafe code.
///
/// # Errors
///
/// Resolves to [`Elapsed`] if the time is over before the future is ready. The future is dropped then.
///
/// # Panics
///
/// Panics as [`sleep`](crate::sleep) does, and at a poll after the result was returned.
///
/// # Cancellation
///
/// Dropping the [`Timeout`] drops the future and removes the timer.
///
/// ```
/// # use std::time::Duration;
/// # use brigade_runtime::{sleep, timeout};
/// # brigade_runtime::run(async {
/// let never = std::future::pending::<()>();
/// assert!(timeout(Duration::from_millis(1), never).await.is_err());
/// assert_eq!(timeout(Duration::MAX, async { 1 }).await, Ok(1));
/// # });
/// ```
#[doc(alias = "wait_for")]
#[track_caller]
pub fn timeout<F: Future>(duration: Duration, future: F) -> Timeout<F> {
    Timeout { future: Some(Box::pin(future)), sleep: sleep(duration) }
}

/// Awaits a future until `deadline` at most: [`timeout`] with a deadline, which several futures may share.
///
/// # Errors
///
/// Resolves to [`Elapsed`] if the deadline comes before the future is ready. The future is dropped then.
///
/// # Panics
///
/// Panics as [`timeout`] does.
///
/// # Cancellation
///
/// Dropping the [`Timeout`] drops the future and removes the timer.
///
/// ```
/// # use std::time::Duration;
/// # use brigade_runtime::{now, timeout_at};
/// # brigade_runtime::run(async {
/// let deadline = now() + Duration::from_millis(2);
/// assert_eq!(timeout_at(deadline, async { 1 }).await, Ok(1));
/// assert!(timeout_at(deadline, std::future::pending::<()>()).await.is_err());
/// # });
/// ```
#[track_caller]
pub fn timeout_at<F: Future>(deadline: Instant, future: F) -> Timeout<F> {
    Timeout { future: Some(Box::pin(future)), sleep: sleep_until(deadline) }
}

/// The future of [`timeout`] and [`timeout_at`].
///
/// ```
/// # brigade_runtime::run(async {
/// use brigade_runtime::{Elapsed, timeout};
/// use std::{future::pending, time::Duration};
///
/// let limited = timeout(Duration::from_millis(1), pending::<()>());
/// assert_eq!(limited.await, Err(Elapsed));
/// # });
/// ```
#[must_use = "futures do nothing unless awaited"]
pub struct Timeout<F> {
    /// `None` once the future was ready or the time was over.
    future: Option<Pin<Box<F>>>,
    sleep: Sleep,
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let future = self.future.as_mut().expect("a `timeout` was polled again after it was ready");
        ready!(budget::poll(cx));
        let mark = budget::mark();
        let result = match future.as_mut().poll(cx) {
            Poll::Ready(output) => Ok(output),
            Poll::Pending => {
                // Unbudgeted: a future that has used up the budget must not keep the timeout from being
                // noticed.
                ready!(self.sleep.poll_unbudgeted(cx));
                Err(Elapsed)
            }
        };
        budget::spend_since(mark);
        // Dropped now, so that a finished timeout that is still held keeps nothing of the future alive.
        self.future = None;
        Poll::Ready(result)
    }
}

impl<F> fmt::Debug for Timeout<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeout").field("sleep", &self.sleep).finish_non_exhaustive()
    }
}
