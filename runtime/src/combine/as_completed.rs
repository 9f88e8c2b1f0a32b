//! Several futures inside one task: their outputs in the order in which they come, or until enough are there.

use crate::{
    combine::{
        crowd::PollSet,
        generator::{Next, next},
    },
    task::budget,
};
use brigade_handle::{JoinHandle, Until, Waited};
use futures_core::Stream;
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// A stream of the outputs of several futures in the order in which they are ready, each with the future's place in the input.
///
/// What `asyncio.as_completed` is in Python. The futures are polled inside this task, as those of [`gather`](crate::gather) are; give
/// it the handles of spawned tasks to run them in parallel.
///
/// # Cancellation
///
/// Dropping the stream drops all futures that are not ready; tasks whose handles it has are detached. Dropping a future of
/// [`next`](AsCompleted::next) loses nothing.
///
/// # Panics
///
/// The stream does if a future panics, with its panic. Whoever catches that and goes on gets the outputs of the others, and then the end.
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
#[must_use = "streams do nothing unless asked for a value"]
pub struct AsCompleted<F> {
    set: PollSet<Pin<Box<F>>>,
}

impl<F: Future> AsCompleted<F> {
    /// The next output, or None if there were all.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Next<'_, Self> {
        next(self)
    }
}

// The futures are pinned by their boxes.
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

/// Waits until the first of these tasks has ended, the first has failed, or all have. Ready at once if there are none.
///
/// What `asyncio.wait` is in Python, and the same as [`brigade_handle::wait_for`] is for a thread: the handles may be those of any
/// executor. What has not ended then goes on, and its handle is among those that are
/// [`pending`](Waited::pending).
///
/// # Cancellation
///
/// Dropping the future detaches the tasks.
///
/// # Panics
///
/// If a handle has given its result already.
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
pub async fn wait_for<T>(handles: impl IntoIterator<Item = JoinHandle<T>>, until: Until) -> Waited<T> {
    let mut set = PollSet::new();
    for handle in handles {
        set.insert(handle);
    }
    let mut done = Vec::with_capacity(set.len());
    let mut enough = false;
    std::future::poll_fn(|cx| {
        ready!(budget::poll(cx));
        budget::spend();
        // What has ended meanwhile is done, too, however much it is.
        let _lifted = budget::lift();
        while let Poll::Ready((index, result)) = set.poll_next(cx) {
            enough |= match until {
                Until::FirstCompleted => true,
                Until::FirstFailed => result.is_err(),
                Until::All => false,
            };
            done.push((index, result));
        }
        if enough || set.len() == 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    Waited { done, pending: set.drain().collect() }
}

impl<F> fmt::Debug for AsCompleted<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsCompleted").field("left", &self.set.len()).finish_non_exhaustive()
    }
}
