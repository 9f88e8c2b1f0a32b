//! A half that was stolen, and those that are passed on: see rule 4 of `stack_job.rs`.

use crate::{
    join::stack_job::{StackJobHeader, StackJobState},
    registry::sleep::Sleep,
};
use std::{
    ptr::{self, NonNull},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// A half that was stolen: the thief's duty to run it.
pub(crate) struct Stolen {
    stack_job: NonNull<StackJobHeader>,
    victim: usize,
}

impl Stolen {
    /// # Safety
    ///
    /// The half came out of the deque of the worker `victim`, or was on offer there, just now, and is given to nobody else.
    pub(crate) unsafe fn new(stack_job: NonNull<StackJobHeader>, victim: usize) -> Self {
        Self { stack_job, victim }
    }

    /// The worker in whose frame the half lies.
    pub(crate) fn victim(&self) -> usize {
        self.victim
    }

    /// Runs the half and tells its owner.
    pub(crate) fn run(self, thief: usize, sleep: &Sleep) {
        // SAFETY: the owner keeps the half until DONE (rule 2).
        let header = unsafe { self.stack_job.as_ref() };
        let state = NonNull::from(header.state());
        header.state().taken_by(thief);
        // SAFETY: the half was stolen by us, and `self` is used up.
        unsafe { (header.run)(self.stack_job) };
        // SAFETY: it is not done yet. This is the last access to the half (rule 3).
        if unsafe { StackJobState::finish(state) } {
            sleep.unpark(self.victim);
        }
    }
}

// SAFETY: a half is made to be run elsewhere: `join` asks that its closure and its result are Send.
unsafe impl Send for Stolen {}

/// The halves of one worker that their thieves may not run, with those thieves' duty (rule 4).
#[derive(Default)]
pub(crate) struct PassedOn(Mutex<Vec<Stolen>>);

impl PassedOn {
    fn lock(&self) -> MutexGuard<'_, Vec<Stolen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a half in, and says so in its state. True if the owner has to be unparked.
    #[must_use = "if it says so, the owner has to be unparked"]
    pub(crate) fn push(&self, stolen: Stolen) -> bool {
        let mut list = self.lock();
        // SAFETY: it is not done, and nobody else can have it before the lock is free.
        let tell = unsafe { stolen.stack_job.as_ref() }.state().pass_on();
        list.push(stolen);
        tell
    }

    /// Takes any half out, if there is one.
    pub(crate) fn pop(&self) -> Option<Stolen> {
        self.lock().pop()
    }

    /// Takes this half out, if it is there.
    pub(crate) fn take(&self, stack_job: &StackJobState) -> Option<Stolen> {
        let mut list = self.lock();
        // SAFETY: a half in the list is not done, so its owner keeps it (rule 2).
        let position = list
            .iter()
            .position(|stolen| ptr::eq(unsafe { stolen.stack_job.as_ref() }.state(), stack_job))?;
        Some(list.remove(position))
    }
}
