//! HOT. The worker: the loop of one thread of a pool.
//!
//! A worker looks for work in this order: its own jobs, newest first; its mailbox; the injector, oldest
//! first; then the queues of other workers, stack jobs before jobs. At every [`FAIRNESS_INTERVAL`]th tick
//! the mailbox, the injector and its own oldest job come first, so that a worker that feeds itself
//! starves none of them.

pub(crate) mod begin_job;
// Unsafe: returns a reference to the worker that lives on this thread's stack.
pub(crate) mod current;
mod payoff;
// Unsafe: passing on a stack job queues a job that stands for it.
mod pass_on;
// Unsafe: turns a stolen entry into the duty to run it.
mod steal;
pub(crate) mod wait;

use crate::{
    job::{AbortOnUnwind, JobRef},
    join::{
        deque::{Deque, Owner, Position, SlowPush},
        stack_job::StackJobHeader,
        stolen::Stolen,
    },
    registry::{
        Phase, Registry, SleepCheck, WorkerEntry, config::Hook, sleep::Searching, stats::WorkerStats,
    },
    worker::payoff::StealPayoff,
};
use brigade_trace::{Domain, Id, Lane, clock, lane, live::helper_thread};
use crossbeam_deque::Worker as Queue;
use std::{
    cell::Cell,
    mem,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

/// Every how many ticks a worker looks elsewhere before its newest job. Prime, as in Go and tokio, so
/// that it does not resonate with patterns of the program.
const FAIRNESS_INTERVAL: u32 = 61;

/// A worker's private side of its worker slot. Only its thread has it.
pub(crate) struct Worker {
    stack_jobs: Arc<Deque<StackJobHeader>>,
    stats: Arc<WorkerStats>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) index: usize,
    pub(crate) jobs: Queue<JobRef>,
    /// The worker's name in a trace.
    pub(crate) id: Id,
    searching: Cell<Option<Searching>>,
    tick: Cell<u32>,
    /// How many waits the worker is in, one inside another: see `worker/wait.rs`.
    pub(crate) waits: Cell<u32>,
    pub(crate) payoff: StealPayoff,
    awake_since: Cell<Instant>,
}

/// Work that a worker can find.
pub(crate) enum Work {
    /// A job from a queue.
    Job(JobRef),
    /// A stack job of another worker.
    StackJob(Stolen),
}

impl Worker {
    fn run(&self) {
        loop {
            match self.find() {
                Some(Work::Job(job)) => self.execute(job),
                Some(Work::StackJob(stack_job)) => self.run_stolen(stack_job),
                None if self.registry.phase() == Phase::Ended => break,
                None if self.is_surplus() => {
                    if !self.wait_in_reserve() {
                        break;
                    }
                }
                None => self.fall_asleep(),
            }
        }
    }

    fn find(&self) -> Option<Work> {
        let job = self.local_job().or_else(|| self.injected_job());
        let work = job.map(Work::Job).or_else(|| {
            self.payoff.end(clock::now);
            self.search()
        });
        if work.is_some() {
            self.end_search();
        }
        work
    }

    fn local_job(&self) -> Option<JobRef> {
        let tick = self.tick.get().wrapping_add(1);
        self.tick.set(tick);
        let early = if tick.is_multiple_of(FAIRNESS_INTERVAL) { self.early_job() } else { None };
        early.or_else(|| self.jobs.pop()).or_else(|| self.mailbox())
    }

    /// Finds a job that would otherwise wait for as long as this worker has newer jobs of its own.
    #[cold]
    fn early_job(&self) -> Option<JobRef> {
        self.mailbox().or_else(|| self.injected_job()).or_else(|| self.oldest_job(self.index))
    }

    /// Searches the other workers until it finds work, or until it is time to sleep.
    fn search(&self) -> Option<Work> {
        let evidence = self.searching.take().or_else(|| self.begin_search())?;
        self.searching.set(Some(evidence));
        // When the pool has ended there is no work, and searching a thousand other workers takes long.
        if self.registry.phase() == Phase::Ended { None } else { self.search_others() }
    }

    fn execute(&self, job: JobRef) {
        self.stats().count_job();
        match self.registry.phase() {
            Phase::Cancelling => self.discard(job),
            _ => job.run(),
        }
        self.registry.end_copy_of_worker();
    }

    #[cold]
    fn discard(&self, job: JobRef) {
        let cancelled = usize::from(job.discard());
        // Relaxed: the thread that reads the sum joins this thread first.
        self.registry.cancelled.fetch_add(cancelled, Ordering::Relaxed);
    }

    /// Discharges the duty of a searching worker that has found work: see `registry/sleep.rs`.
    fn end_search(&self) {
        let Some(evidence) = self.searching.take() else { return };
        self.payoff.begin(clock::now());
        if self.registry.sleep.end_search(evidence, &*self.registry) {
            self.registry.wake_someone();
        }
    }

    /// Dozes, unless another worker dozes or the pool has ended. Returns whether it dozed and may go on.
    pub(crate) fn doze(&self, time: Duration) -> bool {
        let Some(evidence) = self.searching.take() else { return false };
        let dozed = self.registry.sleep.doze(self.index, evidence, time);
        let (evidence, dozed) = dozed.map_or_else(|evidence| (evidence, false), |evidence| (evidence, true));
        self.searching.set(Some(evidence));
        if dozed {
            self.payoff.interrupted();
            self.stats().count_park();
        }
        dozed && self.registry.phase() != Phase::Ended
    }

    fn fall_asleep(&self) {
        self.stats().count_park();
        brigade_trace::park(self.id);
        let registry = &self.registry;
        let slot = SleepCheck { registry, index: self.index };
        let evidence = registry.sleep.fall_asleep(self.index, self.searching.take(), &slot);
        self.searching.set(Some(evidence));
        self.payoff.interrupted();
        self.awake_since.set(clock::now());
        brigade_trace::unpark(self.id);
    }

    /// Runs a stack job of another worker, and tells its owner.
    pub(crate) fn run_stolen(&self, stack_job: Stolen) {
        stack_job.run(self.index, &self.registry.sleep);
    }

    // --- joining ---

    /// Returns the owner's end of the worker's deque of stack jobs.
    pub(crate) fn stack_jobs(&self) -> Owner<'_, StackJobHeader> {
        // SAFETY: a worker does not leave its thread, and no other thread owns its worker slot.
        unsafe { self.stack_jobs.owner() }
    }

    pub(crate) fn stack_job_deque(&self) -> &Deque<StackJobHeader> {
        &self.stack_jobs
    }

    /// Completes a push that reached the limit of the deque: a thread has notified this worker, or there
    /// is no room.
    #[cold]
    #[inline(never)]
    pub(crate) fn push_slow(stack_jobs: Owner<'_, StackJobHeader>, position: Position) -> SlowPush {
        stack_jobs.push_slow(position, || {
            current::with(|worker| {
                worker.expect("only workers have stack jobs").registry.announce_stack_job()
            });
        })
    }

    // --- beginning, reserve, end ---

    fn new(registry: Arc<Registry>, index: usize, searching: Searching) -> Self {
        let slot = registry.slot(index);
        let jobs = slot.take_job_queue().expect("a slot belongs to one thread at a time");
        let (stack_jobs, stats) = (slot.stack_jobs.clone(), slot.stats.clone());
        let id = Id::new(Domain::Worker, registry.first_worker + index as u64);
        Self {
            stack_jobs,
            stats,
            registry,
            index,
            jobs,
            id,
            searching: Cell::new(Some(searching)),
            tick: Cell::new(0),
            waits: Cell::new(0),
            payoff: StealPayoff::default(),
            awake_since: Cell::new(clock::now()),
        }
    }

    /// Returns when the worker last woke up: from its sleep, from the reserve, or from a wait inside a
    /// job. A doze does not count.
    pub(crate) fn awake_since(&self) -> Instant {
        self.awake_since.get()
    }

    pub(crate) fn tick_is_odd(&self) -> bool {
        self.tick.get() % 2 == 1
    }

    /// Returns the counts of this worker.
    #[inline]
    pub(crate) fn stats(&self) -> &WorkerStats {
        &self.stats
    }

    #[inline]
    fn is_surplus(&self) -> bool {
        // Relaxed: this is a hint; `begin_reserve` decides under the lock.
        self.registry.surplus.load(Ordering::Relaxed) > 0 && self.registry.begin_reserve(self.index)
    }

    #[cold]
    fn wait_in_reserve(&self) -> bool {
        self.end_search();
        let recalled = self.registry.wait_in_reserve(self.index);
        self.payoff.interrupted();
        if recalled {
            self.awake_since.set(clock::now());
            self.searching.set(Some(self.registry.sleep.counted_by_another()));
        }
        recalled
    }
}

/// The functions through which a registry starts its threads and recognises workers.
pub(crate) const ENTRY: WorkerEntry = WorkerEntry { main, is_worker: || current::address() != 0 };

/// Runs one thread of a pool, from its start to its end.
fn main(registry: Arc<Registry>, index: usize) {
    // It may sleep before it has a worker's id.
    helper_thread();
    let searching = registry.sleep.begin(index);
    let worker = Worker::new(registry, index, searching);
    lane(Lane::Pool, worker.id);
    helper_thread();
    let _policy = wait::set_policy();
    // Jobs and hooks are contained, so a panic in here is our own bug. No other thread would run the jobs
    // that this worker has, and others would wait for them for ever.
    let guard = AbortOnUnwind;
    current::enter(&worker, || {
        let hook = |hook: &Option<Hook>| {
            let call = || hook.iter().for_each(|hook| hook(index));
            brigade_handle::contain(call);
        };
        if worker.registry.config.on_start.is_some() {
            // The hook may take long, so this worker gives up the duty of a searching worker first.
            worker.end_search();
            worker.without_spare(|| hook(&worker.registry.config.on_start));
        }
        worker.run();
        // The worker no longer counts as active, or its pool has ended.
        worker.without_spare(|| hook(&worker.registry.config.on_exit));
    });
    mem::forget(guard);
    let Worker { registry, jobs, .. } = worker;
    registry.slot(index).return_job_queue(jobs);
    registry.release_index(index);
}
