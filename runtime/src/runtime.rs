//! The runtime: the owner of an executor. Dropping it ends everything that runs on it.

use crate::{
    Builder, Elapsed, block_on,
    driver::Driver,
    local, multi,
    scheduler::{At, Scheduler},
    task,
};
use brigade_handle::{JoinError, JoinHandle};
use std::{fmt, future::Future, io, panic::Location, sync::Arc, time::Duration};

/// An executor for tasks, with its reactor and its timers.
///
/// Two kinds: a *multi-threaded* one has workers that run tasks from when they are spawned; a *current-thread* one runs
/// tasks on the thread that is inside [`block_on`](Self::block_on), [`map`](Self::map), [`scope`](Self::scope) or
/// [`shutdown`](Self::shutdown), and while none is, its tasks rest.
///
/// Dropping the runtime *cancels* its tasks: their futures are dropped before `drop` returns, and their handles say
/// [`Cancelled`](JoinError::Cancelled). [`shutdown`](Self::shutdown) lets them finish instead.
///
/// After a fork the child must not use the runtimes of its parent, which panic there; dropping one does nothing in the
/// child. It may make its own.
///
/// # Example
///
/// ```
/// use brigade_runtime::Runtime;
///
/// let runtime = Runtime::multi_thread(2)?;
/// let handle = runtime.spawn(async { 6 * 7 });
/// assert_eq!(handle.join().unwrap(), 42);
/// let squares = runtime.map(|n: u32| async move { n * n }, [1, 2, 3]);
/// assert_eq!(squares.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [1, 4, 9]);
/// runtime.shutdown();
/// # std::io::Result::Ok(())
/// ```
pub struct Runtime {
    pub(crate) kind: Kind,
}

/// Which executor.
pub(crate) enum Kind {
    Local(Arc<local::Shared>),
    Multi(multi::Crew),
}

/// How an executor ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// All tasks run to their end first, unless that takes longer than `at_most`.
    Drain { at_most: Option<Duration> },
    /// All tasks are cancelled.
    Cancel,
}

impl Runtime {
    /// A runtime with so many worker threads.
    ///
    /// # Errors
    ///
    /// If the operating system refuses a descriptor or a thread.
    pub fn multi_thread(workers: usize) -> io::Result<Self> {
        Builder::new().workers(workers.max(1)).build()
    }

    /// A runtime without threads of its own.
    ///
    /// # Errors
    ///
    /// If the operating system refuses a descriptor.
    pub fn current_thread() -> io::Result<Self> {
        Builder::new().current_thread().build()
    }

    /// A runtime with other settings.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// # Panics
    ///
    /// In a forked child.
    #[track_caller]
    pub(crate) fn assert_not_forked(&self) {
        self.driver().reactor.assert_not_forked();
    }

    fn driver(&self) -> &Driver {
        match &self.kind {
            Kind::Local(shared) => &shared.driver,
            Kind::Multi(crew) => &crew.shared.driver,
        }
    }

    pub(crate) fn scheduler(&self) -> Scheduler {
        match &self.kind {
            Kind::Local(shared) => Scheduler::Local(shared.clone()),
            Kind::Multi(crew) => Scheduler::Multi(crew.shared.clone()),
        }
    }

    /// Polls a future on this thread until it is ready. Inside it, and inside what it spawns, the free functions of this
    /// crate use this runtime.
    ///
    /// Of several threads that are inside a current-thread runtime one runs the tasks. A task from
    /// [`spawn_local`](crate::spawn_local) ends with the `block_on` in which it was spawned.
    ///
    /// # Panics
    ///
    /// If the future panics, with its panic. If this thread runs async tasks already: use `.await` there.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.assert_not_forked();
        match &self.kind {
            Kind::Local(shared) => local::block_on(shared, future),
            Kind::Multi(crew) => block_on::block_on_as_guest(&Scheduler::Multi(crew.shared.clone()), future),
        }
    }

    /// Starts a task. It runs whether or not its handle is awaited.
    ///
    /// # Cancellation
    ///
    /// [`JoinHandle::cancel`] drops the future at its next suspension, on a thread of the runtime. Dropping the handle
    /// detaches.
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.assert_not_forked();
        let at = match &self.kind {
            Kind::Local(shared) => At::Local(shared),
            Kind::Multi(crew) => At::Multi(&crew.shared),
        };
        let (task, handle) = task::new(future, at, Location::caller());
        at.take_in(task);
        handle
    }

    /// Spawns `f(input)` for each input and waits for all. The results come in the order of the inputs; a panic or a
    /// cancelled task fails its own item only.
    ///
    /// # Panics
    ///
    /// If this thread runs async tasks already: use [`gather`](crate::gather) there.
    #[track_caller]
    pub fn map<I, F, Fut>(&self, f: F, inputs: I) -> Vec<Result<Fut::Output, JoinError>>
    where
        I: IntoIterator,
        F: Fn(I::Item) -> Fut,
        Fut: Future + Send + 'static,
        Fut::Output: Send + 'static,
    {
        block_on::assert_outside("Runtime::map");
        self.assert_not_forked();
        let at = Location::caller();
        let scheduler = self.scheduler();
        let handles: Vec<_> = inputs.into_iter().map(|input| scheduler.spawn(f(input), at)).collect();
        self.block_on(async {
            let mut results = Vec::with_capacity(handles.len());
            for handle in handles {
                results.push(handle.await);
            }
            results
        })
    }

    /// Lets all tasks run to their end, also those that they spawn, then all calls of [`spawn_blocking`](crate::spawn_blocking) that are
    /// queued, then ends the threads. Never returns if a task never ends: cancel those first, or drop the runtime instead. Tasks that
    /// come in when all have ended, such as from the last blocking calls, are cancelled.
    ///
    /// Called by a blocking call of its own, for which it cannot wait, this returns at once: the tasks run to their end, but the calls
    /// that are queued then are cancelled.
    ///
    /// # Panics
    ///
    /// If this thread runs async tasks.
    pub fn shutdown(self) {
        block_on::assert_outside("Runtime::shutdown");
        self.assert_not_forked();
        let drained = self.close(End::Drain { at_most: None });
        debug_assert_eq!(drained, Ok(()), "a shutdown without a deadline waits for ever");
    }

    /// [`shutdown`](Self::shutdown) with a deadline: tasks that have not ended in so long are cancelled. All futures have been dropped
    /// when this returns, and all threads have ended.
    ///
    /// A poll, and a call of [`spawn_blocking`](crate::spawn_blocking), cannot be broken off: this waits for those that are under
    /// way, also beyond the deadline. Calls that are queued still, when the tasks have ended or the deadline has come, are cancelled.
    ///
    /// # Errors
    ///
    /// [`Elapsed`] if tasks had to be cancelled.
    ///
    /// # Panics
    ///
    /// If this thread runs async tasks.
    ///
    /// ```
    /// use brigade_runtime::{Elapsed, Runtime};
    /// use std::{future::pending, time::Duration};
    ///
    /// let runtime = Runtime::multi_thread(2)?;
    /// let (quick, stuck) = (runtime.spawn(async { 7 }), runtime.spawn(pending::<()>()));
    /// assert_eq!(runtime.shutdown_timeout(Duration::from_millis(20)), Err(Elapsed));
    /// assert_eq!(quick.join().unwrap(), 7);
    /// assert!(stuck.join().is_err());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn shutdown_timeout(self, at_most: Duration) -> Result<(), Elapsed> {
        block_on::assert_outside("Runtime::shutdown_timeout");
        self.assert_not_forked();
        self.close(End::Drain { at_most: Some(at_most) })
    }

    fn close(&self, end: End) -> Result<(), Elapsed> {
        if self.driver().reactor.is_forked() {
            // A forked child has none of the threads that it could wait for, and what they held when it was forked is held
            // for ever: it leaves everything as it is.
            std::mem::forget(self.scheduler());
            return Ok(());
        }
        match &self.kind {
            Kind::Local(shared) => local::close(shared, end),
            Kind::Multi(crew) => crew.close(end),
        }
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        let _cancelled = self.close(End::Cancel);
        // This thread may have spawned from outside.
        task::leave();
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.kind {
            Kind::Local(_) => "current-thread".to_owned(),
            Kind::Multi(crew) => format!("{} workers", crew.shared.workers()),
        };
        f.debug_tuple("Runtime").field(&kind).finish()
    }
}
