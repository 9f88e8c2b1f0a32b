//! The current worker: which worker and which scope this thread works for.

use crate::{
    job::{JobRef, remote::ScopeBase},
    join::{
        deque::{Deque, Owner},
        stack_job::StackJobHeader,
    },
    registry::Registry,
    sys,
    worker::Worker,
};
use std::{
    cell::Cell,
    ptr::{self, NonNull},
};

thread_local! {
    /// The innermost scope whose child runs on this thread.
    static CURRENT_SCOPE: Cell<Option<NonNull<ScopeBase>>> = const { Cell::new(None) };
    static WORKER: Cell<*const Worker> = const { Cell::new(ptr::null()) };
    /// The worker's deque of stack jobs, if a light fence is enough. Everything that a join touches is
    /// reached through this one pointer.
    static STACK_JOBS: Cell<*const Deque<StackJobHeader>> = const { Cell::new(ptr::null()) };
}

/// Calls `f` with the worker that this thread is, or with `None`.
#[inline(always)]
pub(crate) fn with<R>(f: impl FnOnce(Option<&Worker>) -> R) -> R {
    let worker = WORKER.get();
    // SAFETY: the pointer is null or was set by `enter`, which keeps the worker alive until it has reset
    // the pointer. The reference cannot outlive `f`, and `f` runs on this thread, inside `enter`.
    f(unsafe { worker.as_ref() })
}

/// Returns whether another worker has asked this one for work, or would find none here. It is a hint. On
/// other threads this returns true.
#[inline]
pub(crate) fn wants_work() -> bool {
    with(|worker| {
        worker.is_none_or(|worker| {
            let stack_jobs = worker.stack_jobs();
            stack_jobs.is_notified() || stack_jobs.is_empty() && worker.jobs.is_empty()
        })
    })
}

/// Returns the index of the worker that this thread is, if it belongs to that registry.
pub(crate) fn index_in(registry: &Registry) -> Option<usize> {
    with(|worker| worker.filter(|worker| ptr::eq(&*worker.registry, registry)).map(|worker| worker.index))
}

/// Returns how many threads the pool of this worker runs at a time, if this thread is a worker.
pub(crate) fn threads() -> Option<usize> {
    with(|worker| worker.map(|worker| worker.registry.config.threads))
}

/// Returns an address that distinguishes workers that run at the same time. It is 0 on other threads. For
/// comparison only.
#[inline]
pub(crate) fn address() -> usize {
    WORKER.get().addr()
}

/// Returns the owner's end of this worker's deque of stack jobs, if this thread is a worker and a
/// [light](sys::Light) fence is enough.
///
/// This returns the end instead of lending it to a closure, as [`with`] does, because of `join`: the
/// compiler would turn a closure around the two closures of a join into a function, and what they capture
/// would go there through memory.
///
/// # Safety
///
/// The caller uses the end on this thread, and not after it has returned to the code in which the worker
/// found its work.
#[inline(always)]
pub(crate) unsafe fn stack_jobs<'frame>() -> Option<Owner<'frame, StackJobHeader>> {
    // SAFETY: the pointer is null or was set by `enter`, and the worker, which owns its deque, exists
    // while it runs work.
    let stack_jobs = unsafe { STACK_JOBS.get().as_ref() }?;
    // SAFETY: this thread is the worker.
    Some(unsafe { stack_jobs.owner() })
}

/// Returns the innermost scope whose child runs on this thread. The scope exists, because its child has
/// not ended.
#[inline]
pub(crate) fn current_scope() -> Option<NonNull<ScopeBase>> {
    CURRENT_SCOPE.get()
}

/// Records the scope whose child runs from now on, and returns the one before.
#[inline]
pub(crate) fn replace_current_scope(scope: Option<NonNull<ScopeBase>>) -> Option<NonNull<ScopeBase>> {
    CURRENT_SCOPE.replace(scope)
}

/// Makes this thread the worker while `f` runs.
pub(crate) fn enter(worker: &Worker, f: impl FnOnce()) {
    /// Resets the thread-locals even if `f` panics.
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            WORKER.set(ptr::null());
            STACK_JOBS.set(ptr::null());
        }
    }
    WORKER.set(worker);
    if sys::is_asymmetric() {
        STACK_JOBS.set(worker.stack_job_deque());
    }
    let _leave = Leave;
    f();
}

impl Registry {
    /// Queues a job: with this worker if it belongs to the registry, otherwise with the injector.
    ///
    /// # Panics
    ///
    /// Panics in a forked child, unless the calling thread is the copy of a worker.
    #[inline]
    #[track_caller]
    pub(crate) fn submit(&self, job: JobRef) {
        let foreign = with(|worker| match worker {
            Some(worker) if ptr::eq(&*worker.registry, self) => {
                worker.jobs.push(job);
                None
            }
            _ => Some(job),
        });
        // This is out of the closure, so that a panic names the caller.
        match foreign {
            Some(job) => {
                self.assert_not_forked();
                self.injector.push(job);
                self.announce_job_from_outside();
            }
            None => self.announce_job(),
        }
    }
}
