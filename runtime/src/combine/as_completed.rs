//! Awaiting several futures inside one task, in the order in which they complete, or until enough have
//! completed.

use crate::{
    combine::{
        next::{Next, next},
        poll_set::PollSet,
    },
    task::budget,
    time::sleep::sleep,
};
use brigade_handle::{JoinHandle, Until, Waited};
use futures_core::Stream;
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

/// Returns a stream of the outputs of several futures in the order in which they are ready, each with the
/// future's index in the input.
///
/// It corresponds to Python's `asyncio.as_completed`. The futures are polled inside this task, as those of
/// [`gather`](crate::gather) are. To run them in parallel, pass the handles of spawned tasks.
///
/// # Cancellation
///
/// Dropping the stream drops all futures that are not ready; tasks whose handles it has are detached.
/// Dropping a future of [`next`](AsCompleted::next) loses nothing.
///
/// # Panics
///
/// The stream panics if a future panics, with the same payload. If you catch that panic and go on, the
/// stream returns the outputs of the others and then ends.
///
/// ```
/// use brigade_runtime::{as_completed, run, sleep};
/// use std::time::Duration;
///
/// run(async {
///     let mut naps = as_completed([30, 10].map(|ms| async move {
///         sleep(Duration::from_millis(ms)).await;
///         ms
///     }));
///     assert_eq!(naps.next().await, Some((1, 10)));
///     assert_eq!(naps.next().await, Some((0, 30)));
///     assert_eq!(naps.next().await, None);
/// });
/// ```
#[doc(alias = "FuturesUnordered")]
pub fn as_completed<I>(futures: I) -> AsCompleted<I::Item>
where
    I: IntoIterator,
    I::Item: Future,
{
    let mut set = PollSet::new();
    for future in futures {
        set.insert(Box::pin(future));
    }
    AsCompleted { set }
}

/// The stream of [`as_completed`].
///
/// ```
/// use brigade_runtime::{AsCompleted, as_completed, run};
/// use std::future::{Ready, ready};
///
/// let mut outputs: AsCompleted<Ready<&str>> = as_completed([ready("soup"), ready("salad")]);
/// run(async { while let Some((index, dish)) = outputs.next().await { println!("{index}: {dish}") } });
/// ```
#[must_use = "streams do nothing unless asked for a value"]
pub struct AsCompleted<F> {
    set: PollSet<Pin<Box<F>>>,
}

impl<F: Future> AsCompleted<F> {
    /// Returns the next output with the future's index, or None if all outputs have been returned.
    ///
    /// # Panics
    ///
    /// Panics if a future panics, with the same payload.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    ///
    /// ```
    /// # brigade_runtime::run(async {
    /// let mut outputs = brigade_runtime::as_completed([std::future::ready("soup")]);
    /// assert_eq!(outputs.next().await, Some((0, "soup")));
    /// assert_eq!(outputs.next().await, None);
    /// # });
    /// ```
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Next<'_, Self> {
        next(self)
    }
}

// The boxes pin the futures.
impl<F> Unpin for AsCompleted<F> {}

impl<F: Future> Stream for AsCompleted<F> {
    type Item = (usize, F::Output);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        ready!(budget::poll(cx));
        let mark = budget::mark();
        let next = match self.set.len() {
            0 => None,
            _ => Some(ready!(self.set.poll_next(cx))),
        };
        budget::spend_since(mark);
        Poll::Ready(next)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.set.len(), Some(self.set.len()))
    }
}

/// Waits until the first of these tasks has ended, until the first has failed or all have ended, or until
/// all have ended. Ready at once if there are none.
///
/// It corresponds to Python's `asyncio.wait`, and to [`brigade_handle::wait_for`], which blocks a thread.
/// The handles may be those of any executor. A task that has not ended by then continues, and its handle is
/// in [`pending`](Waited::pending).
///
/// # Cancellation
///
/// Dropping the future detaches the tasks.
///
/// # Panics
///
/// Panics if the result of a handle has been taken already.
///
/// ```
/// use brigade_runtime::{Until, run, spawn, wait_for};
///
/// run(async {
///     let tasks = [spawn(std::future::pending()), spawn(async { 7 })];
///     let waited = wait_for(tasks, Until::FirstCompleted).await;
///     assert!(matches!(waited.done[..], [(1, Ok(7))]));
///     assert_eq!(waited.pending.len(), 1);
/// });
/// ```
#[doc(alias = "asyncio.wait")]
pub async fn wait_for<T>(handles: impl IntoIterator<Item = JoinHandle<T>>, until: Until) -> Waited<T> {
    wait_by(handles, until, |_| Poll::Pending).await
}

/// Waits like [`wait_for`], but for `at_most`, which counts from the first poll. The handles of tasks that
/// have not ended by then are in [`pending`](Waited::pending): those tasks continue.
///
/// A [`timeout`](crate::timeout) around [`wait_for`] would detach the tasks and lose their results.
///
/// # Cancellation
///
/// Dropping the future detaches the tasks. The end of the time cancels nothing.
///
/// # Panics
///
/// Panics outside of a runtime, and if the result of a handle has been taken already.
///
/// ```
/// use brigade_runtime::{Until, run, spawn, wait_for_timeout};
/// use std::time::Duration;
///
/// run(async {
///     let tasks = [spawn(std::future::pending()), spawn(async { 7 })];
///     let waited = wait_for_timeout(tasks, Until::All, Duration::from_millis(5)).await;
///     assert!(matches!(waited.done[..], [(1, Ok(7))]));
///     waited.pending.iter().for_each(|(_, late)| late.cancel());
/// });
/// ```
pub async fn wait_for_timeout<T>(
    handles: impl IntoIterator<Item = JoinHandle<T>>,
    until: Until,
    at_most: Duration,
) -> Waited<T> {
    let mut sleep = sleep(at_most);
    wait_by(handles, until, |cx| sleep.poll_unbudgeted(cx)).await
}

/// Waits until enough tasks have ended, or `poll_deadline` is ready.
async fn wait_by<T>(
    handles: impl IntoIterator<Item = JoinHandle<T>>,
    until: Until,
    mut poll_deadline: impl FnMut(&mut Context<'_>) -> Poll<()>,
) -> Waited<T> {
    let mut set = PollSet::new();
    for handle in handles {
        set.insert(handle);
    }
    let mut done = Vec::with_capacity(set.len());
    let mut enough = false;
    std::future::poll_fn(|cx| {
        ready!(budget::poll(cx));
        budget::spend();
        // All tasks that have ended by now are done, even if that is more than the budget allows.
        let _lifted = budget::lift();
        while let Poll::Ready((index, result)) = set.poll_next(cx) {
            enough |= match until {
                Until::FirstCompleted => true,
                Until::FirstFailed => result.is_err(),
                Until::All => false,
            };
            done.push((index, result));
        }
        if enough || set.len() == 0 { Poll::Ready(()) } else { poll_deadline(cx) }
    })
    .await;
    Waited { done, pending: set.drain().collect() }
}

impl<F> fmt::Debug for AsCompleted<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsCompleted").field("left", &self.set.len()).finish_non_exhaustive()
    }
}
