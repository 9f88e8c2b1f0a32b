//! The queues of a run's executors, as they stand when the run has stopped.
//!
//! An executor registers a view when it starts. The view is called when no thread of the run will go on, so
//! it may look at what its threads alone may touch while they run. [`Stopped`] proves that.

use super::baton;
use crate::Id;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A queue of an executor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// The worker that owns it, or [`Id::NONE`] if all do.
    pub owner: Id,
    /// The field's word for it.
    pub name: &'static str,
    /// The work in it.
    pub work: Queued,
}

/// The work in a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Queued {
    /// The tasks, the one that goes first in front.
    Tasks(Vec<Id>),
    /// The number of the jobs, which nobody can look at without taking them.
    Jobs(usize),
    /// A thread has the lock of the queue.
    Locked,
}

/// Proves that no thread of the run goes on any more.
#[derive(Debug)]
pub struct Stopped(());

type View = Box<dyn Fn(&Stopped) -> Vec<Queue> + Send>;

/// The views, each with the number of its run.
static VIEWS: Mutex<Vec<(u64, View)>> = Mutex::new(Vec::new());

fn views() -> MutexGuard<'static, Vec<(u64, View)>> {
    VIEWS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Registers a view of some queues of this run. Does nothing outside of a run, and in one that is not told.
pub fn show_queues(view: impl Fn(&Stopped) -> Vec<Queue> + Send + 'static) {
    if baton::is_told() {
        let run = baton::run_number();
        let mut views = views();
        views.retain(|&(of, _)| of == run);
        views.push((run, Box::new(view)));
    }
}

/// Returns the queues of the run that this process has made last, if it has stopped before its end.
#[must_use]
pub fn queues() -> Vec<Queue> {
    let Some(run) = baton::stopped_run() else { return Vec::new() };
    let stopped = Stopped(());
    views().iter().filter(|&&(of, _)| of == run).flat_map(|(_, view)| view(&stopped)).collect()
}
