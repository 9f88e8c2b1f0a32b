//! [`Handle`]: a runtime handle, which refers to a runtime from any thread and does not keep it running.

use crate::executor::{
    block_on, blocking,
    context::{self, OwnedEntry},
    reference::ExecutorHandle,
};
use brigade_handle::JoinHandle;
use std::{
    fmt,
    future::Future,
    panic::{Location, RefUnwindSafe, UnwindSafe},
};

/// A reference to a runtime: it spawns tasks there from any thread, also from threads that are outside of
/// every runtime. It can be cloned, sent and kept.
///
/// [`Runtime::handle`](crate::Runtime::handle) makes one, and [`Handle::current`] returns that of the runtime
/// that this thread is inside of: in a task, in `block_on`, in a closure of
/// [`spawn_blocking`](crate::spawn_blocking), or after [`enter`](Self::enter).
///
/// ```
/// use brigade_runtime::{Handle, Runtime};
///
/// let runtime = Runtime::multi_thread(1)?;
/// let handle = runtime.handle();
/// let answer = std::thread::spawn(move || handle.spawn(async { 6 * 7 }).join().unwrap());
/// assert_eq!(answer.join().unwrap(), 42);
/// # std::io::Result::Ok(())
/// ```
///
/// # After the end of the runtime
///
/// A handle does not keep its runtime running, only some memory of it. When the
/// [`Runtime`](crate::Runtime) has ended, nothing waits for ever:
///
/// * a task or blocking call that is spawned by the handle is cancelled: its `JoinHandle` returns
///   [`Cancelled`](crate::JoinError::Cancelled) at once;
/// * a [`sleep`](crate::sleep) panics, with a message that says so, whether it is polled then or waits in a
///   `block_on` of the handle;
/// * operations on sockets and other descriptors return an error.
///
/// # Forks
///
/// In a forked child each method panics, as those of the parent's runtime do.
#[derive(Clone)]
pub struct Handle {
    executor: ExecutorHandle,
}

// Locks of an executor guard nothing that a panic could leave half done.
impl UnwindSafe for Handle {}
impl RefUnwindSafe for Handle {}

impl Handle {
    pub(crate) fn new(executor: ExecutorHandle) -> Self {
        Self { executor }
    }

    /// Returns the handle of the runtime that this thread is inside of.
    ///
    /// ```
    /// use brigade_runtime::{Handle, run, spawn_blocking};
    ///
    /// let in_call = run(async { spawn_blocking(|| Handle::current().spawn(async { 7 }).join()).await });
    /// assert_eq!(in_call.unwrap().unwrap(), 7);
    /// ```
    ///
    /// # Panics
    ///
    /// Panics outside of every runtime. [`try_current`](Self::try_current) does not.
    #[track_caller]
    pub fn current() -> Self {
        Self::new(context::executor("Handle::current"))
    }

    /// Returns the handle of the runtime that this thread is inside of, if there is one.
    ///
    /// ```
    /// use brigade_runtime::{Handle, run};
    ///
    /// assert!(Handle::try_current().is_none());
    /// run(async { assert!(Handle::try_current().is_some()) });
    /// ```
    pub fn try_current() -> Option<Self> {
        context::try_executor().map(Self::new)
    }

    /// Starts a task on the runtime, as [`Runtime::spawn`](crate::Runtime::spawn) does. Tasks of a
    /// current-thread runtime rest until a thread is inside of its `block_on`.
    ///
    /// ```
    /// let runtime = brigade_runtime::Runtime::multi_thread(1)?;
    /// assert_eq!(runtime.handle().spawn(async { 7 }).join().unwrap(), 7);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Panics
    ///
    /// Panics in a forked child. A panic of the task goes to its handle.
    ///
    /// # Cancellation
    ///
    /// [`JoinHandle::cancel`] drops the future at its next suspension. Dropping the handle detaches the task.
    /// If the runtime has ended, the task is cancelled at once.
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.assert_not_forked();
        self.executor.spawn(future, Location::caller())
    }

    /// Runs a blocking closure on the runtime's threads for blocking calls, as
    /// [`spawn_blocking`](crate::spawn_blocking) does.
    ///
    /// ```
    /// let runtime = brigade_runtime::Runtime::multi_thread(1)?;
    /// let text = runtime.handle().spawn_blocking(|| std::fs::read_to_string("Cargo.toml"));
    /// assert!(text.join().unwrap().is_ok());
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Panics
    ///
    /// Panics in a forked child. A panic of the closure goes to its handle.
    ///
    /// # Cancellation
    ///
    /// As for [`spawn_blocking`](crate::spawn_blocking). If the runtime has ended, the call is cancelled at
    /// once.
    #[track_caller]
    pub fn spawn_blocking<F, T>(&self, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.assert_not_forked();
        blocking::spawn_blocking_on(&self.executor, f, Location::caller())
    }

    /// Polls a future on this thread until it is ready. Inside, the free functions of this crate use the
    /// runtime.
    ///
    /// This thread runs no tasks and no timers: the workers do, or, for a current-thread runtime, the thread
    /// that is inside [`Runtime::block_on`](crate::Runtime::block_on). While no thread is, sleeps and sockets
    /// of this future rest, as the tasks do.
    ///
    /// ```
    /// use brigade_runtime::{Handle, run, sleep, spawn_blocking};
    /// use std::time::Duration;
    ///
    /// run(async {
    ///     let nap = spawn_blocking(|| Handle::current().block_on(sleep(Duration::from_millis(1))));
    ///     nap.await.unwrap();
    /// });
    /// ```
    ///
    /// # Panics
    ///
    /// Panics with the future's panic if the future panics, and on a thread that runs tasks: use `.await`
    /// there. A sleep of the future panics if the runtime [has ended](Self#after-the-end-of-the-runtime).
    /// Panics in a forked child.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.assert_not_forked();
        block_on::block_on_as_guest(&self.executor, future)
    }

    /// Makes this thread be inside of the runtime until the guard is dropped: [`spawn`](fn@crate::spawn),
    /// [`spawn_blocking`](crate::spawn_blocking), [`now`](crate::now) and [`sleep`](crate::sleep) use the
    /// runtime, and so do constructors of sockets.
    ///
    /// Drop guards in the reverse order of their making, and not after a suspension: no guard may be held
    /// across an `.await`. On a thread that runs tasks of this runtime the guard changes nothing.
    ///
    /// ```
    /// use brigade_runtime::{Runtime, spawn};
    ///
    /// let runtime = Runtime::multi_thread(1)?;
    /// let inside = runtime.handle().enter();
    /// let task = spawn(async { 7 });
    /// drop(inside);
    /// assert_eq!(task.join().unwrap(), 7);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Panics
    ///
    /// Panics on a thread that runs the tasks of another runtime: spawn by the handle there. Panics in a
    /// forked child.
    ///
    /// Dropping a guard panics if a guard that was made later has not been dropped. The thread then stays
    /// inside of a runtime.
    #[track_caller]
    pub fn enter(&self) -> EnterGuard {
        self.assert_not_forked();
        EnterGuard { _entry: context::enter_owned(&self.executor) }
    }

    #[track_caller]
    fn assert_not_forked(&self) {
        self.executor.driver().reactor.assert_not_forked();
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.executor.kind()).finish()
    }
}

/// The guard of [`Handle::enter`]: this thread is inside of the runtime until it is dropped.
///
/// ```
/// use brigade_runtime::{EnterGuard, Handle, Runtime};
///
/// let runtime = Runtime::current_thread()?;
/// let inside: EnterGuard = runtime.enter();
/// assert!(Handle::try_current().is_some());
/// drop(inside);
/// assert!(Handle::try_current().is_none());
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
#[must_use = "the thread is inside of the runtime as long as the guard lives"]
pub struct EnterGuard {
    /// `None` on a thread that runs tasks of this runtime.
    _entry: Option<OwnedEntry>,
}
