//! Spawning: on a crew, and from wherever one is.

use crate::{Pool, crew::Crew, current, detached, job};
use brigade_handle::JoinHandle;
use std::sync::Arc;

#[inline]
pub(crate) fn spawn_on<F, T>(crew: &Arc<Crew>, work: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let (job, handle) = job::spawned(crew, work);
    crew.submit(job);
    handle
}

pub(crate) fn spawn_fifo_on<F, T>(crew: &Arc<Crew>, work: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let (job, handle) = job::spawned(crew, work);
    crew.submit_ordered(job);
    handle
}

/// Queues a job with the pool that this thread works for, or with the [global pool](Pool::global) if it works for none.
///
/// ```
/// let answer = brigade_pool::spawn(|| 6 * 7);
/// assert_eq!(answer.join().unwrap(), 42);
/// ```
pub fn spawn<F, T>(work: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    current::with(|worker| match worker {
        Some(worker) => spawn_on(&worker.crew, work),
        None => Pool::global().spawn(work),
    })
}

/// [`Pool::spawn_fifo`] with the pool that this thread works for, or with the [global pool](Pool::global) if it works for none.
///
/// ```
/// let answer = brigade_pool::spawn_fifo(|| 6 * 7);
/// assert_eq!(answer.join().unwrap(), 42);
/// ```
pub fn spawn_fifo<F, T>(work: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    current::with(|worker| match worker {
        Some(worker) => spawn_fifo_on(&worker.crew, work),
        None => Pool::global().spawn_fifo(work),
    })
}

/// [`Pool::spawn_detached`] with the pool that this thread works for, or with the [global pool](Pool::global) if it works for none.
///
/// ```
/// let (tell, told) = std::sync::mpsc::channel();
/// brigade_pool::spawn_detached(move || tell.send("served").unwrap());
/// assert_eq!(told.recv().unwrap(), "served");
/// ```
pub fn spawn_detached<F>(work: F)
where
    F: FnOnce() + Send + 'static,
{
    current::with(|worker| match worker {
        Some(worker) => worker.crew.submit(detached::new(work)),
        None => Pool::global().spawn_detached(work),
    });
}
