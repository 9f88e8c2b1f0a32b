//! Stealing: what a worker takes from others, and how long it looks.

use crate::{
    job::{JobRef, remote::ScopeBase},
    join::{deque, stack_job::StackJobHeader, stolen::Stolen},
    worker::{Work, Worker},
};
use brigade_trace::{Kind, clock};
use crossbeam_deque::{Injector, Steal};
use std::{
    cell::Cell,
    hint,
    ptr::NonNull,
    time::{Duration, Instant},
};

/// How long to look. After one spell of some ten microseconds, about what a fence costs, it is time to take a half without an answer. After how many
/// it is time to sleep depends on how long the worker has been awake: so a program of one parallel loop after another need not
/// wake its workers for each of them (`classic_sieve`), and none spends more than a small part of its time in vain.
///
/// It does not let other threads run in between (`sched_yield`), which is meant to be polite and is not: a thread that yields to another on its
/// processor stays there, ready to run, until the other's time slice is over or the next balancing, milliseconds later, while other
/// processors may be idle (`classic_skynet`). One that sleeps is put on an idle processor when it is woken.
pub(crate) struct AdaptiveSpin<'worker> {
    worker: &'worker Worker,
    rounds: u32,
    end: Option<Instant>,
}

/// How many rounds a spell has.
const ROUNDS_PER_SPELL: u32 = 30;
/// The longest round is of 2 to the power of this many pauses.
const MAX_PAUSE_EXPONENT: u32 = 4;
/// Which part of the time since it woke up a worker may spend on the spells after the first, and how long at most.
const SPIN_TIME_DIVISOR: u32 = 16;
const SPIN_TIME_LIMIT: Duration = Duration::from_micros(150);

impl<'worker> AdaptiveSpin<'worker> {
    pub(crate) fn new(worker: &'worker Worker) -> Self {
        Self { worker, rounds: 0, end: None }
    }

    /// Pauses, unless the spell is over.
    pub(crate) fn spin_once(&mut self) -> bool {
        self.rounds += 1;
        (0..1 << self.rounds.min(MAX_PAUSE_EXPONENT)).for_each(|_| hint::spin_loop());
        self.rounds < ROUNDS_PER_SPELL
    }

    /// Begins another spell, unless it is time to sleep.
    pub(crate) fn begin_spell(&mut self) -> bool {
        let now = clock::now();
        let allowed = || {
            (now.saturating_duration_since(self.worker.awake_since()) / SPIN_TIME_DIVISOR)
                .min(SPIN_TIME_LIMIT)
        };
        let end = *self.end.get_or_insert_with(|| now + allowed());
        self.rounds = MAX_PAUSE_EXPONENT;
        now < end
    }
}

/// Whether stealing pays for itself. A worker whose thefts do not, dozes: see `sleep.rs`.
#[derive(Debug, Default)]
pub(crate) struct StealPayoff {
    /// When the work began that was found by searching.
    since: Cell<Option<Instant>>,
    /// How many thefts in a row did not pay.
    unpaid: Cell<u32>,
    /// Whether what came of the last one took long.
    is_coarse: Cell<bool>,
}

/// A theft is paid for by work of this length; it costs thief and victim about half of that.
const STEAL_BREAK_EVEN: Duration = Duration::from_micros(1);
/// How many in a row may be unpaid: the last pieces of a parallel loop are.
const UNPAID_STEALS_LIMIT: u32 = 6;
/// How long a doze takes, and how many may be in vain.
const DOZE_TIME: Duration = Duration::from_micros(100);
const DOZES_PER_SEARCH: u32 = 4;

/// Where pieces take that long, an owner is long in answering, so it is asked for the next half beforehand.
const COARSE_WORK: Duration = Duration::from_micros(10);

impl StealPayoff {
    /// A search has found work.
    pub(crate) fn begin(&self) {
        self.since.set(Some(clock::now()));
    }

    /// That work has come to its end.
    pub(crate) fn end(&self) {
        if let Some(since) = self.since.take() {
            let time = since.elapsed();
            let paid = time >= STEAL_BREAK_EVEN;
            self.is_coarse.set(time >= COARSE_WORK);
            self.unpaid.set(if paid { 0 } else { self.unpaid.get().saturating_add(1) });
        }
    }

    fn is_coarse(&self) -> bool {
        self.is_coarse.get()
    }

    pub(crate) fn is_doze_due(&self) -> bool {
        self.unpaid.get() >= UNPAID_STEALS_LIMIT
    }
}

impl Worker {
    /// Looks around for a while; after each of some dozes, if the thefts do not pay. It looks at once if it cannot doze, so that work which
    /// forbids it to sleep is found.
    pub(crate) fn search_others(&self) -> Option<Work> {
        if !self.payoff.is_doze_due() {
            return self.spin_and_search();
        }
        for _ in 0..DOZES_PER_SEARCH {
            let dozed = self.doze(DOZE_TIME);
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

    /// Looks once at everything that others have.
    fn search_once(&self) -> Option<Work> {
        let steal = |victim| {
            let stack_job = self.request_stack_job(victim).map(Work::StackJob);
            stack_job.or_else(|| self.steal_job(victim).map(Work::Job))
        };
        self.others().find_map(steal).or_else(|| self.injected_job().map(Work::Job))
    }

    /// The other workers. Begins with the next one, so that not all begin with the same.
    fn others(&self) -> impl Iterator<Item = usize> {
        let (own, slots) = (self.index, self.registry.sleep.used());
        (1..slots).map(move |step| (own + step) % slots)
    }

    /// Takes the half that this worker has on offer, or requests one.
    pub(crate) fn request_stack_job(&self, victim: usize) -> Option<Stolen> {
        let stack_jobs = &self.registry.slot(victim).stack_jobs;
        let stack_job = stack_jobs.accept_offer();
        if stack_job.is_none() {
            stack_jobs.request();
        } else if self.payoff.is_coarse() {
            // For when this one is done; and for the victim, which will help if it is done first.
            stack_jobs.request();
            self.stack_job_deque().request();
        }
        stack_job.map(|stack_job| self.stolen(stack_job, victim))
    }

    /// Takes the oldest half of this worker, which did not answer a request: it joins nothing at the moment.
    pub(crate) fn steal_stack_job(&self, victim: usize) -> Option<Stolen> {
        match self.registry.slot(victim).stack_jobs.steal() {
            deque::Steal::Empty | deque::Steal::Gone | deque::Steal::Lost => None,
            deque::Steal::Taken(stack_job) => Some(self.stolen(stack_job, victim)),
        }
    }

    /// Both come out of the deque of the victim, which gives each half to one thief.
    fn stolen(&self, stack_job: NonNull<StackJobHeader>, victim: usize) -> Stolen {
        self.stats().count_steal();
        brigade_trace::record(Kind::Steal, self.id, 1);
        // SAFETY: as said above.
        unsafe { Stolen::new(stack_job, victim) }
    }

    /// Takes the oldest job of this worker. Not a batch: the oldest one of a tree is half of what is left of it, and children of a
    /// scope that come along are what their owner, who may run no stranger, then has to wait for (`classic_skynet`).
    fn steal_job(&self, victim: usize) -> Option<JobRef> {
        self.oldest_job(victim).inspect(|_| self.stats().count_steal())
    }

    /// The oldest job of a worker, which may be this one.
    pub(crate) fn oldest_job(&self, of: usize) -> Option<JobRef> {
        let slot = self.registry.slot(of);
        self.take(|| slot.jobs.steal())
    }

    /// Steals a job that the scope cannot end without. What it steals may be a stranger: that goes to the injector, and `steals` is
    /// false from then on, so that each wait moves one stranger at most.
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

    /// A job of those that nobody owns: out of the injector, or the oldest ordered one. Neither can starve the other: which comes
    /// first alternates.
    pub(crate) fn injected_job(&self) -> Option<JobRef> {
        let ordered = || oldest_of(&self.registry.ordered);
        if self.tick_is_odd() { ordered().or_else(|| self.batch()) } else { self.batch().or_else(ordered) }
    }

    /// Takes a batch from the injector, and returns the oldest of it.
    fn batch(&self) -> Option<JobRef> {
        let injector = &self.registry.injector;
        if injector.is_empty() {
            return None;
        }
        let oldest = self.take(|| injector.steal_batch_and_pop(&self.jobs));
        // On its way the rest of the batch lay in no queue, so somebody may have gone to sleep over it. A worker that searches has
        // the duty anyway; this one may have come without.
        if !self.jobs.is_empty() {
            self.registry.announce_job();
        }
        oldest
    }

    /// A job that this worker has to run itself.
    pub(crate) fn mailbox(&self) -> Option<JobRef> {
        oldest_of(&self.registry.slot(self.index).mailbox)
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

/// Takes a single job: what is queued behind it stays in its order.
fn oldest_of(queue: &Injector<JobRef>) -> Option<JobRef> {
    // Taking pays a fence to find out that there is nothing.
    while !queue.is_empty() {
        match queue.steal() {
            Steal::Empty => return None,
            Steal::Retry => hint::spin_loop(),
            Steal::Success(job) => return Some(job),
        }
    }
    None
}
