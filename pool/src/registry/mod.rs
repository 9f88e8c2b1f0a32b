//! The crew: what the threads of one pool share. Its seats, its injector, its beds, and how far its life has come.

pub(crate) mod config;
mod counters;
mod drain;
mod retry;
#[cfg_attr(not(loom), allow(unreachable_pub))]
pub(crate) mod sleep;
mod spare;
pub(crate) mod stats;

use crate::{
    job::JobRef,
    join::{deque::Deque, stack_job::StackJobHeader, stolen::PassedOn},
    registry::{
        config::PoolConfig,
        retry::ThreadRetry,
        sleep::{Queues, Sleep},
        spare::Roster,
        stats::WorkerStats,
    },
};
use brigade_handle::fork::{self, Generation};
use crossbeam_deque::{Injector, Stealer, Worker as Queue};
use std::sync::{
    Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
    atomic::{self, AtomicU8, AtomicU64, AtomicUsize, Ordering},
};

/// How far the life of a pool has come. It only goes forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Phase {
    /// Takes work.
    Open,
    /// Ends when everything that is queued has been run.
    Draining,
    /// Ends when everything that is queued has been cancelled and what runs has ended.
    Cancelling,
    /// All workers are idle and all queues are empty: the threads go home.
    Ended,
}

/// One worker's queues, as the others see them.
pub(crate) struct WorkerSlot {
    pub(crate) jobs: Stealer<JobRef>,
    pub(crate) stack_jobs: Arc<Deque<StackJobHeader>>,
    pub(crate) passed_on: PassedOn,
    /// Jobs that this worker has to run itself.
    pub(crate) mailbox: Injector<JobRef>,
    pub(crate) stats: Arc<WorkerStats>,
    /// The owner's end of the jobs, while no thread sits here.
    owner_end: Mutex<Option<Queue<JobRef>>>,
}

impl WorkerSlot {
    fn new() -> Self {
        let jobs = Queue::new_lifo();
        Self {
            jobs: jobs.stealer(),
            stack_jobs: Arc::new(Deque::new()),
            passed_on: PassedOn::default(),
            mailbox: Injector::new(),
            stats: Arc::default(),
            owner_end: Mutex::new(Some(jobs)),
        }
    }

    pub(crate) fn take_job_queue(&self) -> Option<Queue<JobRef>> {
        self.owner_end.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) fn return_job_queue(&self, jobs: Queue<JobRef>) {
        *self.owner_end.lock().unwrap_or_else(PoisonError::into_inner) = Some(jobs);
    }

    fn has_work(&self) -> bool {
        !self.jobs.is_empty() || !self.stack_jobs.looks_empty()
    }
}

/// What the crew knows of the workers' code, which is built on the crew.
#[derive(Clone, Copy)]
pub(crate) struct WorkerEntry {
    /// The life of a thread, which is given its bed.
    pub(crate) main: fn(Arc<Registry>, usize),
    /// Whether the calling thread is a worker, of whatever pool.
    pub(crate) is_worker: fn() -> bool,
}

/// What the threads of one pool share.
pub(crate) struct Registry {
    /// For new threads, each of which owns a reference.
    weak_self: Weak<Self>,
    pub(crate) config: PoolConfig,
    entry: WorkerEntry,
    /// Tells the workers of several pools apart in a trace.
    pub(crate) number: u64,
    /// The process that its threads are in.
    generation: Generation,
    pub(crate) injector: Injector<JobRef>,
    /// Jobs that are begun in their order: taken one at a time, never in batches.
    pub(crate) ordered: Injector<JobRef>,
    pub(crate) sleep: Sleep,
    slots: Box<[OnceLock<WorkerSlot>]>,
    phase: AtomicU8,
    /// How many jobs were cancelled because the pool ended.
    pub(crate) cancelled: AtomicUsize,
    /// How many threads run beyond those that the pool was asked for. Written under the roster's lock.
    pub(crate) surplus: AtomicUsize,
    roster: Mutex<Roster>,
    /// A thread has gone home.
    pub(crate) thread_ended: Condvar,
    /// Tries again to start threads that were refused. None if its thread was refused as well.
    retry: OnceLock<Arc<ThreadRetry>>,
}

impl Registry {
    pub(crate) fn new(config: PoolConfig, entry: WorkerEntry) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let slots = config.threads + config.spares;
        Arc::new_cyclic(|weak_self| Self {
            weak_self: weak_self.clone(),
            // Relaxed: only uniqueness matters.
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            generation: Generation::current(),
            injector: Injector::new(),
            ordered: Injector::new(),
            sleep: Sleep::new(config.threads, slots, entry.is_worker),
            slots: (0..slots).map(|_| OnceLock::new()).collect(),
            phase: AtomicU8::new(Phase::Open as u8),
            cancelled: AtomicUsize::new(0),
            surplus: AtomicUsize::new(0),
            roster: Mutex::new(Roster::default()),
            thread_ended: Condvar::new(),
            retry: OnceLock::new(),
            config,
            entry,
        })
    }

    /// The thread that tries again, if there is one, or one can be had.
    pub(crate) fn retry(&self) -> Option<&ThreadRetry> {
        if self.retry.get().is_none() {
            // Somebody else may be quicker: it is the same one.
            _ = self.retry.set(ThreadRetry::get().ok()?);
        }
        self.retry.get().map(|retry| &**retry)
    }

    /// A thread was refused: it is to be tried again.
    pub(crate) fn report_refusal(&self) {
        self.retry().into_iter().for_each(|retry| retry.report(self.weak_self.clone()));
    }

    pub(crate) fn to_arc(&self) -> Arc<Self> {
        self.weak_self.upgrade().expect("a reference to the registry proves that somebody owns one")
    }

    /// The seat of a worker that exists or is about to.
    pub(crate) fn slot(&self, index: usize) -> &WorkerSlot {
        self.slots[index].get_or_init(WorkerSlot::new)
    }

    /// The seats that were ever used.
    pub(crate) fn slots(&self) -> impl Iterator<Item = &WorkerSlot> {
        self.slots[..self.sleep.used()].iter().filter_map(OnceLock::get)
    }

    pub(crate) fn roster(&self) -> MutexGuard<'_, Roster> {
        self.roster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn phase(&self) -> Phase {
        // Acquire pairs with `advance`.
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Open,
            1 => Phase::Draining,
            2 => Phase::Cancelling,
            _ => Phase::Ended,
        }
    }

    /// Goes forward to `phase`, and has every worker see it.
    pub(crate) fn advance(&self, phase: Phase) {
        // Release publishes why; the fence in `wake_all` pairs with the one of a worker that goes to sleep.
        self.phase.fetch_max(phase as u8, Ordering::Release);
        // If all sleep already, one wake-up for each is enough. Who ends a pool owns it, so nobody else brings work.
        if matches!(phase, Phase::Draining | Phase::Cancelling) && self.try_to_end() {
            return;
        }
        self.sleep.wake_all();
        if phase == Phase::Ended {
            self.dismiss_reserve();
        }
    }

    /// Whether this is a copy in a forked child, where none of its threads are.
    #[inline]
    pub(crate) fn is_forked(&self) -> bool {
        !self.generation.is_current()
    }

    /// Ends the copy of a worker, in a forked child, where it would run what the parent runs, or wait for what the parent has.
    #[inline]
    pub(crate) fn end_copy_of_worker(&self) {
        if self.is_forked() {
            fork::abort_copy("a job of the pool");
        }
    }

    /// Refuses work from outside that nobody would run. A worker is not asked: its joins are plain calls mostly, also in a copy of its thread.
    ///
    /// # Panics
    ///
    /// In a forked child.
    #[inline]
    pub(crate) fn assert_not_forked(&self) {
        if self.is_forked() {
            refuse_forked();
        }
    }

    // --- producing ---

    /// Queues a job with the injector.
    pub(crate) fn inject(&self, job: JobRef) {
        self.injector.push(job.or_placeholder());
        self.announce_job();
    }

    /// Queues a job that is begun after those that were queued so before.
    ///
    /// # Panics
    ///
    /// In a forked child.
    pub(crate) fn submit_ordered(&self, job: JobRef) {
        self.assert_not_forked();
        self.ordered.push(job);
        self.announce_job();
    }

    /// Posts a job to each thread that the pool has: `make` is given their beds, and makes one for each. Under the roster's
    /// lock, so that nobody goes to the reserve or home with mail.
    pub(crate) fn send_to_all(&self, make: impl FnOnce(&[usize]) -> Vec<JobRef>) {
        let mut roster = self.roster();
        self.recall_all(&mut roster);
        let messages = make(&roster.present);
        roster
            .present
            .iter()
            .zip(messages)
            .for_each(|(&index, message)| self.slot(index).mailbox.push(message));
        self.sleep.wake_these(&roster.present);
    }

    /// Sees to it that somebody finds the job that was just queued.
    #[inline]
    pub(crate) fn announce_job(&self) {
        if self.sleep.wants_wake() {
            self.wake_someone();
        }
    }

    /// Sees to it that somebody finds the half that was just pushed.
    pub(crate) fn announce_stack_job(&self) {
        self.announce_job();
    }

    /// Wakes a sleeper, or else puts a spare thread in the place of a blocked worker. Not in a forked child, where the copy of a worker works
    /// alone: there is nobody to wake, and a thread that was started there would run what the parent's run.
    #[cold]
    #[inline(never)]
    pub(crate) fn wake_someone(&self) {
        if !self.is_forked() && !self.sleep.wake_one() {
            self.fill_vacancy();
        }
    }

    /// Ends the pool if all its workers sleep, none is blocked, and nothing is queued. The last one to fall asleep
    /// sees that, since it announced itself before it looked.
    fn try_to_end(&self) -> bool {
        let (active, blocked) = {
            let roster = self.roster();
            (roster.active, roster.blocked())
        };
        let counts = self.sleep.counts();
        // Acquire: what those who sleep queued before is seen.
        atomic::fence(Ordering::Acquire);
        let idle = blocked == 0 && counts.searching() == 0 && counts.sleeping() == active as u64;
        let ended = idle && !self.have_work();
        if ended {
            self.advance(Phase::Ended);
        }
        ended
    }
}

#[cold]
#[inline(never)]
pub(crate) fn refuse_forked() -> ! {
    panic!(
        "this pool was made before the process forked, and its threads are in the parent and not in the child; make a new Pool in the \
         child, also instead of the global one"
    )
}

/// What forbids this worker to sleep: its mail, or anything that forbids it to any worker.
pub(crate) struct SleepCheck<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) index: usize,
}

impl Queues for SleepCheck<'_> {
    fn have_work(&self) -> bool {
        self.registry.have_work()
    }

    fn notify_owners(&self) {
        self.registry.notify_owners();
    }

    fn forbid_sleep(&self) -> bool {
        !self.registry.slot(self.index).mailbox.is_empty() || self.registry.forbid_sleep()
    }
}

impl Queues for Registry {
    fn have_work(&self) -> bool {
        !self.injector.is_empty() || !self.ordered.is_empty() || self.slots().any(WorkerSlot::has_work)
    }

    fn notify_owners(&self) {
        self.slots().for_each(|slot| slot.stack_jobs.notify_owner());
    }

    fn forbid_sleep(&self) -> bool {
        self.have_work()
            || match self.phase() {
                Phase::Open => false,
                Phase::Ended => true,
                Phase::Draining | Phase::Cancelling => self.try_to_end(),
            }
    }
}
