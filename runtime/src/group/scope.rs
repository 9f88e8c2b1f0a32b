//! Scopes: tasks that borrow from the stack, because they end before it does.
//!
//! 1. `running` counts the scope's body and its tasks. A task is counted before it is spawned, and counted
//!    off after its future has been dropped.
//! 2. `Runtime::scope` does not return, nor unwind, before the count is zero. So everything that a task
//!    borrows from outside of the scope outlives its future.
//! 3. A task's future is always dropped: when it is ready, when it is cancelled, and at the latest when the
//!    runtime ends, which it cannot do while `Runtime::scope` borrows it.
//!
//! # Why no wake-up is lost
//!
//! The count goes down by read-modify-write. The task or body that brings it to zero then takes the waker
//! under a lock, and wakes it. The waiting side stores its waker under the same lock before it looks at the
//! count.

use crate::executor::{block_on, reference::ExecutorHandle, runtime::Runtime};
use brigade_handle::{contain, forget_panic};
use brigade_trace::{Cause, Domain, Site, Wait, because, fresh_id};
use std::{
    any::Any,
    fmt,
    future::Future,
    marker::PhantomData,
    panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind},
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

/// A scope, to spawn tasks that borrow values which outlive the scope, from [`Runtime::scope`].
///
/// ```
/// use brigade_runtime::{Runtime, Scope};
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// fn count<'scope>(scope: &'scope Scope<'scope, '_>, dishes: &'scope AtomicU32) {
///     // A task may spawn more tasks.
///     scope.spawn(async move {
///         dishes.fetch_add(1, Ordering::Relaxed);
///         scope.spawn(async move { _ = dishes.fetch_add(1, Ordering::Relaxed) });
///     });
/// }
///
/// let dishes = AtomicU32::new(0);
/// Runtime::multi_thread(2)?.scope(|scope| count(scope, &dishes));
/// assert_eq!(dishes.into_inner(), 2);
/// # std::io::Result::Ok(())
/// ```
pub struct Scope<'scope, 'env: 'scope> {
    executor: ExecutorHandle,
    state: Arc<ScopeState>,
    // Invariant in both lifetimes, so that a scope cannot be passed off as one that lives shorter or longer.
    _scope: PhantomData<&'scope mut &'scope ()>,
    _env: PhantomData<&'env mut &'env ()>,
}

struct ScopeState {
    /// How many of the body and the tasks have not ended (rule 1).
    running: AtomicUsize,
    /// The waker of the thread that waits in `Runtime::scope`.
    waiter: Mutex<Option<Waker>>,
    /// The first panic of a task.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

/// The count of one task or of the body. Dropping it counts off.
struct TaskGuard(Arc<ScopeState>);

impl Drop for TaskGuard {
    fn drop(&mut self) {
        // Release: the future was dropped before. Acquire: the task that brings the count to zero sees all
        // of those drops.
        if self.0.running.fetch_sub(1, Ordering::AcqRel) == 1 {
            let waker = self.0.waiter.lock().unwrap_or_else(PoisonError::into_inner).take();
            because(Cause::Scope, || contain(|| waker.into_iter().for_each(Waker::wake)));
        }
    }
}

/// The future of a task, with its lifetime extended to `'static`. The future is dropped before the count,
/// because fields drop in order.
struct ScopedTask {
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
    guard: TaskGuard,
}

impl Future for ScopedTask {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match catch_unwind(AssertUnwindSafe(|| self.future.as_mut().poll(cx))) {
            Ok(poll) => poll,
            Err(payload) => {
                let mut first = self.guard.0.panic.lock().unwrap_or_else(PoisonError::into_inner);
                let later = if first.is_none() { first.replace(payload) } else { Some(payload) };
                drop(first);
                // Later panics are not reported to anybody.
                forget_panic(later.map_or(Ok(()), Err));
                Poll::Ready(())
            }
        }
    }
}

impl<'scope> Scope<'scope, '_> {
    /// Spawns a task into the scope. It has no output: it leaves its results in values that it borrows. The
    /// scope is passed by reference, so a task may spawn more tasks.
    ///
    /// If the task panics, the panic continues at the end of the scope, after all other tasks have ended.
    ///
    /// ```
    /// # use brigade_runtime::Runtime;
    /// let runtime = Runtime::multi_thread(2)?;
    /// let (mut soup, mut salad) = (0, 0);
    /// runtime.scope(|scope| {
    ///     scope.spawn(async { soup = 1 });
    ///     scope.spawn(async { salad = 2 });
    /// });
    /// assert_eq!(soup + salad, 3);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn spawn<F>(&'scope self, future: F)
    where
        F: Future<Output = ()> + Send + 'scope,
    {
        let future: Pin<Box<dyn Future<Output = ()> + Send + 'scope>> = Box::pin(future);
        // SAFETY: only the lifetime changes. By rules 1 to 3 the future is dropped before `Runtime::scope`
        // returns, and `'scope` lasts until then.
        let future: Pin<Box<dyn Future<Output = ()> + Send>> = unsafe { std::mem::transmute(future) };
        // Relaxed: the caller is counted itself, so the count is not zero, and a queue hands the task to
        // other threads.
        self.state.running.fetch_add(1, Ordering::Relaxed);
        let guard = TaskGuard(self.state.clone());
        drop(self.executor.spawn(ScopedTask { future, guard }, Location::caller()));
    }
}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let running = self.state.running.load(Ordering::Relaxed);
        f.debug_struct("Scope").field("running", &running).finish_non_exhaustive()
    }
}

impl Runtime {
    /// Runs `body`, which may spawn tasks that borrow values living longer than the call, and waits for all
    /// of them.
    ///
    /// The body runs on this thread and is not async. This thread waits itself, instead of a future that
    /// could be forgotten, and that makes the borrowing sound. On a current-thread runtime the tasks run
    /// when the body has ended.
    ///
    /// # Panics
    ///
    /// Panics if the body or a task panics, with the same payload, after all tasks have ended; the body's
    /// panic takes precedence. Panics if this thread runs async tasks. Panics in a forked child, if the
    /// runtime is the parent's.
    ///
    /// ```
    /// let runtime = brigade_runtime::Runtime::multi_thread(2)?;
    /// let mut squares = [1, 2, 3];
    /// runtime.scope(|scope| {
    ///     for n in &mut squares {
    ///         scope.spawn(async move { *n *= *n });
    ///     }
    /// });
    /// assert_eq!(squares, [1, 4, 9]);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// A value that a task borrows must outlive the scope:
    ///
    /// ```compile_fail
    /// let runtime = brigade_runtime::Runtime::multi_thread(2).unwrap();
    /// runtime.scope(|scope| {
    ///     let inside = 1;
    ///     scope.spawn(async { println!("{inside}") });
    /// });
    /// ```
    #[track_caller]
    pub fn scope<'env, R>(&'env self, body: impl for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R) -> R {
        block_on::assert_outside("Runtime::scope");
        self.assert_not_forked();
        let state = Arc::new(ScopeState {
            running: AtomicUsize::new(1),
            waiter: Mutex::new(None),
            panic: Mutex::new(None),
        });
        let body_guard = TaskGuard(state.clone());
        let scope = Scope {
            executor: self.executor().clone(),
            state: state.clone(),
            _scope: PhantomData,
            _env: PhantomData,
        };
        let result = catch_unwind(AssertUnwindSafe(|| body(&scope)));
        drop(body_guard);
        // Rule 2: unwinding out of the wait would leave tasks behind that borrow from a frame that is gone.
        let abort_guard = AbortOnUnwind;
        let wait = Wait::begin(|| fresh_id(Domain::Scope), Cause::Scope, Site::here());
        self.block_on(std::future::poll_fn(|cx| state.poll_zero(cx)));
        wait.end(Cause::Scope);
        std::mem::forget(abort_guard);
        let panic = state.panic.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (result, panic) {
            (Err(payload), of_task) => {
                forget_panic(of_task.map_or(Ok(()), Err));
                resume_unwind(payload)
            }
            (Ok(value), Some(payload)) => {
                contain(|| drop(value));
                resume_unwind(payload)
            }
            (Ok(value), None) => value,
        }
    }
}

impl ScopeState {
    /// Waits until the count is zero.
    fn poll_zero(&self, cx: &Context<'_>) -> Poll<()> {
        // Cloning and dropping a waker is foreign code, so it happens outside the lock.
        let waker = cx.waker().clone();
        let _old = self.waiter.lock().unwrap_or_else(PoisonError::into_inner).replace(waker);
        // Acquire pairs with `TaskGuard::drop`: everything that the tasks did is seen.
        if self.running.load(Ordering::Acquire) == 0 { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Aborts the process when it is dropped, unless it has been forgotten.
struct AbortOnUnwind;

impl Drop for AbortOnUnwind {
    fn drop(&mut self) {
        std::process::abort();
    }
}
