//! Stealing: what a worker takes from other workers, and how long it searches.

use crate::sync::os_thread as thread;
use crate::sync::pause;
use crate::{
    job::{JobRef, remote::ScopeBase},
    join::{deque, stack_job::StackJobHeader, stolen::Stolen},
    registry::sleep::Searching,
    worker::{Work, Worker},
};
use brigade_trace::{Kind, clock};
use crossbeam_deque::{Injector, Steal};
use std::{
    ptr::NonNull,
    time::{Duration, Instant},
};

/// Adaptive spinning: how long a worker searches before it sleeps.
///
/// A worker searches in spells. A spell takes some ten microseconds, about the cost of a heavy fence.
/// After the first spell it pays to steal a stack job whose owner does not answer. How many spells come
/// before sleep depends on how long the worker has been awake. So a program that runs one parallel loop
/// after another need not wake its workers for each loop (`classic_sieve`), and no worker wastes more
/// than a small part of its time.
///
/// A pool with more threads than processors yields to other threads between rounds (`sched_yield`): an
/// owner that is to answer a request may wait for this very processor. Other pools do not yield in the first
/// spell, although that seems polite.
/// A thread that yields to another one on its processor stays there, ready to run, until the other
/// thread's time slice is over or until the next load balancing, milliseconds later, while other
/// processors may be idle (`classic_skynet`). A thread that sleeps is put on an idle processor when it is
/// woken. After the first spell a worker yields in every pool if its last work took long. By then it waits
/// for a thread outside to bring work, and that thread may need this processor (`loop_100k_outside`).
///
/// The more victims a round has, the fewer rounds there are. A round of a thousand victims is a spell.
pub(crate) struct AdaptiveSpin<'worker> {
    worker: &'worker Worker,
    rounds: u32,
    /// How many rounds of a few victims one round takes the time of.
    round_weight: u32,
    end: Option<Instant>,
    /// Whether the worker lets other threads of its processor run between two rounds.
    yields: bool,
}

/// Rounds of pauses in a spell.
const ROUNDS_PER_SPELL: u32 = 30;
/// A look at this many victims takes about as long as the pauses of a round.
const VICTIMS_PER_ROUND: usize = 32;
/// The longest round has 2 to the power of this many pauses.
const MAX_PAUSE_EXPONENT: u32 = 4;
/// The spells after the first one may take the time since the worker woke up divided by this, but no
/// longer than the limit.
const SPIN_TIME_DIVISOR: u32 = 16;
const SPIN_TIME_LIMIT: Duration = Duration::from_micros(150);
/// How many dozes without work come before sleep.
const DOZES_PER_SEARCH: u32 = 4;

impl<'worker> AdaptiveSpin<'worker> {
    pub(crate) fn new(worker: &'worker Worker) -> Self {
        let victims = worker.registry.sleep.used();
        let round_weight = (1 + victims / VICTIMS_PER_ROUND) as u32;
        Self { worker, rounds: 0, round_weight, end: None, yields: worker.registry.is_crowded }
    }

    /// Returns whether there was no pause yet.
    fn is_fresh(&self) -> bool {
        self.rounds == 0
    }

    /// Pauses for one round. Returns false when the spell is over.
    pub(crate) fn spin_once(&mut self) -> bool {
        self.rounds += self.round_weight;
        if self.rounds > MAX_PAUSE_EXPONENT && self.yields {
            thread::yield_now();
        } else {
            pause(1 << self.rounds.min(MAX_PAUSE_EXPONENT));
        }
        self.rounds < ROUNDS_PER_SPELL
    }

    /// Begins another spell. Returns false when it is time to sleep.
    pub(crate) fn begin_spell(&mut self) -> bool {
        let now = clock::now();
        let allowed = || {
            let awake = now.saturating_duration_since(self.worker.awake_since());
            let linger = self.worker.payoff.linger_time(self.worker.registry.processors);
            (awake / SPIN_TIME_DIVISOR).min(SPIN_TIME_LIMIT).max(linger)
        };
        let end = *self.end.get_or_insert_with(|| now + allowed());
        self.rounds = MAX_PAUSE_EXPONENT;
        self.yields |= self.worker.payoff.is_coarse();
        now < end
    }
}

impl Worker {
    /// Counts this worker as searching. At most half of the workers search at a time. One more waits awake
    /// for its turn if its work has come soon lately and took longer than a wake-up: then the next piece of
    /// work will be one to share, and the worker that waits for it cannot wake a helper in time
    /// (`loop_100k_outside`). Beside jobs that are shorter it would only be in the way (`install`).
    pub(crate) fn begin_search(&self) -> Option<Searching> {
        let sleep = &self.registry.sleep;
        let searching = sleep.begin_search();
        let time = self.payoff.linger_time(self.registry.processors);
        if searching.is_some() || time.is_zero() || !self.payoff.is_coarse() {
            return searching;
        }
        let end = clock::now() + time;
        let mailbox = &self.registry.slot(self.index).mailbox;
        while mailbox.is_empty() && clock::now() < end {
            thread::yield_now();
            let searching = sleep.begin_search();
            if searching.is_some() {
                return searching;
            }
        }
        None
    }

    /// Searches the other workers for a while. If stealing does not pay off, it dozes before each of a
    /// few searches. If it cannot doze, it searches at once, so that work which forbids sleep is found.
    pub(crate) fn search_others(&self) -> Option<Work> {
        let Some(time) = self.payoff.doze_time() else { return self.spin_and_search() };
        for _ in 0..DOZES_PER_SEARCH {
            let dozed = self.doze(time);
            let work = self.spin_and_search();
            if work.is_some() || !dozed {
                return work;
            }
        }
        None
    }

    fn spin_and_search(&self) -> Option<Work> {
        let mut spin = AdaptiveSpin::new(self);
        loop {
            let work = self.search_once();
            if work.is_some() {
                if spin.is_fresh() {
                    self.payoff.found_at_once();
                }
                return work;
            }
            if !spin.spin_once() {
                let stack_job =
                    self.others().find_map(|victim| self.steal_stack_job(victim)).map(Work::StackJob);
                if stack_job.is_some() || !spin.begin_spell() {
                    return stack_job;
                }
            }
        }
    }

    /// Looks once at every other worker and at the injector.
    fn search_once(&self) -> Option<Work> {
        let steal = |victim| {
            let stack_job = self.request_stack_job(victim).map(Work::StackJob);
            stack_job.or_else(|| self.steal_job(victim).map(Work::Job))
        };
        self.others().find_map(steal).or_else(|| self.injected_job().map(Work::Job))
    }

    /// Returns the indices of the other workers. They begin with the next one, so that not all workers
    /// begin with the same victim.
    fn others(&self) -> impl Iterator<Item = usize> {
        let (own, slots) = (self.index, self.registry.sleep.used());
        (1..slots).map(move |step| (own + step) % slots)
    }

    /// Takes the stack job that the victim has on offer, or requests one.
    pub(crate) fn request_stack_job(&self, victim: usize) -> Option<Stolen> {
        let stack_jobs = &self.registry.slot(victim).stack_jobs;
        let stack_job = stack_jobs.accept_offer();
        if stack_job.is_none() {
            stack_jobs.request();
        } else if self.payoff.is_coarse() {
            // One request is for when this job is done. The other one goes to our own deque for the
            // victim, which will help if it is done first.
            stack_jobs.request();
            self.stack_job_deque().request();
        }
        stack_job.map(|stack_job| self.stolen(stack_job, victim))
    }

    /// Steals the oldest stack job of the victim, which did not answer a request because it joins nothing
    /// at the moment.
    pub(crate) fn steal_stack_job(&self, victim: usize) -> Option<Stolen> {
        match self.registry.slot(victim).stack_jobs.steal() {
            deque::Steal::Empty | deque::Steal::Gone | deque::Steal::Lost => None,
            deque::Steal::Taken(stack_job) => Some(self.stolen(stack_job, victim)),
        }
    }

    /// Counts a steal, and takes over the duty. The job came out of the victim's deque or its offer,
    /// which gives each job to one thief.
    fn stolen(&self, stack_job: NonNull<StackJobHeader>, victim: usize) -> Stolen {
        self.stats().count_steal();
        brigade_trace::record(Kind::Steal, self.id, 1);
        // SAFETY: the job came from the victim and goes to one thief, as said above.
        unsafe { Stolen::new(stack_job, victim) }
    }

    /// Steals the oldest job of the victim. It does not steal a batch: the oldest job of a tree is half
    /// of the remaining tree. Children of a scope that came along would make their owner wait, because
    /// the owner must not run unrelated jobs (`classic_skynet`).
    fn steal_job(&self, victim: usize) -> Option<JobRef> {
        self.oldest_job(victim).inspect(|_| self.stats().count_steal())
    }

    /// Takes the oldest job of a worker, which may be this one.
    pub(crate) fn oldest_job(&self, of: usize) -> Option<JobRef> {
        let jobs = &self.registry.slot(of).jobs;
        // Stealing from an empty queue pins an epoch, too; `is_empty` costs a fence alone.
        if jobs.is_empty() { None } else { self.take(|| jobs.steal()) }
    }

    /// Steals a job that the scope waits for: a descendant of it. If the stolen job is unrelated, it goes
    /// to the injector, and `steals` becomes false, so that each wait moves at most one unrelated job.
    pub(crate) fn steal_descendant(&self, scope: NonNull<ScopeBase>, steals: &mut bool) -> Option<JobRef> {
        if !*steals || self.registry.is_forked() {
            return None;
        }
        let job = self.others().find_map(|victim| self.steal_job(victim))?;
        *steals = job.is_descendant_of(scope);
        if *steals {
            return Some(job);
        }
        self.registry.inject(job);
        None
    }

    /// Takes a job that belongs to no worker: from the injector, or the oldest ordered job. Which of them
    /// comes first alternates, so neither starves the other.
    pub(crate) fn injected_job(&self) -> Option<JobRef> {
        let ordered = || oldest_of(&self.registry.ordered);
        if self.tick_is_odd() { ordered().or_else(|| self.batch()) } else { self.batch().or_else(ordered) }
    }

    /// Takes a batch from the injector, and returns the oldest job of it.
    fn batch(&self) -> Option<JobRef> {
        let injector = &self.registry.injector;
        if injector.is_empty() {
            return None;
        }
        let oldest = self.take(|| injector.steal_batch_and_pop(&self.jobs));
        // While it moved, the rest of the batch was in no queue, so a worker may have fallen asleep
        // meanwhile. A worker that searches has the duty to prevent that anyway, but this one may not be
        // searching.
        if !self.jobs.is_empty() {
            self.registry.announce_job();
        }
        oldest
    }

    /// Takes a message: a job that this worker must run itself.
    pub(crate) fn mailbox(&self) -> Option<JobRef> {
        oldest_of(&self.registry.slot(self.index).mailbox)
    }

    fn take(&self, mut steal: impl FnMut() -> Steal<JobRef>) -> Option<JobRef> {
        loop {
            match steal() {
                Steal::Empty => return None,
                Steal::Retry => pause(1),
                Steal::Success(job) => {
                    brigade_trace::record(Kind::Steal, self.id, 1 + self.jobs.len() as u64);
                    return Some(job);
                }
            }
        }
    }
}

/// Takes a single job and keeps the order of the jobs behind it.
fn oldest_of(queue: &Injector<JobRef>) -> Option<JobRef> {
    // Stealing from an empty queue costs a fence; `is_empty` does not.
    while !queue.is_empty() {
        match queue.steal() {
            Steal::Empty => return None,
            Steal::Retry => pause(1),
            Steal::Success(job) => return Some(job),
        }
    }
    None
}
