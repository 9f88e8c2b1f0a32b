//! Trying a failed operation again, after pauses that grow.
//!
//! The pause after the nth failure is the first pause times 2ⁿ, up to a longest pause. It is shortened by
//! chance to between its half and its whole, so that many clients which failed together do not come back
//! together ("equal jitter": M. Brooker, "Exponential Backoff And Jitter", 2015). The chance differs from
//! process to process ([`rng::chance`]), and the time is that of the runtime's clock, which a test can pause.

use crate::{
    executor::rng,
    task::budget,
    time::sleep::{now_of, sleep},
};
use std::{
    future::Future,
    ops::ControlFlow,
    time::{Duration, Instant},
};

/// Says when a failed operation is tried again, and when no more. [`retry`] uses it.
///
/// Each setting has a default: tries and time are not limited, pauses are at most a minute, and jitter is on.
///
/// ```
/// use brigade_runtime::ExponentialBackoff;
/// use std::time::Duration;
///
/// let polite = ExponentialBackoff::new(Duration::from_millis(100))
///     .max_pause(Duration::from_secs(5))
///     .max_tries(8)
///     .max_elapsed(Duration::from_secs(30));
/// # drop(polite);
/// ```
#[derive(Clone, Debug)]
#[must_use = "it says when to try again; pass it to `retry`"]
pub struct ExponentialBackoff {
    first: Duration,
    max_pause: Duration,
    max_tries: Option<u32>,
    max_elapsed: Option<Duration>,
    has_jitter: bool,
}

const DEFAULT_MAX_PAUSE: Duration = Duration::from_secs(60);

impl ExponentialBackoff {
    /// Pauses for `first` after the first failure, and for twice as long after each further one.
    ///
    /// ```
    /// use brigade_runtime::{ExponentialBackoff, retry, run};
    /// use std::time::Duration;
    ///
    /// let backoff = ExponentialBackoff::new(Duration::from_millis(1)).max_tries(3);
    /// assert_eq!(run(retry(backoff, async || Ok::<_, ()>(7))), Ok(7));
    /// ```
    pub fn new(first: Duration) -> Self {
        Self { first, max_pause: DEFAULT_MAX_PAUSE, max_tries: None, max_elapsed: None, has_jitter: true }
    }

    /// Bounds each pause. The default is one minute.
    pub fn max_pause(mut self, most: Duration) -> Self {
        self.max_pause = most;
        self
    }

    /// Bounds the number of tries, the first one included. 0 means 1: the first try is always made.
    pub fn max_tries(mut self, most: u32) -> Self {
        self.max_tries = Some(most);
        self
    }

    /// Bounds the time from the first try to the beginning of the last one: no pause begins that would end
    /// later. A timer that is late by some milliseconds can still delay the last try beyond the bound.
    ///
    /// A try that runs is not interrupted. To bound that as well, put a [`timeout`](crate::timeout) inside
    /// the operation, or around the whole.
    pub fn max_elapsed(mut self, most: Duration) -> Self {
        self.max_elapsed = Some(most);
        self
    }

    /// Makes each pause exactly as long as it is computed. By default it is shortened by chance, by up to a
    /// half.
    pub fn without_jitter(mut self) -> Self {
        self.has_jitter = false;
        self
    }

    /// Returns the pause after so many failures, without jitter.
    fn pause(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1);
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.max_pause)
    }

    /// Shortens a pause by chance, by up to a half.
    fn with_jitter(&self, pause: Duration) -> Duration {
        let half = pause / 2;
        let micros = usize::try_from(half.as_micros()).unwrap_or(usize::MAX - 1);
        if !self.has_jitter || micros == 0 {
            return pause;
        }
        pause - Duration::from_micros(rng::chance(micros + 1) as u64)
    }
}

/// Calls an operation until it succeeds, with pauses between the tries. Every error is tried again:
/// [`retry_if`] can tell errors apart.
///
/// It is for operations of tasks: requests, connections, queries. A call to a process pool has
/// `CallBuilder::retry` of its own, which starts it again when its worker died.
///
/// # Errors
///
/// Returns the error of the last try if the [`ExponentialBackoff`] allows no further one.
///
/// # Panics
///
/// Panics outside of a runtime, and with the panic of the operation.
///
/// # Cancellation
///
/// Dropping the future drops the try that runs. No further one begins.
///
/// ```
/// use brigade_runtime::{ExponentialBackoff, retry, run};
/// use std::time::Duration;
///
/// async fn ask(dish: &str, tries: u32) -> Result<&str, &str> {
///     if tries < 3 { Err("busy") } else { Ok(dish) }
/// }
///
/// run(async {
///     let mut tries = 0;
///     let answer = retry(ExponentialBackoff::new(Duration::from_millis(1)).max_tries(5), || {
///         tries += 1;
///         ask("soup", tries)
///     });
///     assert_eq!(answer.await, Ok("soup"));
/// });
/// ```
#[doc(alias("Retry", "tenacity"))]
pub async fn retry<T, E, F, Fut>(backoff: ExponentialBackoff, operation: F) -> Result<T, E>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    retry_if(backoff, |_| true, operation).await
}

/// Calls an operation like [`retry`], but tries again only after errors of which `is_transient` is true.
///
/// # Errors
///
/// Returns the first error that is not transient, and otherwise the error of the last try.
///
/// # Panics
///
/// Panics as [`retry`] does, and with the panic of `is_transient`.
///
/// # Cancellation
///
/// As for [`retry`].
///
/// ```
/// use brigade_runtime::{ExponentialBackoff, retry_if, run};
/// use std::{io, time::Duration};
///
/// run(async {
///     let is_transient = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
///     let backoff = ExponentialBackoff::new(Duration::from_millis(1));
///     let mut tries = 0;
///     let denied = retry_if(backoff, is_transient, || {
///         tries += 1;
///         let kind = if tries == 1 { io::ErrorKind::ConnectionRefused } else { io::ErrorKind::NotFound };
///         async move { Err::<(), _>(io::Error::from(kind)) }
///     });
///     assert_eq!(denied.await.unwrap_err().kind(), io::ErrorKind::NotFound);
/// });
/// ```
pub async fn retry_if<T, E, F, Fut>(
    backoff: ExponentialBackoff,
    mut is_transient: impl FnMut(&E) -> bool,
    mut operation: F,
) -> Result<T, E>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    let begin = now_of("retry");
    let mut failures = 0;
    loop {
        // A try that is ready at once still spends from the budget.
        budget::turn().await;
        // The error is gone before the pause, so that it need not be `Send` for a task to be.
        let pause = match after(&backoff, begin, &mut failures, &mut is_transient, operation().await) {
            ControlFlow::Continue(pause) => pause,
            ControlFlow::Break(result) => return result,
        };
        sleep(pause).await;
    }
}

/// Returns the pause until the next try, or the result if there is none.
fn after<T, E>(
    backoff: &ExponentialBackoff,
    begin: Instant,
    failures: &mut u32,
    is_transient: &mut impl FnMut(&E) -> bool,
    result: Result<T, E>,
) -> ControlFlow<Result<T, E>, Duration> {
    let error = match result {
        Ok(value) => return ControlFlow::Break(Ok(value)),
        Err(error) => error,
    };
    *failures = failures.saturating_add(1);
    let is_last = backoff.max_tries.is_some_and(|most| *failures >= most);
    if is_last || !is_transient(&error) {
        return ControlFlow::Break(Err(error));
    }
    let pause = backoff.with_jitter(backoff.pause(*failures));
    let elapsed = now_of("retry").saturating_duration_since(begin);
    if backoff.max_elapsed.is_some_and(|most| elapsed.saturating_add(pause) > most) {
        return ControlFlow::Break(Err(error));
    }
    ControlFlow::Continue(pause)
}
