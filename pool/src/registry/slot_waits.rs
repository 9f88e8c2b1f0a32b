//! The waits of blocking calls for a thread, in traces.
//!
//! A pool for blocking calls has so many slots: threads that may block at once. A call that is queued waits
//! for one of them. In other pools a queued job is ready, and waits for nothing else than its turn.

use super::Registry;
use brigade_trace::{Cause, Domain::Job as JOB, Id, Origin, Site, on, wait_begin_of, wait_end};
use std::panic::Location;

impl Registry {
    /// Records that a job is spawned at this place. A blocking call waits for a slot from now on.
    #[inline(always)]
    pub(crate) fn record_spawn(&self, at: &'static Location<'static>) -> Origin {
        if on() { self.record_spawn_at(at) } else { Origin::NONE }
    }

    #[cold]
    #[inline(never)]
    fn record_spawn_at(&self, at: &'static Location<'static>) -> Origin {
        let origin = Origin::spawned_at(JOB, at);
        if self.config.for_blocking_calls {
            wait_begin_of(origin.id(JOB), || self.blocking_slots.id(), Cause::Slot, Site::of(at));
        }
        origin
    }

    /// Records that the job, which a thread of this pool is about to run, waits for a slot no longer.
    pub(crate) fn gives_slot(&self, job: Id) {
        if self.config.for_blocking_calls {
            wait_end(job, || self.blocking_slots.id(), Cause::Slot);
        }
    }
}
