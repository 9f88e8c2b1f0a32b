//! HOT. The worker: one thread's loop, and what it does while it waits inside a job.
//!
//! Order of work: its own jobs, newest first; then its mail; then the injector, oldest first; then what others have, halves before jobs. Every
//! [`FAIR`]th time mail, the injector and its own oldest job come first, so that a worker that feeds itself starves none of them.

// Unsafe: hands out a reference to the worker that lives on this thread's stack.
pub(crate) mod current;
// Unsafe: a ticket is a job of its own.
mod pass_on;
// Unsafe: turns a stolen entry into the duty to run it.
mod steal;
pub(crate) mod wait;

use crate::{
    job::{JobRef, Stay},
    join::{
        deque::{Attended, Deque, Owner, Place},
        stack_job::HalfHeader,
        stolen::Stolen,
    },
    registry::{Crew, Entry, Kit, Phase, SeatOf, config::Hook, sleep::Searching, stats::Tally},
    worker::steal::Thrift,
};
use brigade_trace::{Domain, Id, Kind, clock};
use crossbeam_deque::Worker as Queue;
use std::{
    cell::Cell,
    mem,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

/// How often what is not the newest comes first; prime, as in Go and tokio, so as not to beat with patterns of the program.
const FAIR: u32 = 61;

/// A thread's own side of its seat. Only this thread has it.
pub(crate) struct Worker {
    halves: Arc<Deque<HalfHeader>>,
    tally: Arc<Tally>,
    pub(crate) crew: Arc<Crew>,
    pub(crate) index: usize,
    pub(crate) jobs: Queue<JobRef>,
    /// What the worker is called in a trace.
    pub(crate) id: Id,
    searching: Cell<Option<Searching>>,
    turn: Cell<u32>,
    /// How many waits it is in, one inside of another: see `spare.rs`.
    pub(crate) waits: Cell<u32>,
    pub(crate) thrift: Thrift,
    awake_since: Cell<Instant>,
}

/// What a worker can find.
pub(crate) enum Work {
    /// A job out of a queue.
    Job(JobRef),
    /// Somebody's second half.
    Half(Stolen),
}

impl Worker {
    fn run(&self) {
        loop {
            match self.find() {
                Some(Work::Job(job)) => self.execute(job),
                Some(Work::Half(half)) => self.run_stolen(half),
                None if self.crew.phase() == Phase::Ended => break,
                None if self.is_one_too_many() => {
                    if !self.stay_in_reserve() {
                        break;
                    }
                }
                None => self.rest(),
            }
        }
    }

    fn find(&self) -> Option<Work> {
        let job = self.local_job().or_else(|| self.injected_job());
        let work = job.map(Work::Job).or_else(|| {
            self.thrift.end();
            self.search()
        });
        if work.is_some() {
            self.end_search();
        }
        work
    }

    fn local_job(&self) -> Option<JobRef> {
        let turn = self.turn.get().wrapping_add(1);
        self.turn.set(turn);
        let early = if turn.is_multiple_of(FAIR) { self.early_job() } else { None };
        early.or_else(|| self.jobs.pop()).or_else(|| self.mail())
    }

    /// What would otherwise wait for as long as this worker has newer jobs of its own.
    #[cold]
    fn early_job(&self) -> Option<JobRef> {
        self.mail().or_else(|| self.injected_job()).or_else(|| self.oldest_job(self.index))
    }

    /// Looks around until there is something, or until it is time to sleep. At most half of the workers do that at a time.
    fn search(&self) -> Option<Work> {
        let evidence = self.searching.take().or_else(|| self.crew.sleep.begin_search())?;
        self.searching.set(Some(evidence));
        // At the end there is nothing, and to look at a thousand others takes long.
        if self.crew.phase() == Phase::Ended { None } else { self.look_around() }
    }

    fn execute(&self, job: JobRef) {
        self.tally().count_job();
        match self.crew.phase() {
            Phase::Cancelling => self.discard(job),
            _ => job.run(),
        }
        self.crew.end_copy_of_worker();
    }

    #[cold]
    fn discard(&self, job: JobRef) {
        let cancelled = usize::from(job.discard());
        // Relaxed: who wants the sum joins the thread first.
        self.crew.cancelled.fetch_add(cancelled, Ordering::Relaxed);
    }

    /// Discharges the duty of a searching worker that has found work: see `sleep.rs`.
    fn end_search(&self) {
        let Some(evidence) = self.searching.take() else { return };
        self.thrift.begin();
        if self.crew.sleep.end_search(evidence, &*self.crew) {
            self.crew.wake_someone();
        }
    }

    /// Dozes, unless somebody else does or the pool has ended.
    pub(crate) fn doze(&self, time: Duration) -> bool {
        let Some(evidence) = self.searching.take() else { return false };
        let dozed = self.crew.sleep.doze(self.index, evidence, time);
        let (evidence, dozed) = dozed.map_or_else(|evidence| (evidence, false), |evidence| (evidence, true));
        self.searching.set(Some(evidence));
        if dozed {
            self.tally().count_park();
        }
        dozed && self.crew.phase() != Phase::Ended
    }

    fn rest(&self) {
        self.tally().count_park();
        brigade_trace::record(Kind::Park, self.id, 0);
        let crew = &self.crew;
        let seat = SeatOf { crew, index: self.index };
        let evidence = crew.sleep.rest(self.index, self.searching.take(), &seat);
        self.searching.set(Some(evidence));
        self.awake_since.set(clock::now());
        brigade_trace::record(Kind::Unpark, self.id, 0);
    }

    /// Runs somebody's second half, and tells its owner.
    pub(crate) fn run_stolen(&self, half: Stolen) {
        half.run(self.index, &self.crew.sleep);
    }

    // --- joining ---

    /// The owner's end of the worker's halves.
    pub(crate) fn halves(&self) -> Owner<'_, HalfHeader> {
        // SAFETY: a worker does not leave its thread, and nobody else owns its seat.
        unsafe { self.halves.owner() }
    }

    pub(crate) fn shared_halves(&self) -> &Deque<HalfHeader> {
        &self.halves
    }

    /// A push reached the limit of this worker's halves: somebody rang, or there is no room.
    #[cold]
    #[inline(never)]
    pub(crate) fn attend(halves: Owner<'_, HalfHeader>, place: Place) -> Attended {
        halves.attend(place, || {
            current::with(|worker| worker.expect("only workers have halves").crew.announce_half());
        })
    }

    // --- beginning, reserve, end ---

    fn new(crew: Arc<Crew>, index: usize, kit: Kit) -> Self {
        let seat = crew.seat(index);
        let (halves, tally) = (seat.halves.clone(), seat.tally.clone());
        let id = Id::new(Domain::Worker, crew.number << 16 | index as u64);
        let searching = Cell::new(Some(crew.sleep.enlisted()));
        Self {
            halves,
            tally,
            crew,
            index,
            jobs: kit.jobs,
            id,
            searching,
            turn: Cell::new(0),
            waits: Cell::new(0),
            thrift: Thrift::default(),
            awake_since: Cell::new(clock::now()),
        }
    }

    /// When the worker last woke up, from its bed, the reserve or a wait inside a job. A doze does not count.
    pub(crate) fn awake_since(&self) -> Instant {
        self.awake_since.get()
    }

    pub(crate) fn turn_is_odd(&self) -> bool {
        self.turn.get() % 2 == 1
    }

    /// What this worker counts.
    #[inline]
    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    #[inline]
    fn is_one_too_many(&self) -> bool {
        // Relaxed: a hint; `begin_reserve` decides under the lock.
        self.crew.surplus.load(Ordering::Relaxed) > 0 && self.crew.begin_reserve(self.index)
    }

    #[cold]
    fn stay_in_reserve(&self) -> bool {
        self.end_search();
        let recalled = self.crew.stay_in_reserve(self.index);
        if recalled {
            self.awake_since.set(clock::now());
            self.searching.set(Some(self.crew.sleep.enlisted()));
        }
        recalled
    }
}

/// How a crew starts its threads, and knows them.
pub(crate) const ENTRY: Entry = Entry { main, is_worker: || current::address() != 0 };

/// The life of one thread of a pool.
fn main(crew: Arc<Crew>, index: usize) {
    crew.sleep.occupy(index);
    let kit = crew.seat(index).take_kit().expect("a bed is given to one thread at a time");
    let worker = Worker::new(crew, index, kit);
    let _policy = wait::set_policy();
    // Jobs and hooks are contained, so a panic in here is a bug of ours. Nobody would run what this worker has, and others would wait for
    // it for ever.
    let stay = Stay;
    current::enter(&worker, || {
        let hook = |hook: &Option<Hook>| {
            let call = || hook.iter().for_each(|hook| hook(index));
            brigade_handle::contain(call);
        };
        if worker.crew.plan.on_start.is_some() {
            // The hook may take its time, so the duty of one that searches is not for this worker yet.
            worker.end_search();
            worker.without_spare(|| hook(&worker.crew.plan.on_start));
        }
        worker.run();
        // It is counted as active no more, or its pool has ended.
        worker.without_spare(|| hook(&worker.crew.plan.on_exit));
    });
    mem::forget(stay);
    let Worker { crew, jobs, .. } = worker;
    crew.seat(index).leave_kit(Kit { jobs });
    crew.free_bed(index);
}
