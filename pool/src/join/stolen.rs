//! Stolen stack jobs, and the list of those that are passed on. Rule 4 of `join/stack_job.rs` says why.

use crate::{
    join::stack_job::{StackJobHeader, StackJobState},
    registry::sleep::Sleep,
};
use brigade_trace::{Domain, Id, Kind, fresh_id, on, record};
use std::{
    ptr::{self, NonNull},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// A stolen stack job: the thief's duty to run it.
pub(crate) struct Stolen {
    stack_job: NonNull<StackJobHeader>,
    victim: usize,
}

impl Stolen {
    /// Takes over the duty to run the job.
    ///
    /// # Safety
    ///
    /// The job just came out of the deque or the offer of the worker `victim`, and no other thread has it
    /// or gets it.
    pub(crate) unsafe fn new(stack_job: NonNull<StackJobHeader>, victim: usize) -> Self {
        Self { stack_job, victim }
    }

    /// Returns the worker whose frame holds the job.
    pub(crate) fn victim(&self) -> usize {
        self.victim
    }

    /// Runs the job, and unparks its owner if that waits.
    pub(crate) fn run(self, thief: usize, sleep: &Sleep) {
        // SAFETY: the owner keeps the job until DONE (rule 2).
        let header = unsafe { self.stack_job.as_ref() };
        let state = NonNull::from(header.state());
        header.state().taken_by(thief);
        let traced = Traced::begin(header.state());
        // SAFETY: this thread stole the job, and `self` is consumed.
        unsafe { (header.run)(self.stack_job) };
        traced.into_iter().for_each(Traced::end);
        // SAFETY: the job is not done yet. This is the last access to it (rule 3).
        if unsafe { StackJobState::finish(state) } {
            sleep.unpark(self.victim);
        }
    }
}

// SAFETY: a stack job is made to run on other threads: `join` demands that its closure and its result are
// Send.
unsafe impl Send for Stolen {}

/// A stolen job in a trace: a job that holds what its owner waits for. A job that nobody steals is a part of
/// its owner's job, and has no events.
struct Traced {
    job: Id,
    half: Id,
}

impl Traced {
    fn begin(state: &StackJobState) -> Option<Self> {
        on().then(|| {
            let (job, half) = (fresh_id(Domain::Job), state.id());
            brigade_trace::begin(job);
            record(Kind::Held, half, 1);
            Self { job, half }
        })
    }

    fn end(self) {
        record(Kind::Released, self.half, 1);
        brigade_trace::complete(self.job, 0);
    }
}

/// The stack jobs of one worker that their thieves must not run, each with its thief's duty (rule 4).
#[derive(Default)]
pub(crate) struct PassedOn(Mutex<Vec<Stolen>>);

impl PassedOn {
    fn lock(&self) -> MutexGuard<'_, Vec<Stolen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a job, and records that in its state. Returns whether the caller must unpark the owner.
    #[must_use = "if true, the caller must unpark the owner"]
    pub(crate) fn push(&self, stolen: Stolen) -> bool {
        let mut list = self.lock();
        // SAFETY: the job is not done, and no other thread can have it before the lock is free.
        let tell = unsafe { stolen.stack_job.as_ref() }.state().pass_on();
        list.push(stolen);
        tell
    }

    /// Removes and returns any job of the list.
    pub(crate) fn pop(&self) -> Option<Stolen> {
        self.lock().pop()
    }

    /// Removes and returns this job, if it is in the list.
    pub(crate) fn take(&self, stack_job: &StackJobState) -> Option<Stolen> {
        let mut list = self.lock();
        // SAFETY: a job in the list is not done, so its owner keeps it (rule 2).
        let position = list
            .iter()
            .position(|stolen| ptr::eq(unsafe { stolen.stack_job.as_ref() }.state(), stack_job))?;
        Some(list.remove(position))
    }
}
