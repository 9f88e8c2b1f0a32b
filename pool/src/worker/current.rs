//! Which worker this thread is: the pool's only thread-locals.

use crate::{
    job::{JobRef, remote::Lineage},
    join::{
        deque::{Deque, Owner},
        stack_job::HalfHeader,
    },
    registry::Crew,
    sys,
    worker::Worker,
};
use std::{
    cell::Cell,
    ptr::{self, NonNull},
};

thread_local! {
    /// The innermost scope of which a child runs on this thread.
    static INSIDE: Cell<Option<NonNull<Lineage>>> = const { Cell::new(None) };
    static WORKER: Cell<*const Worker> = const { Cell::new(ptr::null()) };
    /// The worker's halves, where a light fence is enough: all that a join touches hangs on this one pointer.
    static HALVES: Cell<*const Deque<HalfHeader>> = const { Cell::new(ptr::null()) };
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
pub(crate) fn index_in(crew: &Crew) -> Option<usize> {
    with(|worker| worker.filter(|worker| ptr::eq(&*worker.crew, crew)).map(|worker| worker.index))
}

/// How many threads the pool runs at a time that this thread works for, if it works for one.
pub(crate) fn threads() -> Option<usize> {
    with(|worker| worker.map(|worker| worker.crew.plan.threads))
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
pub(crate) unsafe fn halves<'frame>() -> Option<Owner<'frame, HalfHeader>> {
    // SAFETY: the pointer is null or what `enter` set, and the worker, which owns its halves, is there as long as it runs work.
    let halves = unsafe { HALVES.get().as_ref() }?;
    // SAFETY: this thread is the worker.
    Some(unsafe { halves.owner() })
}

/// The innermost scope of which a child runs on this thread, and which therefore is there.
#[inline]
pub(crate) fn inside() -> Option<NonNull<Lineage>> {
    INSIDE.get()
}

/// Says of which scope a child runs from now on; returns of which one did.
#[inline]
pub(crate) fn swap_inside(scope: Option<NonNull<Lineage>>) -> Option<NonNull<Lineage>> {
    INSIDE.replace(scope)
}

/// Makes this thread the worker while `f` runs.
pub(crate) fn enter(worker: &Worker, f: impl FnOnce()) {
    /// Resets also when `f` panics.
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            WORKER.set(ptr::null());
            HALVES.set(ptr::null());
        }
    }
    WORKER.set(worker);
    if sys::is_asymmetric() {
        HALVES.set(worker.shared_halves());
    }
    let _leave = Leave;
    f();
}

impl Crew {
    /// Queues a job: with this worker if it is one of the crew, else with the injector.
    ///
    /// # Panics
    ///
    /// In a forked child, unless this is the copy of a worker.
    #[inline]
    pub(crate) fn submit(&self, job: JobRef) {
        with(|worker| match worker {
            Some(worker) if ptr::eq(&*worker.crew, self) => worker.jobs.push(job),
            _ => {
                self.assert_not_forked();
                self.injector.push(job);
            }
        });
        self.announce_job();
    }
}
