//! Which worker this thread is: the pool's only thread-locals.

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
    /// The innermost scope of which a child runs on this thread.
    static CURRENT_SCOPE: Cell<Option<NonNull<ScopeBase>>> = const { Cell::new(None) };
    static WORKER: Cell<*const Worker> = const { Cell::new(ptr::null()) };
    /// The worker's halves, where a light fence is enough: all that a join touches hangs on this one pointer.
    static STACK_JOBS: Cell<*const Deque<StackJobHeader>> = const { Cell::new(ptr::null()) };
}

/// Gives `f` the worker that this thread is, if it is one.
#[inline(always)]
pub(crate) fn with<R>(f: impl FnOnce(Option<&Worker>) -> R) -> R {
    let worker = WORKER.get();
    // SAFETY: the pointer is null or what `enter` set, and `enter` keeps the worker alive until it has reset it. The
    // reference cannot outlive `f`, and `f` runs on this thread, inside of `enter`.
    f(unsafe { worker.as_ref() })
}

/// The number of the worker that this thread is, if it is one of that crew.
pub(crate) fn index_in(registry: &Registry) -> Option<usize> {
    with(|worker| worker.filter(|worker| ptr::eq(&*worker.registry, registry)).map(|worker| worker.index))
}

/// How many threads the pool runs at a time that this thread works for, if it works for one.
pub(crate) fn threads() -> Option<usize> {
    with(|worker| worker.map(|worker| worker.registry.config.threads))
}

/// Tells workers apart that run at the same time. For comparison only.
#[inline]
pub(crate) fn address() -> usize {
    WORKER.get().addr()
}

/// The owner's end of the halves of the worker that this thread is, if it is one and a [light](sys::Light) fence is enough.
///
/// It is returned, and not lent to a closure as in [`with`], for the sake of `join`: a closure around its two would be compiled as a function,
/// and what they capture would go there through memory.
///
/// # Safety
///
/// The caller uses it on this thread, and not after it has returned to where the worker found its work.
#[inline(always)]
pub(crate) unsafe fn stack_jobs<'frame>() -> Option<Owner<'frame, StackJobHeader>> {
    // SAFETY: the pointer is null or what `enter` set, and the worker, which owns its halves, is there as long as it runs work.
    let stack_jobs = unsafe { STACK_JOBS.get().as_ref() }?;
    // SAFETY: this thread is the worker.
    Some(unsafe { stack_jobs.owner() })
}

/// The innermost scope of which a child runs on this thread, and which therefore is there.
#[inline]
pub(crate) fn current_scope() -> Option<NonNull<ScopeBase>> {
    CURRENT_SCOPE.get()
}

/// Says of which scope a child runs from now on; returns of which one did.
#[inline]
pub(crate) fn replace_current_scope(scope: Option<NonNull<ScopeBase>>) -> Option<NonNull<ScopeBase>> {
    CURRENT_SCOPE.replace(scope)
}

/// Makes this thread the worker while `f` runs.
pub(crate) fn enter(worker: &Worker, f: impl FnOnce()) {
    /// Resets also when `f` panics.
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
    /// Queues a job: with this worker if it is one of the crew, else with the injector.
    ///
    /// # Panics
    ///
    /// In a forked child, unless this is the copy of a worker.
    #[inline]
    pub(crate) fn submit(&self, job: JobRef) {
        with(|worker| match worker {
            Some(worker) if ptr::eq(&*worker.registry, self) => worker.jobs.push(job),
            _ => {
                self.assert_not_forked();
                self.injector.push(job);
            }
        });
        self.announce_job();
    }
}
