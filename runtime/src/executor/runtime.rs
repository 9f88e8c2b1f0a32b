//! [`Runtime`]: the owner of an executor. Dropping it ends everything that runs on it.

use crate::{
    executor::{
        block_on,
        builder::Builder,
        current_thread,
        end::ShutdownMode,
        handle::{EnterGuard, Handle},
        multi_thread::{self, Threads},
        reference::ExecutorHandle,
    },
    task,
    time::elapsed::Elapsed,
};
use brigade_handle::{JoinError, JoinHandle};
use brigade_trace::live::Watching;
use std::{fmt, future::Future, io, panic::Location, time::Duration};

/// An executor for tasks, with its reactor and its timers.
///
/// There are two kinds. A *multi-threaded* runtime has worker threads, which run tasks as soon as they are
/// spawned. A *current-thread* runtime runs tasks on the thread that is inside [`block_on`](Self::block_on),
/// [`map`](Self::map), [`scope`](Self::scope) or [`shutdown`](Self::shutdown). While no thread is, its tasks
/// rest.
///
/// # How it ends
///
/// A blocking call is one of [`spawn_blocking`](crate::spawn_blocking).
///
/// | by | tasks | running calls | queued calls | waits for |
/// |---|---|---|---|---|
/// | [`shutdown`] | run to their end | run to their end | run | all of these |
/// | [`shutdown_timeout`] | end, or are cancelled | run on | are cancelled | all, until the deadline |
/// | `drop`, [`run`](crate::run) | are cancelled | run to their end | are cancelled | running polls, calls |
/// | [`shutdown_background`] | are cancelled | run on | are cancelled | nobody |
///
/// [`shutdown`]: Self::shutdown
/// [`shutdown_timeout`]: Self::shutdown_timeout
/// [`shutdown_background`]: Self::shutdown_background
///
/// Cancelling a task drops its future, and its handle returns [`Cancelled`](JoinError::Cancelled). A poll
/// cannot be interrupted, so a task that is being polled is cancelled when its poll ends. A task that is
/// spawned while the runtime cancels its tasks is cancelled as well.
///
/// A write that was acknowledged, such as one to a [`File`](crate::fs::File), is made in all cases. After
/// `shutdown_background`, or a `shutdown_timeout` whose half second was not enough, a thread makes it for
/// which nobody waits: the write is lost if the process ends first.
///
/// If a worker panics, which would be a bug of this crate, or if the program closes the runtime's
/// descriptors, all tasks end and their handles return [`Lost`](JoinError::Lost) with the reason.
///
/// # A blocking call that is stuck
///
/// Nothing can interrupt a thread in a blocking call, so `run`, `drop` and `shutdown` wait for one that never
/// returns, such as a read of a terminal. There are three ways out, and each waits for nobody that is stuck:
///
/// * Make a `Runtime`, and end it by [`shutdown_timeout`] or [`shutdown_background`]. The thread of the call
///   is left behind. When `main` returns, the process ends, and the thread with it.
/// * Call [`std::process::exit`], from any thread, also inside of [`run`](crate::run). No destructors run.
/// * Do not block: [`io::stdin`](crate::io::stdin), sockets and pipes of this crate can be awaited, and a
///   [`timeout`](crate::timeout) ends the waiting.
///
/// ```
/// use brigade_runtime::{Runtime, spawn_blocking, timeout};
/// use std::{sync::mpsc, time::Duration};
///
/// let runtime = Runtime::current_thread()?;
/// let (_never, gate) = mpsc::channel::<()>();
/// let stuck = runtime.block_on(async {
///     timeout(Duration::from_millis(5), spawn_blocking(move || gate.recv())).await
/// });
/// assert!(stuck.is_err());
/// // `drop(runtime)` would wait for the call.
/// runtime.shutdown_background();
/// # std::io::Result::Ok(())
/// ```
///
/// # Forks
///
/// A forked child must not use the runtimes of its parent: they panic there, and dropping one does nothing.
/// The child may make its own runtimes.
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
#[doc(alias("event_loop", "Executor"))]
pub struct Runtime {
    executor: ExecutorHandle,
    /// The worker threads. A current-thread runtime has none.
    threads: Threads,
    /// Whether it has been shut down, so that dropping it has nothing to do.
    is_shut: bool,
    _watching: Option<Watching>,
}

impl Runtime {
    pub(crate) fn new(executor: ExecutorHandle, threads: Threads, watching: Option<Watching>) -> Self {
        Self { executor, threads, is_shut: false, _watching: watching }
    }

    /// Makes a runtime with `workers` worker threads, at least one.
    ///
    /// # Errors
    ///
    /// Returns the operating system's error if it refuses a descriptor or a thread, and `InvalidInput` for
    /// more than 32,000 workers.
    ///
    /// ```
    /// let runtime = brigade_runtime::Runtime::multi_thread(2)?;
    /// assert_eq!(runtime.spawn(async { 7 }).join().unwrap(), 7);
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias("new_multi_thread", "rt-multi-thread"))]
    pub fn multi_thread(workers: usize) -> io::Result<Self> {
        Builder::new().workers(workers.max(1)).build()
    }

    /// Makes a runtime without threads of its own.
    ///
    /// # Errors
    ///
    /// Returns the operating system's error if it refuses a descriptor.
    ///
    /// ```
    /// let runtime = brigade_runtime::Runtime::current_thread()?;
    /// assert_eq!(runtime.block_on(async { 7 }), 7);
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "new_current_thread")]
    pub fn current_thread() -> io::Result<Self> {
        Builder::new().current_thread().build()
    }

    /// Returns a builder, for a runtime with settings of your own.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Returns a [`Handle`], by which any thread spawns tasks here. It does not keep the runtime running.
    ///
    /// ```
    /// let runtime = brigade_runtime::Runtime::multi_thread(1)?;
    /// let handle = runtime.handle();
    /// let task = std::thread::spawn(move || handle.spawn(async { 7 })).join().unwrap();
    /// assert_eq!(task.join().unwrap(), 7);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn handle(&self) -> Handle {
        Handle::new(self.executor.clone())
    }

    /// Makes this thread be inside of the runtime until the guard is dropped. It does and panics as
    /// [`Handle::enter`], which has an example.
    #[track_caller]
    pub fn enter(&self) -> EnterGuard {
        self.handle().enter()
    }

    /// Panics in a forked child.
    #[track_caller]
    pub(crate) fn assert_not_forked(&self) {
        self.executor.driver().reactor.assert_not_forked();
    }

    pub(crate) fn executor(&self) -> &ExecutorHandle {
        &self.executor
    }

    /// Polls a future on this thread until it is ready. Inside the future, and inside the tasks that it
    /// spawns, the free functions of this crate use this runtime.
    ///
    /// If several threads are inside a current-thread runtime, one of them runs the tasks. A task from
    /// [`spawn_local`](crate::spawn_local) ends with the `block_on` in which it was spawned.
    ///
    /// # Panics
    ///
    /// Panics with the future's panic if the future panics. Panics if this thread runs async tasks already
    /// (use `.await` there), and in a forked child.
    ///
    /// ```
    /// use brigade_runtime::{Runtime, spawn};
    ///
    /// let runtime = Runtime::current_thread()?;
    /// let answer = runtime.block_on(async { spawn(async { 6 }).await.unwrap() * 7 });
    /// assert_eq!(answer, 42);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.assert_not_forked();
        match &self.executor {
            ExecutorHandle::CurrentThread(shared) => current_thread::block_on(shared, future),
            ExecutorHandle::MultiThread(_) => block_on::block_on_as_guest(&self.executor, future),
        }
    }

    /// Starts a task, which runs whether or not its handle is awaited.
    ///
    /// # Panics
    ///
    /// Panics in a forked child. A panic of the task goes to its handle.
    ///
    /// # Cancellation
    ///
    /// [`JoinHandle::cancel`] drops the future at its next suspension, on a thread of the runtime. Dropping
    /// the handle detaches the task.
    ///
    /// ```
    /// let runtime = brigade_runtime::Runtime::multi_thread(1)?;
    /// let handle = runtime.spawn(async { 6 * 7 });
    /// assert_eq!(handle.join().unwrap(), 42);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.assert_not_forked();
        self.executor.spawn(future, Location::caller())
    }

    /// Spawns `f(input)` for each input and waits for all tasks. Returns the results in the order of the
    /// inputs. A task that panics or is cancelled fails its own item only.
    ///
    /// # Panics
    ///
    /// Panics if this thread runs async tasks already (use [`gather`](crate::gather) there), in a forked
    /// child, and with the panic of `f` or of the iterator.
    ///
    /// ```
    /// let runtime = brigade_runtime::Runtime::multi_thread(2)?;
    /// let squares = runtime.map(|n: u32| async move { n * n }, [1, 2, 3]);
    /// assert_eq!(squares.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [1, 4, 9]);
    /// # std::io::Result::Ok(())
    /// ```
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

    /// Runs all tasks to their end, also the tasks that they spawn. Then runs all queued calls of
    /// [`spawn_blocking`](crate::spawn_blocking), and then ends the threads.
    ///
    /// This never returns if a task or a call never ends: cancel it first, or end the runtime in
    /// [another way](Self#how-it-ends). A task that is spawned after all others have ended, for example by
    /// the last blocking call, is cancelled.
    ///
    /// A blocking call of this runtime cannot wait for itself. Called there, this returns at once: the tasks
    /// run to their end, and the calls that are queued by then are cancelled.
    ///
    /// # Panics
    ///
    /// Panics if this thread runs async tasks, and in a forked child.
    ///
    /// ```
    /// let runtime = brigade_runtime::Runtime::multi_thread(1)?;
    /// let handle = runtime.spawn(async { 7 });
    /// runtime.shutdown();
    /// assert_eq!(handle.join().unwrap(), 7);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn shutdown(mut self) {
        block_on::assert_outside("Runtime::shutdown");
        self.assert_not_forked();
        let drained = self.close(ShutdownMode::Drain { at_most: None });
        debug_assert_eq!(drained, Ok(()), "a shutdown without a deadline waits for ever");
    }

    /// Like [`shutdown`](Self::shutdown), but with a deadline, `at_most` from now. At the deadline, tasks
    /// that have not ended are cancelled, and blocking calls that still run are left behind. Blocking calls
    /// that are still queued when the tasks have ended, or at the deadline, are cancelled.
    ///
    /// `Ok` means that everything has ended: all futures have been dropped, and all threads are gone.
    ///
    /// After the deadline, this waits up to half a second longer for polls that are under way, and up to
    /// half a second for writes that were acknowledged. A poll or a blocking call that is left behind goes
    /// on by itself, and its thread ends with it. On a current-thread runtime this thread runs the polls,
    /// so it waits until the last poll has ended, however long that takes.
    ///
    /// # Errors
    ///
    /// Returns [`Elapsed`] if tasks had to be cancelled, or if calls were left behind. All futures have been
    /// dropped by then, except those that are being polled.
    ///
    /// # Panics
    ///
    /// Panics if this thread runs async tasks, and in a forked child.
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
    #[track_caller]
    pub fn shutdown_timeout(mut self, at_most: Duration) -> Result<(), Elapsed> {
        block_on::assert_outside("Runtime::shutdown_timeout");
        self.assert_not_forked();
        self.close(ShutdownMode::Drain { at_most: Some(at_most) })
    }

    /// Cancels all tasks and waits for nobody: neither for a blocking call nor for a poll that is under
    /// way. So it may be called anywhere, also by a task, of this runtime or of another one.
    ///
    /// A future that is not being polled is dropped here or by a worker; a future that is being polled is
    /// dropped when its poll ends. Running blocking calls go on, and queued ones are cancelled. Writes that
    /// were acknowledged are made by threads that nobody waits for, and are lost if the process ends first.
    /// To be sure of them, flush the file or end the runtime in [another way](Self#how-it-ends).
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
    /// Panics in a forked child.
    #[track_caller]
    pub fn shutdown_background(mut self) {
        self.assert_not_forked();
        let _waited_for_nobody = self.close(ShutdownMode::Background);
    }

    fn close(&mut self, mode: ShutdownMode) -> Result<(), Elapsed> {
        if self.executor.driver().reactor.is_forked() {
            // A forked child has none of the threads that this would wait for, and the locks that they held
            // at the fork stay locked for ever. So it leaves everything as it is.
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
        f.debug_tuple("Runtime").field(&self.executor.kind()).finish()
    }
}
