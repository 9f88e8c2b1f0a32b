//! The begin of a spawned job, in traces.

use super::current;
use brigade_trace::{Id, begin, on};

/// Marks that this thread runs the job from now on. A blocking call waits for a thread no longer. Returns
/// the id that ran before.
#[inline(always)]
pub(crate) fn begin_job(job: Id) -> Id {
    if on() { record_begin(job) } else { Id::NONE }
}

#[cold]
fn record_begin(job: Id) -> Id {
    current::with(|worker| worker.into_iter().for_each(|worker| worker.registry.gives_slot(job)));
    begin(job)
}
