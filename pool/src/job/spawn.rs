//! Spawning: the methods of a pool, and the functions that use the current pool.

use crate::{
    job::{detached, spawned::spawned},
    pool::Pool,
    registry::Registry,
    worker::{current, wait::blocking_at},
};
use brigade_handle::JoinHandle;
use std::{panic::Location, sync::Arc};

impl Pool {
    /// Queues a job and returns at once.
    ///
    /// ```
    /// let pool = brigade_pool::Pool::new()?;
    /// let answer = pool.spawn(|| 6 * 7);
    /// assert_eq!(answer.join().unwrap(), 42);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Cancellation
    ///
    /// [`JoinHandle::cancel`] removes a job that is still queued and drops its closure at once. A running
    /// job runs to its end.
    ///
    /// # Panics
    ///
    /// Panics in a forked child, unless the calling thread is the copy of a worker of this pool.
    #[doc(alias = "submit")]
    #[track_caller]
    pub fn spawn<F, T>(&self, work: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        spawn_on(&self.registry, work, Location::caller())
    }

    /// Queues a job without a handle. This does what [`spawn`](Self::spawn) does if its handle is dropped
    /// at once, but it is cheaper, because there is no place for a result. A panic goes to the pool's
    /// [panic handler](crate::Builder::on_panic).
    ///
    /// ```
    /// let pool = brigade_pool::Pool::new()?;
    /// let (tell, told) = std::sync::mpsc::channel();
    /// pool.spawn_detached(move || tell.send("served").unwrap());
    /// assert_eq!(told.recv().unwrap(), "served");
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Cancellation
    ///
    /// Only the end of the pool cancels the job: it drops a job that is queued then, and
    /// [`shutdown_now`](Self::shutdown_now) counts it.
    ///
    /// # Panics
    ///
    /// As for [`spawn`](Self::spawn).
    #[track_caller]
    pub fn spawn_detached<F>(&self, work: F)
    where
        F: FnOnce() + Send + 'static,
    {
        self.spawn_detached_at(work, Location::caller());
    }

    /// Queues a job like [`spawn`](Self::spawn), but ordered jobs begin in the order in which they were
    /// spawned, on whatever thread.
    ///
    /// A worker normally runs the newest of its own jobs first, which keeps its cache warm. Ordered jobs
    /// go to a queue that all workers share.
    ///
    /// ```
    /// let pool = brigade_pool::Pool::builder().threads(1).build()?;
    /// let (tell, told) = std::sync::mpsc::channel();
    /// pool.install(|| {
    ///     for n in 0..4 {
    ///         let tell = tell.clone();
    ///         drop(pool.spawn_fifo(move || tell.send(n)));
    ///     }
    /// });
    /// assert!(told.into_iter().take(4).eq(0..4));
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Cancellation
    ///
    /// As for [`spawn`](Self::spawn).
    ///
    /// # Panics
    ///
    /// Panics in a forked child.
    #[track_caller]
    pub fn spawn_fifo<F, T>(&self, work: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        spawn_fifo_on(&self.registry, work, Location::caller())
    }

    /// Queues a job that will block outside the pool: [`spawn`](Self::spawn) with a
    /// [`blocking`](fn@crate::blocking) call. Up to 256 such jobs wait at the same time, or as many as
    /// [`Builder::spares`](crate::Builder::spares) says, each with a spare thread in its place.
    ///
    /// ```
    /// let pool = brigade_pool::Pool::builder().threads(1).build()?;
    /// let (send, receive) = std::sync::mpsc::channel();
    /// let waiting = pool.spawn_blocking(move || receive.recv().unwrap());
    /// pool.spawn(move || send.send(7).unwrap()).join().unwrap();
    /// assert_eq!(waiting.join().unwrap(), 7);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Cancellation
    ///
    /// As for [`spawn`](Self::spawn).
    ///
    /// # Panics
    ///
    /// As for [`spawn`](Self::spawn).
    #[track_caller]
    pub fn spawn_blocking<F, T>(&self, work: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.spawn_blocking_at(work, Location::caller())
    }

    /// Queues a job like [`spawn_blocking`](Self::spawn_blocking), for a caller that has one of its own: a
    /// trace shows the job as spawned at this place.
    ///
    /// ```
    /// use std::panic::Location;
    ///
    /// let pool = brigade_pool::Pool::new()?;
    /// assert_eq!(pool.spawn_blocking_at(|| 6 * 7, Location::caller()).join().unwrap(), 42);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Cancellation
    ///
    /// As for [`spawn`](Self::spawn).
    ///
    /// # Panics
    ///
    /// As for [`spawn`](Self::spawn).
    pub fn spawn_blocking_at<F, T>(&self, work: F, at: &'static Location<'static>) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        spawn_on(&self.registry, move || blocking_at(work, at), at)
    }

    /// Queues a job like [`spawn_detached`](Self::spawn_detached), for a caller that has one of its own: a
    /// trace shows the job as spawned at this place.
    ///
    /// ```
    /// use std::panic::Location;
    ///
    /// let pool = brigade_pool::Pool::new()?;
    /// pool.spawn_detached_at(|| (), Location::caller());
    /// pool.shutdown();
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Cancellation
    ///
    /// As for [`spawn_detached`](Self::spawn_detached).
    ///
    /// # Panics
    ///
    /// As for [`spawn`](Self::spawn).
    pub fn spawn_detached_at<F>(&self, work: F, at: &'static Location<'static>)
    where
        F: FnOnce() + Send + 'static,
    {
        self.registry.submit(detached::new(&self.registry, work, at));
    }
}

/// Queues a job that is spawned at this place.
#[inline]
pub(crate) fn spawn_on<F, T>(
    registry: &Arc<Registry>,
    work: F,
    at: &'static Location<'static>,
) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let (job, handle) = spawned(registry, work, at);
    registry.submit(job);
    handle
}

/// Queues an ordered job that is spawned at this place.
pub(crate) fn spawn_fifo_on<F, T>(
    registry: &Arc<Registry>,
    work: F,
    at: &'static Location<'static>,
) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let (job, handle) = spawned(registry, work, at);
    registry.submit_ordered(job);
    handle
}

/// Queues a job with the pool that this thread works for, or with the [global pool](Pool::global) if it
/// works for none.
///
/// ```
/// let answer = brigade_pool::spawn(|| 6 * 7);
/// assert_eq!(answer.join().unwrap(), 42);
/// ```
#[track_caller]
pub fn spawn<F, T>(work: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let at = Location::caller();
    let spawned = current::with(|worker| match worker {
        Some(worker) => Ok(spawn_on(&worker.registry, work, at)),
        None => Err(work),
    });
    // This is out of the closure, so that a panic names the caller.
    match spawned {
        Ok(handle) => handle,
        Err(work) => Pool::global().spawn(work),
    }
}

/// Queues a job like [`Pool::spawn_fifo`], with the pool that this thread works for, or with the [global
/// pool](Pool::global) if it works for none.
///
/// ```
/// let answer = brigade_pool::spawn_fifo(|| 6 * 7);
/// assert_eq!(answer.join().unwrap(), 42);
/// ```
#[track_caller]
pub fn spawn_fifo<F, T>(work: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let at = Location::caller();
    let spawned = current::with(|worker| match worker {
        Some(worker) => Ok(spawn_fifo_on(&worker.registry, work, at)),
        None => Err(work),
    });
    match spawned {
        Ok(handle) => handle,
        Err(work) => Pool::global().spawn_fifo(work),
    }
}

/// Queues a job like [`Pool::spawn_detached`], with the pool that this thread works for, or with the
/// [global pool](Pool::global) if it works for none.
///
/// ```
/// let (tell, told) = std::sync::mpsc::channel();
/// brigade_pool::spawn_detached(move || tell.send("served").unwrap());
/// assert_eq!(told.recv().unwrap(), "served");
/// ```
#[track_caller]
pub fn spawn_detached<F>(work: F)
where
    F: FnOnce() + Send + 'static,
{
    let at = Location::caller();
    let unspawned = current::with(|worker| match worker {
        Some(worker) => {
            worker.registry.submit(detached::new(&worker.registry, work, at));
            None
        }
        None => Some(work),
    });
    if let Some(work) = unspawned {
        Pool::global().spawn_detached(work);
    }
}
