//! Sleeps, barriers and pieces of work as the standard library has them, but recorded. So a scenario's
//! recording says what each thread does and what it waits for.

use brigade_trace::{Cause, Domain, Id, Origin, Resource, Site, Wait, begin, complete, fresh_id, label};
use std::{thread, time::Duration};

/// Sleeps as [`thread::sleep`] does: a wait for a timer.
#[track_caller]
pub(crate) fn sleep(time: Duration) {
    let wait = Wait::begin(|| fresh_id(Domain::Timer), Cause::Timer, Site::here());
    thread::sleep(time);
    wait.end(Cause::Timer);
}

/// A [`Barrier`](std::sync::Barrier) whose waits are recorded.
#[derive(Debug)]
pub(crate) struct Barrier {
    barrier: std::sync::Barrier,
    resource: Resource,
}

impl Barrier {
    pub(crate) fn new(parties: usize) -> Self {
        Self { barrier: std::sync::Barrier::new(parties), resource: Resource::new(Domain::Barrier) }
    }

    /// Waits until all parties have come.
    #[track_caller]
    pub(crate) fn wait(&self) {
        let wait = Wait::begin(|| self.resource.id(), Cause::Barrier, Site::here());
        self.barrier.wait();
        wait.end(Cause::Barrier);
    }
}

/// The job that ends when this is dropped, also by a panic.
struct Ending(Id);

impl Drop for Ending {
    fn drop(&mut self) {
        complete(self.0, thread::panicking().into());
    }
}

/// Does a piece of work, such as that of a `map`, under a name.
#[track_caller]
pub(crate) fn job<R>(name: &str, work: impl FnOnce() -> R) -> R {
    let id = Origin::spawned(Domain::Job).id(Domain::Job);
    label(id, || name.to_owned());
    begin(id);
    let _ending = Ending(id);
    work()
}
