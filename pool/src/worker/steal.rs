//! Stealing: what a worker takes from others, and how long it looks.

use crate::{
    job::{JobRef, remote::Lineage},
    join::{deque, stack_job::HalfHeader, stolen::Stolen},
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
pub(crate) struct Pause<'worker> {
    worker: &'worker Worker,
    rounds: u32,
    end: Option<Instant>,
}

/// How many rounds a spell has.
const ROUNDS: u32 = 30;
/// The longest round is of 2 to the power of this many pauses.
const LONGEST: u32 = 4;
/// Which part of the time since it woke up a worker may spend on the spells after the first, and how long at most.
const PART: u32 = 16;
const AT_MOST: Duration = Duration::from_micros(150);

impl<'worker> Pause<'worker> {
    pub(crate) fn new(worker: &'worker Worker) -> Self {
        Self { worker, rounds: 0, end: None }
    }

    /// Pauses, unless the spell is over.
    pub(crate) fn once_more(&mut self) -> bool {
        self.rounds += 1;
        (0..1 << self.rounds.min(LONGEST)).for_each(|_| hint::spin_loop());
        self.rounds < ROUNDS
    }

    /// Begins another spell, unless it is time to sleep.
    pub(crate) fn begin_again(&mut self) -> bool {
        let now = clock::now();
        let allowed = || (now.saturating_duration_since(self.worker.awake_since()) / PART).min(AT_MOST);
        let end = *self.end.get_or_insert_with(|| now + allowed());
        self.rounds = LONGEST;
        now < end
    }
}

/// Whether stealing pays for itself. A worker whose thefts do not, dozes: see `sleep.rs`.
#[derive(Debug, Default)]
pub(crate) struct Thrift {
    /// When the work began that was found by searching.
    since: Cell<Option<Instant>>,
    /// How many thefts in a row did not pay.
    unpaid: Cell<u32>,
    /// Whether what came of the last one took long.
    is_coarse: Cell<bool>,
}

/// A theft is paid for by work of this length; it costs thief and victim about half of that.
const WORTH: Duration = Duration::from_micros(1);
/// How many in a row may be unpaid: the last pieces of a parallel loop are.
const PATIENCE: u32 = 6;
/// How long a doze takes, and how many may be in vain.
const DOZE: Duration = Duration::from_micros(100);
const DOZES: u32 = 4;

/// Where pieces take that long, an owner is long in answering, so it is asked for the next half beforehand.
const COARSE: Duration = Duration::from_micros(10);

impl Thrift {
    /// A search has found work.
    pub(crate) fn begin(&self) {
        self.since.set(Some(clock::now()));
    }

    /// That work has come to its end.
    pub(crate) fn end(&self) {
        if let Some(since) = self.since.take() {
            let time = since.elapsed();
            let paid = time >= WORTH;
            self.is_coarse.set(time >= COARSE);
            self.unpaid.set(if paid { 0 } else { self.unpaid.get().saturating_add(1) });
        }
    }

    fn is_coarse(&self) -> bool {
        self.is_coarse.get()
    }

    pub(crate) fn is_used_up(&self) -> bool {
        self.unpaid.get() >= PATIENCE
    }
}

impl Worker {
    /// Looks around for a while; after each of some dozes, if the thefts do not pay. It looks at once if it cannot doze, so that work which
    /// forbids it to sleep is found.
    pub(crate) fn look_around(&self) -> Option<Work> {
        if !self.thrift.is_used_up() {
            return self.keep_looking();
        }
        for _ in 0..DOZES {
            let dozed = self.doze(DOZE);
            let work = self.keep_looking();
            if work.is_some() || !dozed {
                return work;
            }
        }
        None
    }

    fn keep_looking(&self) -> Option<Work> {
        let mut pause = Pause::new(self);
        loop {
            let work = self.look();
            if work.is_some() {
                return work;
            }
            if !pause.once_more() {
                let half = self.others().find_map(|victim| self.take_half(victim)).map(Work::Half);
                if half.is_some() || !pause.begin_again() {
                    return half;
                }
            }
        }
    }

    /// Looks once at everything that others have.
    fn look(&self) -> Option<Work> {
        let steal = |victim| {
            let half = self.request_half(victim).map(Work::Half);
            half.or_else(|| self.steal_job(victim).map(Work::Job))
        };
        self.others().find_map(steal).or_else(|| self.injected_job().map(Work::Job))
    }

    /// The other workers. Begins with the next one, so that not all begin with the same.
    fn others(&self) -> impl Iterator<Item = usize> {
        let (own, seats) = (self.index, self.crew.sleep.occupied());
        (1..seats).map(move |step| (own + step) % seats)
    }

    /// Takes the half that this worker has on offer, or requests one.
    pub(crate) fn request_half(&self, victim: usize) -> Option<Stolen> {
        let halves = &self.crew.seat(victim).halves;
        let half = halves.accept();
        if half.is_none() {
            halves.request();
        } else if self.thrift.is_coarse() {
            // For when this one is done; and for the victim, which will help if it is done first.
            halves.request();
            self.shared_halves().request();
        }
        half.map(|half| self.stolen(half, victim))
    }

    /// Takes the oldest half of this worker, which did not answer a request: it joins nothing at the moment.
    pub(crate) fn take_half(&self, victim: usize) -> Option<Stolen> {
        match self.crew.seat(victim).halves.steal() {
            deque::Steal::Empty | deque::Steal::Gone | deque::Steal::Lost => None,
            deque::Steal::Taken(half) => Some(self.stolen(half, victim)),
        }
    }

    /// Both come out of the deque of the victim, which gives each half to one thief.
    fn stolen(&self, half: NonNull<HalfHeader>, victim: usize) -> Stolen {
        self.tally().count_steal();
        brigade_trace::record(Kind::Steal, self.id, 1);
        // SAFETY: as said above.
        unsafe { Stolen::new(half, victim) }
    }

    /// Takes the oldest job of this worker. Not a batch: the oldest one of a tree is half of what is left of it, and children of a
    /// scope that come along are what their owner, who may run no stranger, then has to wait for (`classic_skynet`).
    fn steal_job(&self, victim: usize) -> Option<JobRef> {
        self.oldest_job(victim).inspect(|_| self.tally().count_steal())
    }

    /// The oldest job of a worker, which may be this one.
    pub(crate) fn oldest_job(&self, of: usize) -> Option<JobRef> {
        let seat = self.crew.seat(of);
        self.take(|| seat.jobs.steal())
    }

    /// Steals a job that the scope cannot end without. What it steals may be a stranger: that goes to the injector, and `steals` is
    /// false from then on, so that each wait moves one stranger at most.
    pub(crate) fn steal_within(&self, scope: NonNull<Lineage>, steals: &mut bool) -> Option<JobRef> {
        if !*steals || self.crew.is_forked() {
            return None;
        }
        let job = self.others().find_map(|victim| self.steal_job(victim))?;
        *steals = job.is_within(scope);
        if *steals {
            return Some(job);
        }
        self.crew.inject(job);
        None
    }

    /// A job of those that nobody owns: out of the injector, or the oldest ordered one. Neither can starve the other: which comes
    /// first alternates.
    pub(crate) fn injected_job(&self) -> Option<JobRef> {
        let ordered = || oldest_of(&self.crew.ordered);
        if self.turn_is_odd() { ordered().or_else(|| self.batch()) } else { self.batch().or_else(ordered) }
    }

    /// Takes a batch from the injector, and returns the oldest of it.
    fn batch(&self) -> Option<JobRef> {
        let injector = &self.crew.injector;
        if injector.is_empty() {
            return None;
        }
        let oldest = self.take(|| injector.steal_batch_and_pop(&self.jobs));
        // On its way the rest of the batch lay in no queue, so somebody may have gone to sleep over it. A worker that searches has
        // the duty anyway; this one may have come without.
        if !self.jobs.is_empty() {
            self.crew.announce_job();
        }
        oldest
    }

    /// A job that this worker has to run itself.
    pub(crate) fn mail(&self) -> Option<JobRef> {
        oldest_of(&self.crew.seat(self.index).mail)
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
