//! The job that `spawn_detached` makes: a closure without a handle. It has one owner, the queue's
//! [`JobRef`].

use crate::{
    job::{JobHeader, JobRef, JobVtable, memory},
    registry::Registry,
    worker::{begin_job::begin_job, current},
};
use brigade_handle::{JoinError, contain, note_unseen};
use brigade_trace::{Domain::Job as JOB, Kind, Origin};
use std::{
    any::Any,
    panic::{self, AssertUnwindSafe, Location},
    ptr::NonNull,
};

/// The allocation of a detached job.
#[repr(C)]
struct DetachedJob<F> {
    header: JobHeader,
    origin: Origin,
    work: F,
}

/// Makes a job without a handle, which is spawned at this place.
pub(crate) fn new<F>(registry: &Registry, work: F, at: &'static Location<'static>) -> JobRef
where
    F: FnOnce() + Send + 'static,
{
    let origin = registry.record_spawn(at);
    let job = memory::put(DetachedJob { header: JobHeader::new(&DetachedJob::<F>::VTABLE), origin, work });
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
        let Self { origin, work, .. } = unsafe { memory::take(job.cast::<Self>()) };
        begin_job(&origin);
        let result = panic::catch_unwind(AssertUnwindSafe(work));
        origin.complete(JOB, u64::from(result.is_err()));
        if let Err(payload) = result {
            current::with(|worker| {
                match worker.and_then(|worker| worker.registry.config.on_panic.as_ref()) {
                    Some(handler) => contain(|| handler(payload)),
                    None => drop_unseen(origin, payload),
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
        let Self { origin, work, .. } = unsafe { memory::take(job.cast::<Self>()) };
        origin.record(JOB, Kind::Cancel, 0);
        contain(|| drop(work));
        true
    }
}

/// Drops the payload of a panic that nobody is told of.
#[cold]
fn drop_unseen(origin: Origin, payload: Box<dyn Any + Send>) {
    let result = Err::<(), _>(JoinError::panicked(payload).of(|| origin.subject(JOB)));
    note_unseen(&result);
    contain(|| drop(result));
}
