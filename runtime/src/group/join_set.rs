//! A set of tasks that are joined in the order in which they end.

use crate::{
    combine::poll_set::PollSet,
    executor::spawn::{spawn_at, spawn_local_at},
    task::budget,
};
use brigade_handle::{JoinError, JoinHandle, contain};
use futures_core::Stream;
use std::{
    fmt,
    future::Future,
    panic::Location,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// A set of tasks that are joined in the order in which they end.
///
/// Dropping the set *cancels* the tasks that are in it; [`detach_all`](Self::detach_all) lets them continue
/// instead. The set is also a `Stream` of the results. It is modelled on tokio's `JoinSet`.
///
/// ```
/// use brigade_runtime::{JoinSet, run, sleep};
/// use std::time::Duration;
///
/// run(async {
///     let mut set = JoinSet::new();
///     for ms in [3, 1, 2] {
///         set.spawn(async move {
///             sleep(Duration::from_millis(20 * ms)).await;
///             ms
///         });
///     }
///     let mut order = Vec::new();
///     while let Some(result) = set.join_next().await {
///         order.push(result.unwrap());
///     }
///     assert_eq!(order, [1, 2, 3]);
/// });
/// ```
#[doc(alias = "TaskTracker")]
#[must_use = "dropping a set cancels its tasks"]
pub struct JoinSet<T> {
    set: PollSet<JoinHandle<T>>,
}

impl<T> JoinSet<T> {
    /// Makes an empty set.
    ///
    /// ```
    /// let set = brigade_runtime::JoinSet::<u32>::new();
    /// assert!(set.is_empty());
    /// ```
    pub fn new() -> Self {
        Self { set: PollSet::new() }
    }

    /// Starts a task, as [`spawn`](crate::spawn) does, and puts it into the set. Returns a reference to its
    /// handle, which can cancel this one task, or make a [`CancelHandle`](crate::CancelHandle) that can.
    ///
    /// # Panics
    ///
    /// Panics outside of a runtime.
    ///
    /// ```
    /// use brigade_runtime::{JoinSet, run};
    ///
    /// run(async {
    ///     let mut set = JoinSet::new();
    ///     let cancel = set.spawn(std::future::pending()).cancel_handle();
    ///     set.spawn(async { 1 });
    ///     assert_eq!(set.join_next().await.unwrap().unwrap(), 1);
    ///     cancel.cancel();
    ///     assert!(set.join_next().await.unwrap().is_err());
    /// });
    /// ```
    #[track_caller]
    pub fn spawn<F>(&mut self, future: F) -> &JoinHandle<T>
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        self.set.insert(spawn_at(future, Location::caller()))
    }

    /// Starts a task that need not be `Send`, as [`spawn_local`](crate::spawn_local) does, and puts it into
    /// the set, as [`spawn`](Self::spawn) does.
    ///
    /// # Panics
    ///
    /// Panics outside of a current-thread runtime.
    ///
    /// ```
    /// # use brigade_runtime::{JoinSet, run};
    /// # use std::rc::Rc;
    /// # run(async {
    /// let mut set = JoinSet::new();
    /// let dish = Rc::new("soup");
    /// set.spawn_local(async move { dish.len() });
    /// assert_eq!(set.join_next().await.unwrap().unwrap(), 4);
    /// # });
    /// ```
    #[track_caller]
    pub fn spawn_local<F>(&mut self, future: F) -> &JoinHandle<T>
    where
        F: Future<Output = T> + 'static,
        T: 'static,
    {
        self.set.insert(spawn_local_at(future, Location::caller()))
    }

    /// Puts work that was started elsewhere into the set: a task, or a job or a call of another executor.
    ///
    /// ```
    /// # use brigade_runtime::{JoinSet, run, spawn_blocking};
    /// # run(async {
    /// let mut set = JoinSet::new();
    /// set.insert(spawn_blocking(|| 1));
    /// set.spawn(async { 2 });
    /// let sum: i32 = set.join_all().await.into_iter().map(Result::unwrap).sum();
    /// assert_eq!(sum, 3);
    /// # });
    /// ```
    pub fn insert(&mut self, handle: JoinHandle<T>) {
        self.set.insert(handle);
    }

    /// Returns how many tasks are in the set: those that run, and those that have ended and were not joined.
    pub fn len(&self) -> usize {
        self.set.len()
    }

    /// Returns whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits for the next task that ends, takes it out of the set, and returns its result. None if the set
    /// is empty.
    ///
    /// # Errors
    ///
    /// The result is a [`JoinError`] if the task has panicked, was cancelled, or was lost.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    ///
    /// ```
    /// # use brigade_runtime::{JoinError, JoinSet, run};
    /// # run(async {
    /// let mut set = JoinSet::new();
    /// set.spawn(async { panic!("the soup has burnt") });
    /// let result: Result<(), _> = set.join_next().await.expect("one task is in the set");
    /// assert!(matches!(result, Err(JoinError::Panicked(..))));
    /// assert!(set.join_next().await.is_none());
    /// # });
    /// ```
    pub fn join_next(&mut self) -> JoinNext<'_, T> {
        JoinNext { set: self }
    }

    /// Takes a task that has ended already out of the set, and returns its result. None if no task has ended.
    ///
    /// # Errors
    ///
    /// The result is a [`JoinError`] if the task has panicked, was cancelled, or was lost.
    ///
    /// ```
    /// # use brigade_runtime::{JoinSet, run};
    /// # run(async {
    /// let mut set = JoinSet::new();
    /// set.spawn(std::future::pending::<()>());
    /// assert!(set.try_join_next().is_none());
    /// # });
    /// ```
    pub fn try_join_next(&mut self) -> Option<Result<T, JoinError>> {
        // Without the budget, because this must find a task that has ended even if the budget is spent.
        let _lifted = budget::lift();
        let context = Context::from_waker(std::task::Waker::noop());
        match self.set.poll_next(&context) {
            Poll::Ready((_, result)) => Some(result),
            Poll::Pending => None,
        }
    }

    /// Waits for all tasks, and returns their results in the order in which they end.
    ///
    /// # Cancellation
    ///
    /// Dropping the future cancels the tasks that have not ended.
    ///
    /// ```
    /// # use brigade_runtime::{JoinSet, run, spawn};
    /// # run(async {
    /// let set: JoinSet<u32> = (1..=3).map(|n| spawn(async move { n * n })).collect();
    /// let sum: u32 = set.join_all().await.into_iter().map(Result::unwrap).sum();
    /// assert_eq!(sum, 14);
    /// # });
    /// ```
    pub async fn join_all(mut self) -> Vec<Result<T, JoinError>> {
        let mut results = Vec::with_capacity(self.len());
        while let Some(result) = self.join_next().await {
            results.push(result);
        }
        results
    }

    /// Cancels all tasks. They stay in the set, to be joined.
    ///
    /// ```
    /// # use brigade_runtime::{JoinSet, run};
    /// # run(async {
    /// let mut set = JoinSet::new();
    /// set.spawn(std::future::pending::<()>());
    /// set.cancel_all();
    /// assert!(set.join_next().await.unwrap().is_err());
    /// # });
    /// ```
    pub fn cancel_all(&self) {
        self.set.iter().for_each(JoinHandle::cancel);
    }

    /// Detaches all tasks: they continue, and the set is empty.
    ///
    /// ```
    /// # use brigade_runtime::{JoinSet, run, sync::oneshot};
    /// # run(async {
    /// let (sender, receiver) = oneshot::channel();
    /// let mut set = JoinSet::new();
    /// set.spawn(async move { sender.send("soup") });
    /// set.detach_all();
    /// drop(set);
    /// assert_eq!(receiver.await, Ok("soup"));
    /// # });
    /// ```
    pub fn detach_all(&mut self) {
        self.set.drain().for_each(drop);
    }

    /// Cancels all tasks and waits until they have ended. Their results are dropped.
    ///
    /// # Cancellation
    ///
    /// Dropping the future leaves the tasks that have not ended in the set, cancelled.
    ///
    /// ```
    /// # use brigade_runtime::{JoinSet, run};
    /// # run(async {
    /// let mut set = JoinSet::new();
    /// set.spawn(std::future::pending::<()>());
    /// set.shutdown().await;
    /// assert!(set.is_empty());
    /// # });
    /// ```
    pub async fn shutdown(&mut self) {
        self.cancel_all();
        while let Some(result) = self.join_next().await {
            contain(|| drop(result));
        }
    }

    fn poll_join_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, JoinError>>> {
        ready!(budget::poll(cx));
        if self.is_empty() {
            budget::spend();
            return Poll::Ready(None);
        }
        // The handle has charged the budget.
        let (_, result) = ready!(self.set.poll_next(cx));
        Poll::Ready(Some(result))
    }
}

impl<T> Drop for JoinSet<T> {
    fn drop(&mut self) {
        self.cancel_all();
    }
}

/// The future of [`JoinSet::join_next`].
///
/// ```
/// # use brigade_runtime::{JoinSet, run};
/// # run(async {
/// let mut set = JoinSet::<u32>::new();
/// assert!(set.join_next().await.is_none(), "the set is empty");
/// # });
/// ```
#[must_use = "futures do nothing unless awaited"]
pub struct JoinNext<'a, T> {
    set: &'a mut JoinSet<T>,
}

impl<T> Future for JoinNext<'_, T> {
    type Output = Option<Result<T, JoinError>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.set.poll_join_next(cx)
    }
}

impl<T> Stream for JoinSet<T> {
    type Item = Result<T, JoinError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_join_next(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len(), Some(self.len()))
    }
}

impl<T> Extend<JoinHandle<T>> for JoinSet<T> {
    fn extend<I: IntoIterator<Item = JoinHandle<T>>>(&mut self, handles: I) {
        handles.into_iter().for_each(|handle| self.insert(handle));
    }
}

impl<T> FromIterator<JoinHandle<T>> for JoinSet<T> {
    fn from_iter<I: IntoIterator<Item = JoinHandle<T>>>(handles: I) -> Self {
        let mut set = Self::new();
        set.extend(handles);
        set
    }
}

impl<T> Default for JoinSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinSet").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for JoinNext<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JoinNext").field(&self.set).finish()
    }
}
