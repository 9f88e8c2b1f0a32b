//! The runtime: the owner of an executor. Dropping it ends everything that runs on it.

use crate::{
    driver::Driver,
    executor::{
        block_on, builder::Builder, current_thread, end::ShutdownMode, multi_thread,
        reference::ExecutorHandle,
    },
    task,
    time::elapsed::Elapsed,
};
use brigade_handle::{JoinError, JoinHandle};
use std::{fmt, future::Future, io, panic::Location, time::Duration};

/// An executor for tasks, with its reactor and its timers.
///
/// Two kinds: a *multi-threaded* one has workers that run tasks from when they are spawned; a *current-thread* one runs
/// tasks on the thread that is inside [`block_on`](Self::block_on), [`map`](Self::map), [`scope`](Self::scope) or
/// [`shutdown`](Self::shutdown), and while none is, its tasks rest.
///
/// # How it ends
///
/// | by | tasks | blocking calls that run | calls that are queued | waits for |
/// |---|---|---|---|---|
/// | [`shutdown`](Self::shutdown) | run to their end | run to their end | are made | all of these |
/// | [`shutdown_timeout`](Self::shutdown_timeout) | run until the deadline, then are cancelled | run on | are cancelled | all of these until the deadline, and half a second longer for polls and for acknowledged writes |
/// | `drop`, and [`run`](crate::run) | are cancelled | run to their end | are cancelled | polls and calls that are under way |
/// | [`shutdown_background`](Self::shutdown_background) | are cancelled | run on | are cancelled | nobody |
///
/// To *cancel* a task is to drop its future; its handle says [`Cancelled`](JoinError::Cancelled). A poll cannot be broken off, so a task that
/// is being polled is cancelled when its poll ends. Whatever is spawned when tasks are cancelled already is cancelled as well. A write that
/// was acknowledged, such as one to a [`File`](crate::fs::File), is made in all cases. After `shutdown_background`, or a `shutdown_timeout`
/// that has left it behind after that half second, a thread makes it that nobody waits for: it is lost if the process ends first.
///
/// If a worker panics, which would be a bug of this crate, or the program closes the runtime's descriptors, all tasks are ended, and their
/// handles say [`Lost`](JoinError::Lost) with the reason.
///
/// # Forks
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
    executor: ExecutorHandle,
    /// The threads of the workers. None on a current-thread runtime.
    threads: multi_thread::Threads,
    /// It has been shut down, so dropping it has nothing to do.
    is_shut: bool,
}

impl Runtime {
    pub(crate) fn new(executor: ExecutorHandle, threads: multi_thread::Threads) -> Self {
        Self { executor, threads, is_shut: false }
    }

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
        self.executor.driver()
    }

    pub(crate) fn executor(&self) -> &ExecutorHandle {
        &self.executor
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
        match &self.executor {
            ExecutorHandle::CurrentThread(shared) => current_thread::block_on(shared, future),
            ExecutorHandle::MultiThread(_) => block_on::block_on_as_guest(&self.executor, future),
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
        self.executor.spawn(future, Location::caller())
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
        let handles: Vec<_> = inputs.into_iter().map(|input| self.executor.spawn(f(input), at)).collect();
        self.block_on(async {
            let mut results = Vec::with_capacity(handles.len());
            for handle in handles {
                results.push(handle.await);
            }
            results
        })
    }

    /// Lets all tasks run to their end, also those that they spawn, then all calls of [`spawn_blocking`](crate::spawn_blocking) that are
    /// queued, then ends the threads. Never returns if a task or a call never ends: cancel those first, or end the runtime in
    /// [another way](Self#how-it-ends). Tasks that come in when all have ended, such as from the last blocking calls, are cancelled.
    ///
    /// Called by a blocking call of its own, for which it cannot wait, this returns at once: the tasks run to their end, but the calls
    /// that are queued then are cancelled.
    ///
    /// # Panics
    ///
    /// If this thread runs async tasks.
    pub fn shutdown(mut self) {
        block_on::assert_outside("Runtime::shutdown");
        self.assert_not_forked();
        let drained = self.close(ShutdownMode::Drain { at_most: None });
        debug_assert_eq!(drained, Ok(()), "a shutdown without a deadline waits for ever");
    }

    /// [`shutdown`](Self::shutdown) with a deadline: tasks that have not ended in so long are cancelled, and blocking calls that have not are
    /// left behind. Calls that are queued still, when the tasks have ended or the deadline has come, are cancelled.
    ///
    /// If this returns `Ok`, everything has ended: all futures have been dropped, and all threads are gone. If it does not, all futures have
    /// been dropped but those whose poll cannot be broken off: this waits half a second longer for polls that are under way, and as long again
    /// for writes that were acknowledged. What is left behind, such a poll or a blocking call, goes on by itself, and its thread ends with it. On a current-thread runtime the polls are this
    /// thread's, so it waits for each to end, as long as that takes.
    ///
    /// # Errors
    ///
    /// [`Elapsed`] if tasks had to be cancelled, or calls were left behind.
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
    pub fn shutdown_timeout(mut self, at_most: Duration) -> Result<(), Elapsed> {
        block_on::assert_outside("Runtime::shutdown_timeout");
        self.assert_not_forked();
        self.close(ShutdownMode::Drain { at_most: Some(at_most) })
    }

    /// Cancels all tasks and waits for nobody: neither for a blocking call nor for a poll that is under way. So it may be called anywhere,
    /// also by a task, of this runtime or of another one.
    ///
    /// Futures that are not being polled are dropped, here or by a worker; one that is, is dropped when its poll ends. Blocking calls that run
    /// go on, those that are queued are cancelled, and writes that were acknowledged are made by threads that nobody waits for: if the process
    /// ends before they are, they are lost. Flush a file, or end the runtime in [another way](Self#how-it-ends), to be sure of them.
    ///
    /// ```
    /// use brigade_runtime::{Runtime, spawn_blocking};
    /// use std::sync::mpsc;
    ///
    /// let runtime = Runtime::multi_thread(1)?;
    /// let (go, gate) = mpsc::channel::<()>();
    /// runtime.block_on(async { drop(spawn_blocking(move || gate.recv())) });
    /// // The call blocks until `go` is dropped.
    /// runtime.shutdown_background();
    /// drop(go);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Panics
    ///
    /// In a forked child.
    pub fn shutdown_background(mut self) {
        self.assert_not_forked();
        let _waited_for_nobody = self.close(ShutdownMode::Background);
    }

    fn close(&mut self, mode: ShutdownMode) -> Result<(), Elapsed> {
        if self.driver().reactor.is_forked() {
            // A forked child has none of the threads that it could wait for, and what they held when it was forked is held
            // for ever: it leaves everything as it is.
            std::mem::forget(self.executor.clone());
            return Ok(());
        }
        if std::mem::replace(&mut self.is_shut, true) {
            return Ok(());
        }
        match &self.executor {
            ExecutorHandle::CurrentThread(shared) => current_thread::close(shared, mode),
            ExecutorHandle::MultiThread(shared) => multi_thread::close(shared, &self.threads, mode),
        }
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        let _cancelled = self.close(ShutdownMode::Cancel);
        // This thread may have spawned from outside.
        task::return_references();
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.executor {
            ExecutorHandle::CurrentThread(_) => "current-thread".to_owned(),
            ExecutorHandle::MultiThread(shared) => format!("{} workers", shared.workers()),
        };
        f.debug_tuple("Runtime").field(&kind).finish()
    }
}
