//! Asking any stream for its next value.

use crate::task::budget;
use futures_core::Stream;
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// Returns the next value of any stream, or None at its end.
///
/// # Cancellation
///
/// Dropping the future loses no value, if the stream keeps values that it did not return, as all streams of
/// this crate do.
///
/// ```
/// # brigade_runtime::run(async {
/// let mut one = brigade_runtime::generator(|mut yielder| async move { yielder.yield_(1).await });
/// assert_eq!(brigade_runtime::next(&mut one).await, Some(1));
/// assert_eq!(brigade_runtime::next(&mut one).await, None);
/// # });
/// ```
#[doc(alias = "StreamExt")]
pub fn next<S: Stream + Unpin>(stream: &mut S) -> Next<'_, S> {
    Next { stream }
}

/// The future of [`next`].
///
/// ```
/// use brigade_runtime::{Next, generator, next, run};
///
/// let mut one = generator(|mut yielder| async move { yielder.yield_(1).await });
/// let first: Next<'_, _> = next(&mut one);
/// assert_eq!(run(first), Some(1));
/// ```
#[must_use = "futures do nothing unless awaited"]
pub struct Next<'a, S> {
    stream: &'a mut S,
}

impl<S: Stream + Unpin> Future for Next<'_, S> {
    type Output = Option<S::Item>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        ready!(budget::poll(cx));
        let mark = budget::mark();
        let item = ready!(Pin::new(&mut *self.stream).poll_next(cx));
        budget::spend_since(mark);
        Poll::Ready(item)
    }
}

impl<S> fmt::Debug for Next<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next").finish_non_exhaustive()
    }
}
