//! The queues of the executor, for those that look at an explored run.

use super::MultiThread;
use brigade_handle::explore::{self, Queue, Queued, Stopped};
use brigade_trace::{Domain, Id};
use std::sync::Arc;

/// Shows the queues of an executor that starts.
pub(super) fn show_queues(shared: &Arc<MultiThread>) {
    // The view must not keep the executor alive.
    let shared = Arc::downgrade(shared);
    explore::show_queues(move |stopped| {
        shared.upgrade().map_or_else(Vec::new, |shared| shared.queues(stopped))
    });
}

impl MultiThread {
    fn queues(&self, stopped: &Stopped) -> Vec<Queue> {
        let injected = self.injector.tasks().map_or(Queued::Locked, Queued::Tasks);
        let injector = Queue { owner: Id::NONE, name: "injector", work: injected };
        let of_worker = |(number, remote): (u64, &super::Remote)| {
            let owner = Id::new(Domain::Worker, self.first_worker + number);
            let [newest, ring] = remote.queue.tasks(stopped).map(Queued::Tasks);
            [("LIFO slot", newest), ("run queue", ring)].map(|(name, work)| Queue { owner, name, work })
        };
        (0..).zip(&self.remotes).flat_map(of_worker).chain([injector]).collect()
    }
}
