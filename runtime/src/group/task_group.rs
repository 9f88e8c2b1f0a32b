//! Task groups: structured concurrency. No task of a group outlives the call that made the group.
//!
//! A **member** is a task of the group. Its future is wrapped: it is counted from the moment it is spawned
//! until its future has been dropped, and while it runs, its waker is in the group's list, by which it can
//! be cancelled. The group's own future runs the **body**, then waits until no member is left.
//!
//! # Failing
//!
//! The first failure (a panic or an error of a member or of the body) is kept, *closes* the group, and
//! cancels all members. A task that is spawned into a closed group is cancelled before it runs. A member
//! that was spawned and has not run yet is not in the list. But it finds the group closed at its first
//! poll, under the lock under which it would enter the list.
//!
//! # Why the end is not missed
//!
//! The group's future leaves its waker under the lock before it looks at the failure and the count. A
//! member or body that fails, and a member that counts down to zero, do so under the same lock and take the
//! waker there.
//!
//! The idea is that of trio's nurseries (Smith, "Notes on structured concurrency", 2018) and of
//! `asyncio.TaskGroup`.

#[cfg(all(loom, test))]
mod model;

use super::{
    member::Member,
    shared::{Failure, GroupShared},
};
use crate::{
    executor::spawn::{spawn_at, spawn_local_at},
    shim::lock,
    task::budget,
};
use brigade_handle::{JoinHandle, contain};
use brigade_trace::{Cause, Wait};
use std::{
    convert::Infallible,
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

/// Runs `body` with a group into which it can spawn tasks, and waits for all of them: when the future is
/// ready, every task of the group has ended.
///
/// It corresponds to `async with asyncio.TaskGroup()` in Python, and to a nursery in trio. If a task
/// panics, the body and the other tasks are cancelled, and when they have ended the panic continues here.
/// For tasks that can fail with an error there is [`try_task_group`].
///
/// # Cancellation
///
/// Dropping the future drops the body and cancels all tasks of the group. It does not wait until they have
/// ended.
///
/// # Panics
///
/// Panics if the body or a task panics, with the payload of the first panic. Spawning panics outside of a
/// runtime.
///
/// ```
/// use brigade_runtime::{run, task_group};
///
/// run(async {
///     let (a, b) = task_group(async |group| {
///         let a = group.spawn(async { 1 });
///         let b = group.spawn(async { 2 });
///         (a.await.unwrap(), b.await.unwrap())
///     })
///     .await;
///     assert_eq!(a + b, 3);
/// });
/// ```
#[doc(alias = "nursery")]
#[track_caller]
pub fn task_group<F, B>(body: F) -> impl Future<Output = B::Output>
where
    F: FnOnce(TaskGroup) -> B,
    B: Future,
{
    let at = Location::caller();
    async move {
        let body = async |group| Ok(body(group).await);
        match group_at(body, at).await {
            Ok(value) => value,
            Err(never) => match never {},
        }
    }
}

/// Runs `body` with a group, like [`task_group`], for a body and tasks that can fail. The first error
/// cancels the body and the other tasks, and is the result when they have ended.
///
/// # Errors
///
/// The first error of the body or of a task that was spawned by [`try_spawn`](TaskGroup::try_spawn).
///
/// # Cancellation
///
/// Dropping the future drops the body and cancels all tasks of the group. It does not wait until they have
/// ended.
///
/// # Panics
///
/// Panics if the body or a task panics, with the payload, if that is the first failure.
///
/// ```
/// use brigade_runtime::{run, sleep, try_task_group};
/// use std::time::Duration;
///
/// run(async {
///     let result = try_task_group(async |group| {
///         drop(group.spawn(sleep(Duration::MAX)));
///         drop(group.try_spawn(async { "7".parse::<u32>() }));
///         drop(group.try_spawn(async { "seven".parse::<u32>() }));
///         Ok("the body has ended")
///     });
///     assert_eq!(result.await.unwrap_err().to_string(), "invalid digit found in string");
/// });
/// ```
#[track_caller]
pub fn try_task_group<F, B, R, E>(body: F) -> impl Future<Output = Result<R, E>>
where
    F: FnOnce(TaskGroup<E>) -> B,
    B: Future<Output = Result<R, E>>,
{
    group_at(body, Location::caller())
}

/// Makes the future of a group for this line of the program.
fn group_at<F, B, R, E>(body: F, at: &'static Location<'static>) -> GroupFuture<B, R, E>
where
    F: FnOnce(TaskGroup<E>) -> B,
    B: Future<Output = Result<R, E>>,
{
    let shared = Arc::new(GroupShared::new());
    let body = body(TaskGroup { shared: shared.clone() });
    GroupFuture { body: Some(Box::pin(body)), value: None, shared, at, wait: Wait::NONE }
}

/// A handle to the group of [`task_group`] or [`try_task_group`], to spawn tasks into it.
///
/// Its clones are handles to the same group: a task of the group may have one, to spawn more tasks. Once
/// the group has failed or ended, a spawned task is cancelled before it runs.
///
/// ```
/// use brigade_runtime::{TaskGroup, run, task_group};
///
/// fn prepare(group: TaskGroup, courses: u32) {
///     if courses > 0 {
///         let clone = group.clone();
///         drop(group.spawn(async move { prepare(clone, courses - 1) }));
///     }
/// }
///
/// // Waits for all three courses, each of which spawns the next.
/// run(task_group(async |group| prepare(group, 3)));
/// ```
pub struct TaskGroup<E = Infallible> {
    shared: Arc<GroupShared<E>>,
}

impl<E: Send + 'static> TaskGroup<E> {
    /// Starts a task in the group. Its handle may be dropped: the group waits for the task.
    ///
    /// # Panics
    ///
    /// Panics outside of a runtime.
    ///
    /// # Cancellation
    ///
    /// Cancelling one task by its handle is not a failure of the group.
    ///
    /// ```
    /// # use brigade_runtime::{run, task_group};
    /// let sum = run(task_group(async |group| {
    ///     let squares: Vec<_> = (1..=3).map(|n| group.spawn(async move { n * n })).collect();
    ///     let mut sum = 0;
    ///     for square in squares {
    ///         sum += square.await.unwrap();
    ///     }
    ///     sum
    /// }));
    /// assert_eq!(sum, 14);
    /// ```
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let at = Location::caller();
        self.enter(async move { Ok(future.await) }, |member| spawn_at(member, at))
    }

    /// Starts a task in the group, like [`spawn`](Self::spawn), whose error fails the group. The handle
    /// then reports that the task was cancelled; the error itself is the result of the group.
    ///
    /// # Panics
    ///
    /// Panics outside of a runtime.
    ///
    /// # Cancellation
    ///
    /// Cancelling one task by its handle is not a failure of the group.
    ///
    /// ```
    /// # use brigade_runtime::{run, try_task_group};
    /// let result = run(try_task_group(async |group| {
    ///     drop(group.try_spawn(async { Err::<(), _>("the soup has burnt") }));
    ///     Ok(())
    /// }));
    /// assert_eq!(result, Err("the soup has burnt"));
    /// ```
    #[track_caller]
    pub fn try_spawn<F, T>(&self, future: F) -> JoinHandle<T>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
    {
        let at = Location::caller();
        self.enter(future, |member| spawn_at(member, at))
    }

    /// Starts a task in the group that need not be `Send`, as [`spawn_local`](crate::spawn_local) does.
    ///
    /// # Panics
    ///
    /// Panics outside of a current-thread runtime.
    ///
    /// # Cancellation
    ///
    /// Cancelling one task by its handle is not a failure of the group.
    ///
    /// ```
    /// use brigade_runtime::{run, task_group};
    /// use std::{cell::Cell, rc::Rc};
    ///
    /// let dishes = Rc::new(Cell::new(0));
    /// run(task_group(async |group| {
    ///     for _ in 0..3 {
    ///         let dishes = dishes.clone();
    ///         drop(group.spawn_local(async move { dishes.set(dishes.get() + 1) }));
    ///     }
    /// }));
    /// assert_eq!(dishes.get(), 3);
    /// ```
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let at = Location::caller();
        self.enter(async move { Ok(future.await) }, |member| spawn_local_at(member, at))
    }

    /// Starts a task in the group that need not be `Send` and whose error fails the group, as
    /// [`try_spawn`](Self::try_spawn) does.
    ///
    /// # Panics
    ///
    /// Panics outside of a current-thread runtime.
    ///
    /// # Cancellation
    ///
    /// Cancelling one task by its handle is not a failure of the group.
    #[track_caller]
    pub fn try_spawn_local<F, T>(&self, future: F) -> JoinHandle<T>
    where
        F: Future<Output = Result<T, E>> + 'static,
        T: 'static,
    {
        let at = Location::caller();
        self.enter(future, |member| spawn_local_at(member, at))
    }

    /// Counts a task and starts it. Cancels it if the group is closed.
    #[track_caller]
    fn enter<F, T>(&self, future: F, start: impl FnOnce(Member<F, E>) -> JoinHandle<T>) -> JoinHandle<T> {
        let closed = self.shared.count_in();
        let handle = start(Member::new(future, &self.shared));
        if closed {
            handle.cancel();
        }
        handle
    }
}

impl<E> Clone for TaskGroup<E> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<E> fmt::Debug for TaskGroup<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let running = lock(&self.shared.state).running;
        f.debug_struct("TaskGroup").field("running", &running).finish_non_exhaustive()
    }
}

/// The future of a group.
struct GroupFuture<B, R, E> {
    /// None once the body has ended.
    body: Option<Pin<Box<B>>>,
    /// The result of the body.
    value: Option<R>,
    shared: Arc<GroupShared<E>>,
    /// The line of the program that waits.
    at: &'static Location<'static>,
    /// The wait for the tasks that a trace knows of.
    wait: Wait,
}

// The box pins the body.
impl<B, R, E> Unpin for GroupFuture<B, R, E> {}

impl<B, R, E> GroupFuture<B, R, E> {
    /// Drops the body. A panic of its destructor is a failure of the group.
    fn drop_body(&mut self) {
        let body = self.body.take();
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(body))) {
            self.shared.fail(Failure::Panic(payload));
        }
    }
}

impl<B, R, E> Future for GroupFuture<B, R, E>
where
    B: Future<Output = Result<R, E>>,
{
    type Output = Result<R, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<R, E>> {
        let this = self.get_mut();
        ready!(budget::poll(cx));
        let mark = budget::mark();
        let waker = cx.waker().clone();
        let (old, closed) = {
            let mut state = lock(&this.shared.state);
            (state.parent.replace(waker), state.closed)
        };
        drop(old);
        if closed {
            this.drop_body();
        }
        if let Some(body) = &mut this.body {
            match catch_unwind(AssertUnwindSafe(|| body.as_mut().poll(cx))) {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(Ok(value))) => this.value = Some(value),
                Ok(Poll::Ready(Err(error))) => this.shared.fail(Failure::Error(error)),
                Err(payload) => this.shared.fail(Failure::Panic(payload)),
            }
            this.drop_body();
        }
        let mut state = lock(&this.shared.state);
        if state.running > 0 {
            this.wait.begun(|| this.shared.resource.id(), Cause::Scope, this.at);
            return Poll::Pending;
        }
        state.closed = true;
        let failure = state.failure.take();
        drop(state);
        this.wait.ended(Cause::Scope);
        budget::spend_since(mark);
        if failure.is_some() {
            // Nobody gets the body's value. Its destructor must not panic while another panic unwinds.
            let value = this.value.take();
            contain(|| drop(value));
        }
        match failure {
            Some(Failure::Panic(payload)) => resume_unwind(payload),
            Some(Failure::Error(error)) => Poll::Ready(Err(error)),
            None => Poll::Ready(Ok(this
                .value
                .take()
                .expect("a group without a failure has its body's value, once"))),
        }
    }
}

impl<B, R, E> Drop for GroupFuture<B, R, E> {
    fn drop(&mut self) {
        self.drop_body();
        let state = lock(&self.shared.state);
        if !state.closed {
            GroupShared::close(state, None);
        }
    }
}
