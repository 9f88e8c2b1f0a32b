//! Giving up after a while.

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

/// Awaits a future for so long at most.
///
/// The future is polled first, so a future that is ready wins over a time that is over. It is boxed, so that it can be
/// polled without unsafe code. However busy the future is, once it is pending the time is looked at.
///
/// # Errors
///
/// [`Elapsed`] if the time was over first. The future is then dropped with the [`Timeout`].
///
/// # Panics
///
/// As for [`sleep`](crate::sleep).
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
#[track_caller]
pub fn timeout<F: Future>(duration: Duration, future: F) -> Timeout<F> {
    Timeout { future: Some(Box::pin(future)), sleep: sleep(duration) }
}

/// Awaits a future until that time at most: [`timeout`] with a deadline, which several futures may share.
///
/// # Errors
///
/// [`Elapsed`] if the time came first. The future is then dropped with the [`Timeout`].
///
/// # Panics
///
/// As for [`sleep`](crate::sleep).
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
#[must_use = "futures do nothing unless awaited"]
pub struct Timeout<F> {
    /// None once it is ready or the time is over.
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
                // If the future has used up the budget, that must not keep the time from being over.
                ready!(self.sleep.poll_unbudgeted(cx));
                Err(Elapsed)
            }
        };
        budget::spend_since(mark);
        // Dropped now: what has ended holds nothing any more.
        self.future = None;
        Poll::Ready(result)
    }
}

impl<F> fmt::Debug for Timeout<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeout").field("sleep", &self.sleep).finish_non_exhaustive()
    }
}
