//! Shielding work from the cancellation of the task that awaits it.

use crate::executor::spawn::spawn_at;
use brigade_handle::{JoinError, JoinHandle};
use std::{
    fmt,
    future::Future,
    panic::{Location, resume_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
};

/// Runs a future as a task of its own, so that it continues if the task that awaits it is cancelled.
///
/// It corresponds to Python's `asyncio.shield`. The new task starts at once.
///
/// # Cancellation
///
/// Dropping the returned future detaches the task. Only the end of the runtime cancels it.
///
/// # Panics
///
/// Panics outside of a runtime. Awaiting the returned future panics if the shielded future panics, with the
/// same payload, or if another runtime awaits it and the task's own runtime has ended before the task.
///
/// ```
/// use brigade_runtime::{run, shield, sleep, sync::Event, timeout};
/// use std::{sync::Arc, time::Duration};
///
/// run(async {
///     let saved = Arc::new(Event::new());
///     let told = saved.clone();
///     let save = async move {
///         sleep(Duration::from_millis(5)).await;
///         told.set();
///     };
///     assert!(timeout(Duration::from_millis(1), shield(save)).await.is_err());
///     saved.wait().await;
/// });
/// ```
#[track_caller]
pub fn shield<F>(future: F) -> Shield<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    Shield { task: spawn_at(future, Location::caller()) }
}

/// The future of [`shield`].
///
/// ```
/// use brigade_runtime::{Shield, run, shield};
///
/// run(async {
///     let saved: Shield<u32> = shield(async { 7 });
///     assert_eq!(saved.await, 7);
/// });
/// ```
#[must_use = "dropping it detaches the task"]
pub struct Shield<T> {
    task: JoinHandle<T>,
}

impl<T> Future for Shield<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match ready!(Pin::new(&mut self.task).poll(cx)) {
            Ok(value) => Poll::Ready(value),
            Err(JoinError::Panicked(payload, _)) => resume_unwind(payload),
            Err(error) => panic!("the shielded task has no result: {error}"),
        }
    }
}

impl<T> fmt::Debug for Shield<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shield").field("finished", &self.task.is_finished()).finish()
    }
}
