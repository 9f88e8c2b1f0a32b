//! A job in a queue.
//!
//! # A queued job
//!
//! A [`JobRef`] is a thin pointer to a [`Header`], the first field of whatever the job is. It owns what it points to: it is
//! run or discarded, once. A spawned job lies in the heap, a scope's child too (`scope.rs`), an installed one on the stack of
//! the thread that waits for it (`install.rs`).

// Unsafe: the job is called through a table.
pub(crate) mod detached;
// Unsafe: an installed job lies on the stack of a thread that waits for it.
pub(crate) mod install;
// Unsafe: memory for values that are moved in and out.
pub(crate) mod memory;
// Unsafe: follows from scope to scope, and a ticket is a reference that was taken apart.
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
    /// Of which scope the job is a child, if of any.
    scope: Option<NonNull<ScopeBase>>,
}

/// What can be done with a queued job. Each ends the [`JobRef`]'s ownership.
pub(crate) struct JobVtable {
    /// Runs it.
    pub(crate) run: unsafe fn(NonNull<JobHeader>),
    /// Ends it without running it, if it may be ended so. True if somebody's job was cancelled by that.
    pub(crate) discard: unsafe fn(NonNull<JobHeader>) -> bool,
    /// Whether any thread may discard it, and nothing else happens by that than that its handle says so.
    pub(crate) may_be_cancelled: bool,
}

impl JobHeader {
    pub(crate) fn new(vtable: &'static JobVtable) -> Self {
        Self { vtable, scope: None }
    }

    /// For a child of this scope, which outlives it.
    pub(crate) fn of_child(vtable: &'static JobVtable, scope: NonNull<ScopeBase>) -> Self {
        Self { vtable, scope: Some(scope) }
    }
}

/// A queued job. Dropping it discards the job.
pub(crate) struct JobRef(NonNull<JobHeader>);

// SAFETY: what can be queued is Send, as `from_raw` demands.
unsafe impl Send for JobRef {}

impl JobRef {
    /// # Safety
    ///
    /// The pointer is to the header of a job which may be sent to another thread, and which lives until it is run or discarded
    /// by its verbs; the caller gives up its ownership.
    pub(crate) unsafe fn from_raw(job: NonNull<JobHeader>) -> Self {
        Self(job)
    }

    fn header(&self) -> &JobHeader {
        // SAFETY: by `from_raw` the job lives as long as this reference.
        unsafe { self.0.as_ref() }
    }

    /// Whether this scope cannot end before the job has, because the job is its child, or a child of a scope that was opened in the
    /// course of such a one.
    pub(crate) fn is_descendant_of(&self, scope: NonNull<ScopeBase>) -> bool {
        // SAFETY: a scope is there until its children have ended, and this one has yet to be run.
        self.header().scope.is_some_and(|own| own == scope || unsafe { own.as_ref() }.is_descendant_of(scope))
    }

    /// The job, or a ticket for it if it is the child of a scope: what may be queued where its owner does not look.
    pub(crate) fn or_placeholder(self) -> Self {
        match self.header().scope {
            // SAFETY: it is a child of that scope.
            Some(scope) => unsafe { ScopeBase::add_remote_child(scope, self) },
            None => self,
        }
    }

    /// Whether any thread may cancel it.
    pub(crate) fn may_be_cancelled(&self) -> bool {
        self.header().vtable.may_be_cancelled
    }

    /// Ends the job without running it, if it may be ended so. True if it was cancelled by that.
    pub(crate) fn discard(self) -> bool {
        let job = ManuallyDrop::new(self);
        // SAFETY: as in `run`.
        unsafe { (job.header().vtable.discard)(job.0) }
    }

    /// Runs the job. Its panics are delivered to whoever waits for it.
    pub(crate) fn run(self) {
        let job = ManuallyDrop::new(self);
        // SAFETY: the verb belongs to the job, and is called once: `self` is gone.
        unsafe { (job.header().vtable.run)(job.0) };
    }
}

impl Drop for JobRef {
    fn drop(&mut self) {
        // SAFETY: as in `run`.
        let _ = unsafe { (self.header().vtable.discard)(self.0) };
    }
}

/// The frame must not end before the jobs in it have: an unwinding through it ends the process. There should be none, since the
/// panics of jobs are caught inside.
pub(crate) struct AbortOnUnwind;

impl Drop for AbortOnUnwind {
    fn drop(&mut self) {
        process::abort();
    }
}
