//! Stealing: what a worker takes from others, and how long it looks.

use crate::{
    deque,
    half::Stolen,
    job::JobRef,
    worker::{Work, Worker},
};
use brigade_trace::Kind;
use crossbeam_deque::Steal;
use std::{hint, thread};

/// How long to look before it is time to sleep: first with the processor's pause, then letting other threads run.
pub(crate) struct Pause {
    rounds: u32,
}

const SPINS: u32 = 6;
const ROUNDS: u32 = 16;

impl Pause {
    pub(crate) fn new() -> Self {
        Self { rounds: 0 }
    }

    /// Pauses, unless it has been enough.
    pub(crate) fn once_more(&mut self) -> bool {
        self.rounds += 1;
        match self.rounds {
            0..=SPINS => (0..1 << self.rounds).for_each(|_| hint::spin_loop()),
            _ => thread::yield_now(),
        }
        self.rounds < ROUNDS
    }
}

impl Worker {
    /// Takes something from another worker, if anything is there. Begins with the next one, so that not all begin with the
    /// same.
    pub(crate) fn steal(&self) -> Option<Work> {
        let seats = self.crew.sleep.occupied();
        let victims = (1..seats).map(|step| (self.index + step) % seats);
        victims.into_iter().find_map(|victim| {
            let half = self.steal_half(victim).map(Work::Half);
            half.or_else(|| self.steal_jobs(victim).map(Work::Job))
        })
    }

    /// Takes the oldest half of this worker.
    pub(crate) fn steal_half(&self, victim: usize) -> Option<Stolen> {
        let halves = &self.crew.seat(victim).halves;
        loop {
            match halves.steal() {
                deque::Steal::Empty => return None,
                deque::Steal::Lost => hint::spin_loop(),
                deque::Steal::Taken(half) => {
                    brigade_trace::record(Kind::Steal, self.id, 1);
                    // SAFETY: it came from this deque just now, and `steal` gives each entry to one thief.
                    return Some(unsafe { Stolen::new(half, victim) });
                }
            }
        }
    }

    /// Takes up to half of the jobs of this worker, and returns the oldest of them.
    fn steal_jobs(&self, victim: usize) -> Option<JobRef> {
        let seat = self.crew.seat(victim);
        self.take(|| seat.jobs.steal_batch_and_pop(&self.jobs))
    }

    /// Takes a batch from the injector, and returns the oldest of it.
    pub(crate) fn injected_job(&self) -> Option<JobRef> {
        let injector = &self.crew.injector;
        if injector.is_empty() {
            return None;
        }
        self.take(|| injector.steal_batch_and_pop(&self.jobs))
    }

    fn take(&self, mut steal: impl FnMut() -> Steal<JobRef>) -> Option<JobRef> {
        loop {
            match steal() {
                Steal::Empty => return None,
                Steal::Retry => hint::spin_loop(),
                Steal::Success(job) => {
                    brigade_trace::record(Kind::Steal, self.id, 1 + self.jobs.len() as u64);
                    return Some(job);
                }
            }
        }
    }
}
