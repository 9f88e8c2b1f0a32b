//! Spawning from inside a runtime.
//!
//! A spawn makes the task, with its first entry and its handle, and gives the entry to an executor
//! (`take_in`), which pushes it to a queue. Which queue depends on the role of the calling thread
//! (`ThreadRole` in `context.rs`): a thread that runs tasks pushes to its own queue, and a guest pushes to
//! the queue for tasks from outside (the injector of the workers, or the inbox of a current-thread
//! executor). The first poll comes when a thread of the executor takes the entry from the queue. An executor
//! that is ending refuses the task, which is then cancelled without a poll.

use crate::{
    executor::{
        context::{self, ThreadRole},
        current_thread,
        reference::ExecutorBorrow,
    },
    task::{
        self, name,
        task_local::{Scoped, TaskLocal},
    },
};
use brigade_handle::JoinHandle;
use brigade_trace::{current, label};
use std::{
    borrow::Cow,
    future::Future,
    panic::Location,
    pin::Pin,
    task::{Context, Poll},
};

/// Starts a task on the runtime that this thread is inside of. It runs whether or not its handle is awaited.
///
/// # Panics
///
/// Panics outside of a runtime. A panic of the task goes to its handle.
///
/// # Cancellation
///
/// [`JoinHandle::cancel`] drops the future at its next suspension, on a thread of the runtime. Dropping the
/// handle detaches the task.
///
/// If the runtime is ending, the future is dropped at once, and the handle returns
/// [`Cancelled`](brigade_handle::JoinError::Cancelled). If the destructor of such a future spawns another
/// future, that one is dropped after it. So a chain of them needs no stack, however long it is. A chain that
/// never ends is cut, and its next future is leaked.
///
/// ```
/// # brigade_runtime::run(async {
/// let handle = brigade_runtime::spawn(async { "done" });
/// assert_eq!(handle.await.unwrap(), "done");
/// # });
/// ```
#[doc(alias("create_task", "ensure_future"))]
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    spawn_at(future, Location::caller())
}

/// Spawns as [`spawn`] does; `at` is the line of the program that spawned.
#[track_caller]
pub(crate) fn spawn_at<F>(future: F, at: &'static Location<'static>) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let handle = context::with(|place| {
        let executor = match place {
            ThreadRole::CurrentThread(core) => ExecutorBorrow::current_thread(&core.shared),
            ThreadRole::Worker(worker) => ExecutorBorrow::multi_thread(&worker.shared),
            ThreadRole::Guest(executor) => executor.borrow(),
            ThreadRole::Outside => return None,
        };
        let (task, handle) = task::new(future, executor, at);
        match place {
            ThreadRole::CurrentThread(core) => core.take_in(task),
            ThreadRole::Worker(worker) => worker.take_in(task),
            // `Outside` has returned above.
            ThreadRole::Guest(_) | ThreadRole::Outside => executor.take_in(task),
        }
        Some(handle)
    });
    // This is out of the closure, so that the panic names the caller.
    match handle {
        Some(handle) => handle,
        None => panic_outside(),
    }
}

#[cold]
#[track_caller]
fn panic_outside() -> ! {
    panic!("spawn was called outside of a runtime: call it from within `run`, `block_on` or a task")
}

/// Starts a task that need not be `Send`, on this thread, inside [`run`](crate::run) or inside `block_on`
/// of a current-thread runtime.
///
/// # Panics
///
/// Panics outside of a current-thread runtime.
///
/// # Cancellation
///
/// The task is cancelled when that `run` or `block_on` returns, or when a shutdown has run out of time. A
/// task that is spawned after that end has begun, by a task that still runs or by a destructor, is cancelled
/// at once.
///
/// ```
/// use std::{cell::Cell, rc::Rc};
///
/// let count = Rc::new(Cell::new(0));
/// let counted = count.clone();
/// brigade_runtime::run(async move {
///     brigade_runtime::spawn_local(async move { counted.set(counted.get() + 1) }).await.unwrap();
/// });
/// assert_eq!(count.get(), 1);
/// ```
#[doc(alias("LocalSet", "LocalExecutor"))]
#[track_caller]
pub fn spawn_local<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    spawn_local_at(future, Location::caller())
}

/// Spawns as [`spawn_local`] does; `at` is the line of the program that spawned.
#[track_caller]
pub(crate) fn spawn_local_at<F>(future: F, at: &'static Location<'static>) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let Some(handle) = current_thread::spawn_local(future, at) else {
        panic!(
            "spawn_local was called outside of a current-thread runtime: use `spawn`, or call it from within `run`"
        )
    };
    handle
}

/// The name of the task that runs here.
static NAME: TaskLocal<Cow<'static, str>> = TaskLocal::new();

/// Starts a task with a name, as [`spawn`] does. [`task_name`] returns the name inside the task, and a trace
/// shows it beside the line that spawned the task.
///
/// # Panics
///
/// Panics outside of a runtime.
///
/// # Cancellation
///
/// As for [`spawn`].
///
/// ```
/// use brigade_runtime::{run, spawn_named, task_name};
///
/// run(async {
///     let waiter = spawn_named("waiter", async { task_name() });
///     assert_eq!(waiter.await.unwrap().as_deref(), Some("waiter"));
///     assert_eq!(task_name(), None);
/// });
/// ```
#[track_caller]
pub fn spawn_named<F>(name: impl Into<Cow<'static, str>>, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    spawn_at(named(name, future), Location::caller())
}

/// Gives a future a name, for a task that is spawned by [`spawn_local`], a
/// [`TaskGroup`](crate::TaskGroup), a [`JoinSet`](crate::JoinSet) or a [`Scope`](crate::Scope).
///
/// [`task_name`] returns the name inside the future and in the destructors of the values that it holds. A
/// trace shows the name beside the line of this call, and the [error](brigade_handle::JoinError::subject) of
/// a task that panics or is cancelled says it. Tasks without a name pay nothing for those with one.
///
/// ```
/// use brigade_runtime::{JoinSet, named, run, task_name};
///
/// run(async {
///     let mut set = JoinSet::new();
///     for n in 0..3 {
///         set.spawn(named(format!("cook {n}"), async { task_name().unwrap() }));
///     }
///     let mut names: Vec<_> = set.join_all().await.into_iter().map(Result::unwrap).collect();
///     names.sort();
///     assert_eq!(names, ["cook 0", "cook 1", "cook 2"]);
/// });
/// ```
#[track_caller]
pub fn named<F: Future>(name: impl Into<Cow<'static, str>>, future: F) -> Named<F> {
    let (name, at) = (name.into(), Location::caller());
    Named { unlabelled: brigade_trace::on().then(|| name.clone()), at, future: NAME.scope(name, future) }
}

/// The future of [`named`].
///
/// ```
/// use brigade_runtime::{Named, named, run, task_name};
///
/// let future: Named<_> = named("waiter", async { task_name() });
/// assert_eq!(run(future).as_deref(), Some("waiter"));
/// ```
#[must_use = "futures do nothing unless awaited"]
#[derive(Debug)]
pub struct Named<F> {
    /// The name, until the trace has been told.
    unlabelled: Option<Cow<'static, str>>,
    at: &'static Location<'static>,
    future: Scoped<Cow<'static, str>, F>,
}

impl<F: Future> Future for Named<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        if let Some(name) = self.unlabelled.take() {
            label(current(), || format!("{name} ({}:{})", self.at.file(), self.at.line()));
        }
        Pin::new(&mut self.future).poll(cx)
    }
}

impl<F> Drop for Named<F> {
    fn drop(&mut self) {
        name::answer(self.future.value());
    }
}

/// The name of the task that runs here, if its future was [`named`]. A panic hook may ask as well.
pub fn task_name() -> Option<Cow<'static, str>> {
    NAME.get()
}
