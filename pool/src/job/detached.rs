//! The job that `spawn_detached` makes: a closure without a handle. It has one owner, the queue's
//! [`JobRef`].

use crate::{
    job::{JobHeader, JobRef, JobVtable, memory},
    registry::Registry,
    worker::{begin_job::begin_job, current},
};
use brigade_handle::{JoinError, contain, note_unseen};
use brigade_trace::{Domain, Id, Kind};
use std::{
    any::Any,
    panic::{self, AssertUnwindSafe},
    ptr::NonNull,
};

/// The allocation of a detached job.
#[repr(C)]
struct DetachedJob<F> {
    header: JobHeader,
    id: Id,
    work: F,
}

/// Makes a job without a handle.
#[track_caller]
pub(crate) fn new<F: FnOnce() + Send + 'static>(registry: &Registry, work: F) -> JobRef {
    let id = brigade_trace::fresh_id(Domain::Job);
    let job = memory::put(DetachedJob { header: JobHeader::new(&DetachedJob::<F>::VTABLE), id, work });
    registry.record_spawn(id);
    // SAFETY: the header is the first field; the job is Send and lives until a function of its vtable
    // takes it.
    unsafe { JobRef::from_raw(job.cast()) }
}

impl<F: FnOnce() + Send + 'static> DetachedJob<F> {
    // The destructor of the closure may take long, so only a thread of the pool discards the job.
    const VTABLE: JobVtable = JobVtable { run: Self::run, discard: Self::discard, may_be_cancelled: false };

    /// Runs the closure, and gives a panic to the pool's panic handler.
    ///
    /// # Safety
    ///
    /// This is the queue's only call for this job.
    unsafe fn run(job: NonNull<JobHeader>) {
        // SAFETY: `new` put the job there, and only one function of its vtable is called, once.
        let Self { id, work, .. } = unsafe { memory::take(job.cast::<Self>()) };
        let before = begin_job(id);
        let result = panic::catch_unwind(AssertUnwindSafe(work));
        brigade_trace::end(id, before, 1);
        brigade_trace::record(Kind::Complete, id, u64::from(result.is_err()));
        if let Err(payload) = result {
            current::with(|worker| {
                match worker.and_then(|worker| worker.registry.config.on_panic.as_ref()) {
                    Some(handler) => contain(|| handler(payload)),
                    None => drop_unseen(id, payload),
                }
            });
        }
    }

    /// Drops the closure.
    ///
    /// # Safety
    ///
    /// As for `run`.
    unsafe fn discard(job: NonNull<JobHeader>) -> bool {
        // SAFETY: as in `run`.
        let Self { id, work, .. } = unsafe { memory::take(job.cast::<Self>()) };
        brigade_trace::record(Kind::Cancel, id, 0);
        contain(|| drop(work));
        true
    }
}

/// Drops the payload of a panic that nobody is told of.
#[cold]
fn drop_unseen(id: Id, payload: Box<dyn Any + Send>) {
    let result = Err::<(), _>(JoinError::panicked(payload).of(|| brigade_trace::subject(id)));
    note_unseen(&result);
    contain(|| drop(result));
}
