//! Spawning from inside a runtime.

use crate::{
    context::{self, Place},
    local,
};
use brigade_handle::JoinHandle;
use std::{future::Future, panic::Location};

/// Starts a task on the runtime that this thread is inside of. It runs whether or not its handle is awaited.
///
/// # Panics
///
/// Outside of a runtime.
///
/// # Cancellation
///
/// [`JoinHandle::cancel`] drops the future at its next suspension, on a thread of the runtime. Dropping the handle
/// detaches. If the runtime is ending, the future is dropped at once and the handle says that it was cancelled.
///
/// ```
/// # brigade_runtime::run(async {
/// let handle = brigade_runtime::spawn(async { "done" });
/// assert_eq!(handle.await.unwrap(), "done");
/// # });
/// ```
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let at = Location::caller();
    let spawned = context::with(|place| match place {
        Place::Nowhere => None,
        Place::Local(core) => Some(core.spawn(future, at)),
        Place::Worker(worker) => Some(worker.spawn(future, at)),
        Place::Guest(scheduler) => Some((scheduler.spawn(future, at), None)),
    });
    let Some((handle, refused)) = spawned.flatten() else {
        panic!("spawn was called outside of a runtime: call it from within `run`, `block_on` or a task")
    };
    drop(refused);
    handle
}

/// Starts a task that need not be `Send`, on this thread, inside [`run`](crate::run) or inside `block_on` of a current-thread
/// runtime. It is cancelled when that `run` or `block_on` returns.
///
/// # Panics
///
/// Outside of a current-thread runtime.
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
#[track_caller]
pub fn spawn_local<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    local::spawn_local(future, Location::caller()).unwrap_or_else(|| {
        panic!("spawn_local was called outside of a current-thread runtime: use `spawn`, or call it from within `run`")
    })
}
