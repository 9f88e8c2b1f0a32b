//! The begin of a spawned job, in traces.

use super::current;
use brigade_trace::{Domain::Job as JOB, Origin, on};

/// Marks that this thread runs the job from now on. A blocking call waits for a thread no longer.
#[inline(always)]
pub(crate) fn begin_job(job: &Origin) {
    if on() {
        record_begin(job);
    }
}

#[cold]
#[inline(never)]
fn record_begin(job: &Origin) {
    current::with(|worker| worker.into_iter().for_each(|worker| worker.registry.gives_slot(job.id(JOB))));
    job.begin(JOB);
}
