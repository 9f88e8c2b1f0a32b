//! The queues of a pool, for those that look at an explored run.

use super::{Registry, WorkerSlot};
use brigade_handle::explore::{self, Queue, Queued};
use brigade_trace::{Domain, Id};
use std::sync::Arc;

/// Shows the queues of a pool that starts.
pub(super) fn show_queues(registry: &Arc<Registry>) {
    // The view must not keep the pool alive.
    let registry = Arc::downgrade(registry);
    explore::show_queues(move |_| registry.upgrade().map_or_else(Vec::new, |registry| registry.queues()));
}

impl Registry {
    fn queues(&self) -> Vec<Queue> {
        let queue = |owner, name, jobs| Queue { owner, name, work: Queued::Jobs(jobs) };
        let of_worker = |(number, slot): (u64, &WorkerSlot)| {
            let owner = Id::new(Domain::Worker, self.first_worker + number);
            [queue(owner, "job queue", slot.jobs.len()), queue(owner, "mailbox", slot.mailbox.len())]
        };
        let injected = self.injector.len() + self.ordered.len();
        (0..).zip(self.slots()).flat_map(of_worker).chain([queue(Id::NONE, "injector", injected)]).collect()
    }
}
