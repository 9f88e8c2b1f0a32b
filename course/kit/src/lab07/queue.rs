//! The queue of jobs, through which the harness sees what the workers do.

use crate::log::Log;
use brigade_explore::handle::explore;
use std::{
    collections::VecDeque,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// An event of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The job of this name goes into the queue.
    Push(&'static str),
    /// A worker takes it out.
    Take(&'static str),
    /// A worker looks into the queue, which is empty.
    FindNothing,
    /// The job begins.
    Run(&'static str),
    /// The job has ended.
    Done(&'static str),
    /// `unpark` is called.
    Unpark,
    /// A park has ended.
    ParkEnds,
    /// `shutdown` is called.
    Close,
    /// It has returned.
    Closed,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Push(name) => write!(f, "push {name}"),
            Self::Take(name) => write!(f, "take {name}"),
            Self::FindNothing => f.write_str("look: the queue is empty"),
            Self::Run(name) => write!(f, "run {name}"),
            Self::Done(name) => write!(f, "{name} is done"),
            Self::Unpark => f.write_str("unpark the parker"),
            Self::ParkEnds => f.write_str("park has returned"),
            Self::Close => f.write_str("shutdown"),
            Self::Closed => f.write_str("shutdown has returned"),
        }
    }
}

/// Work for a pool: a closure with a name.
pub struct Job {
    name: &'static str,
    log: Option<Log<Event>>,
    body: Box<dyn FnOnce() + Send>,
}

impl Job {
    /// Makes a job.
    pub fn new(name: &'static str, body: impl FnOnce() + Send + 'static) -> Self {
        Self { name, log: None, body: Box::new(body) }
    }

    /// Notes its begin and its end in a log.
    pub(super) fn seen(self, log: Log<Event>) -> Self {
        Self { log: Some(log), ..self }
    }

    /// Runs the job.
    ///
    /// # Panics
    ///
    /// Panics if the closure does.
    pub fn run(self) {
        let note = |event| self.log.iter().for_each(|log| log.note(Event::clone(&event)));
        note(Event::Run(self.name));
        (self.body)();
        note(Event::Done(self.name));
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Job").field(&self.name).finish()
    }
}

/// A queue of jobs. Neither of its methods waits.
#[derive(Default)]
pub struct Queue {
    log: Option<Log<Event>>,
    // No choice point lies under this lock, so it can be std's.
    jobs: Mutex<VecDeque<Job>>,
}

impl Queue {
    /// Makes an empty queue.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a queue that notes what happens to it in a log.
    pub(super) fn seen(log: Log<Event>) -> Self {
        Self { log: Some(log), jobs: Mutex::default() }
    }

    fn jobs(&self) -> MutexGuard<'_, VecDeque<Job>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, event: Event) {
        if let Some(log) = &self.log {
            log.note(event);
        }
    }

    /// Adds a job at the end.
    pub fn push(&self, job: Job) {
        explore::point();
        let name = job.name;
        self.jobs().push_back(job);
        self.note(Event::Push(name));
    }

    /// Takes the first job out, if there is one.
    pub fn pop(&self) -> Option<Job> {
        explore::point();
        let job = self.jobs().pop_front();
        self.note(job.as_ref().map_or(Event::FindNothing, |job| Event::Take(job.name)));
        job
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.jobs().iter()).finish()
    }
}
