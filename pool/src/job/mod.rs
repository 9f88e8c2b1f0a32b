//! A job in a queue.
//!
//! A [`JobRef`] is a thin pointer to a [`JobHeader`], the first field of every job. It owns the job,
//! which is run or discarded, once. A spawned job (`job/spawned.rs`) and a scope's child (`scope/mod.rs`)
//! lie in the heap. An installed job (`job/install.rs`) lies on the stack of the thread that waits for
//! it.

// Unsafe: the job is called through a vtable.
pub(crate) mod detached;
// Unsafe: an installed job lies on the stack of a thread that waits for it.
pub(crate) mod install;
// Unsafe: memory for values that are moved in and out.
pub(crate) mod memory;
// Unsafe: follows pointers from scope to scope, and a placeholder is a reference in raw form.
#[cfg_attr(not(loom), allow(unreachable_pub))]
pub(crate) mod remote;
pub(crate) mod spawn;
// Unsafe: a job counts its own references.
mod spawned;

use crate::job::remote::ScopeBase;
use std::{mem::ManuallyDrop, process, ptr::NonNull};

/// The first field of everything that can be queued.
#[repr(C)]
pub(crate) struct JobHeader {
    vtable: &'static JobVtable,
    /// The scope whose child this job is, if it is one.
    scope: Option<NonNull<ScopeBase>>,
}

/// The operations on a queued job. Each of them ends the ownership of the [`JobRef`].
pub(crate) struct JobVtable {
    /// Runs the job.
    pub(crate) run: unsafe fn(NonNull<JobHeader>),
    /// Ends the job without running it, if that is allowed. Returns whether this cancelled a spawned
    /// job.
    pub(crate) discard: unsafe fn(NonNull<JobHeader>) -> bool,
    /// Whether any thread may discard the job, with no effect but that its handle says "cancelled".
    pub(crate) may_be_cancelled: bool,
}

impl JobHeader {
    pub(crate) fn new(vtable: &'static JobVtable) -> Self {
        Self { vtable, scope: None }
    }

    /// Makes the header of a child of this scope. The scope outlives the child.
    pub(crate) fn of_child(vtable: &'static JobVtable, scope: NonNull<ScopeBase>) -> Self {
        Self { vtable, scope: Some(scope) }
    }
}

/// A queued job. Dropping it discards the job.
pub(crate) struct JobRef(NonNull<JobHeader>);

// SAFETY: everything that can be queued is Send, as `from_raw` demands.
unsafe impl Send for JobRef {}

impl JobRef {
    /// Takes over the ownership of a job.
    ///
    /// # Safety
    ///
    /// The pointer is to the header of a job that may be sent to another thread and that lives until a
    /// function of its vtable runs or discards it. The caller gives up its ownership.
    pub(crate) unsafe fn from_raw(job: NonNull<JobHeader>) -> Self {
        Self(job)
    }

    fn header(&self) -> &JobHeader {
        // SAFETY: by `from_raw` the job lives as long as this reference.
        unsafe { self.0.as_ref() }
    }

    /// Returns whether this scope cannot end before the job has: the job is a child of the scope, or a
    /// child of a scope that was opened while such a child ran.
    pub(crate) fn is_descendant_of(&self, scope: NonNull<ScopeBase>) -> bool {
        // SAFETY: a scope exists until its children have ended, and this child has not been run.
        self.header().scope.is_some_and(|own| own == scope || unsafe { own.as_ref() }.is_descendant_of(scope))
    }

    /// Returns the job, or a placeholder for it if it is the child of a scope. The result may be queued
    /// where the scope's owner does not look.
    pub(crate) fn or_placeholder(self) -> Self {
        match self.header().scope {
            // SAFETY: the job is a child of that scope.
            Some(scope) => unsafe { ScopeBase::add_remote_child(scope, self) },
            None => self,
        }
    }

    /// Returns whether any thread may cancel the job.
    pub(crate) fn may_be_cancelled(&self) -> bool {
        self.header().vtable.may_be_cancelled
    }

    /// Ends the job without running it, if that is allowed. Returns whether this cancelled it.
    pub(crate) fn discard(self) -> bool {
        let job = ManuallyDrop::new(self);
        // SAFETY: as in `run`.
        unsafe { (job.header().vtable.discard)(job.0) }
    }

    /// Runs the job. Its panics are delivered to the thread that waits for it.
    pub(crate) fn run(self) {
        let job = ManuallyDrop::new(self);
        // SAFETY: the function belongs to the job, and is called once, because `self` is gone.
        unsafe { (job.header().vtable.run)(job.0) };
    }
}

impl Drop for JobRef {
    fn drop(&mut self) {
        // SAFETY: as in `run`.
        let _ = unsafe { (self.header().vtable.discard)(self.0) };
    }
}

/// Aborts the process when it is dropped. A frame that holds jobs must not end before they have, so
/// unwinding through it ends the process. That should never happen, because panics of jobs are caught.
pub(crate) struct AbortOnUnwind;

impl Drop for AbortOnUnwind {
    fn drop(&mut self) {
        process::abort();
    }
}
