//! Scopes: tasks that borrow from the stack, because they end before it does.
//!
//! 1. `running` counts the scope's body and its children. A child is guard before it is spawned, and guard off after
//!    its future has been dropped.
//! 2. `Runtime::scope` does not return, nor unwind, before the count is zero. So whatever a child borrows from outside of
//!    the scope outlives its future.
//! 3. A task's future is always dropped: when it is ready, when it is cancelled, and at the latest when the runtime ends,
//!    which it cannot while `Runtime::scope` borrows it.
//!
//! The count is given up by read-modify-write, and whoever brings it to zero wakes the one who waits, under a lock that the
//! waiting side takes to store its waker before it looks at the count: so no wake-up is lost.

use crate::executor::{block_on, runtime::Runtime, scheduler::Scheduler};
use brigade_handle::{contain, forget_panic};
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

/// Where tasks can be spawned that borrow what outlives the scope. See [`Runtime::scope`].
pub struct Scope<'scope, 'env: 'scope> {
    scheduler: Scheduler,
    state: Arc<ScopeState>,
    // Invariant in both, so that a scope cannot be taken for one that lives shorter or longer.
    _scope: PhantomData<&'scope mut &'scope ()>,
    _env: PhantomData<&'env mut &'env ()>,
}

struct ScopeState {
    running: AtomicUsize,
    waiter: Mutex<Option<Waker>>,
    /// The first panic of a child.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

/// One that is guard; counts itself off.
struct TaskGuard(Arc<ScopeState>);

impl Drop for TaskGuard {
    fn drop(&mut self) {
        // Release: the dropping of the future comes before; Acquire for the one who brings it to zero.
        if self.0.running.fetch_sub(1, Ordering::AcqRel) == 1 {
            let waker = self.0.waiter.lock().unwrap_or_else(PoisonError::into_inner).take();
            contain(|| waker.into_iter().for_each(Waker::wake));
        }
    }
}

/// A child's future, which seems to live for ever. The future is dropped before the count (fields drop in their order).
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
                // The later ones have nobody to tell.
                forget_panic(later.map_or(Ok(()), Err));
                Poll::Ready(())
            }
        }
    }
}

impl<'scope> Scope<'scope, '_> {
    /// Spawns a task into the scope. What it finds it leaves in what it borrows. A task may spawn more by the scope, which it
    /// gets by reference.
    ///
    /// A panic of the task goes on where the scope ends, after all other tasks have ended.
    #[track_caller]
    pub fn spawn<F>(&'scope self, future: F)
    where
        F: Future<Output = ()> + Send + 'scope,
    {
        let future: Pin<Box<dyn Future<Output = ()> + Send + 'scope>> = Box::pin(future);
        // SAFETY: only the lifetime changes. By rules 1 to 3 the future is dropped before `Runtime::scope` returns, and
        // `'scope` lasts until then.
        let future: Pin<Box<dyn Future<Output = ()> + Send>> = unsafe { std::mem::transmute(future) };
        // Relaxed: the caller is guard itself, so the count is not zero, and the task reaches others by its queue.
        self.state.running.fetch_add(1, Ordering::Relaxed);
        let guard = TaskGuard(self.state.clone());
        drop(self.scheduler.spawn(ScopedTask { future, guard }, Location::caller()));
    }
}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let running = self.state.running.load(Ordering::Relaxed);
        f.debug_struct("Scope").field("running", &running).finish_non_exhaustive()
    }
}

impl Runtime {
    /// Runs `body`, which may spawn tasks that borrow what lives longer than the call, and waits for them all.
    ///
    /// The body runs on this thread and is not async: waiting on this thread, and not in a future that could be forgotten, is
    /// what makes the borrowing sound. On a current-thread runtime the tasks run when the body has ended.
    ///
    /// # Panics
    ///
    /// If the body or a task panics, with that panic, after all tasks have ended; the body's comes first. If this thread
    /// runs async tasks.
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
    /// What a task borrows must outlive the scope:
    ///
    /// ```compile_fail
    /// let runtime = brigade_runtime::Runtime::multi_thread(2).unwrap();
    /// runtime.scope(|scope| {
    ///     let inside = 1;
    ///     scope.spawn(async { println!("{inside}") });
    /// });
    /// ```
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
            scheduler: self.scheduler(),
            state: state.clone(),
            _scope: PhantomData,
            _env: PhantomData,
        };
        let result = catch_unwind(AssertUnwindSafe(|| body(&scope)));
        drop(body_guard);
        // Rule 2: an unwinding out of the wait would leave children behind that borrow from a frame that is gone.
        let abort_guard = AbortOnUnwind;
        self.block_on(std::future::poll_fn(|cx| state.poll_zero(cx)));
        std::mem::forget(abort_guard);
        let panic = state.panic.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (result, panic) {
            (Err(payload), childs) => {
                forget_panic(childs.map_or(Ok(()), Err));
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
    fn poll_zero(&self, cx: &Context<'_>) -> Poll<()> {
        // Foreign code, cloning and dropping a waker, has no lock.
        let waker = cx.waker().clone();
        let _old = self.waiter.lock().unwrap_or_else(PoisonError::into_inner).replace(waker);
        // Acquire pairs with `TaskGuard::drop`: what the children did is seen.
        if self.running.load(Ordering::Acquire) == 0 { Poll::Ready(()) } else { Poll::Pending }
    }
}

struct AbortOnUnwind;

impl Drop for AbortOnUnwind {
    fn drop(&mut self) {
        std::process::abort();
    }
}
