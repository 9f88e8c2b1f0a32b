//! The registry: the state that the threads of one pool share. It has the workers' slots, the injector,
//! the sleep protocol with its parking slots, and the phase of the pool's life.

pub(crate) mod config;
mod counters;
mod drain;
#[cfg(feature = "explore")]
mod explored;
mod install_times;
mod parking_slot;
mod retry;
#[cfg_attr(not(loom), allow(unreachable_pub))]
pub(crate) mod sleep;
mod slot_waits;
mod spare;
pub(crate) mod stats;

use crate::{
    job::JobRef,
    join::{deque::Deque, stack_job::StackJobHeader, stolen::PassedOn},
    registry::{
        config::PoolConfig,
        install_times::InstallTimes,
        retry::ThreadRetry,
        sleep::{Queues, Sleep},
        spare::Roster,
        stats::WorkerStats,
    },
    sync::{
        os_sync::{Condvar, Mutex, MutexGuard},
        queue_changed,
    },
    sys,
};
use brigade_handle::fork::{self, Generation};
use brigade_trace::{Domain, Resource};
use crossbeam_deque::{Injector, Stealer, Worker as Queue};
use std::sync::{
    Arc, OnceLock, PoisonError, Weak,
    atomic::{AtomicU8, AtomicUsize, Ordering},
};

/// The phase of a pool's life. It only goes forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Phase {
    /// The pool takes work.
    Open,
    /// The pool ends when every queued job has been run.
    Draining,
    /// The pool ends when every queued job has been cancelled and every running job has ended.
    Cancelling,
    /// All workers are idle and all queues are empty, so the threads end.
    Ended,
}

/// A worker slot: one worker's queues, as the other workers see them.
pub(crate) struct WorkerSlot {
    pub(crate) jobs: Stealer<JobRef>,
    pub(crate) stack_jobs: Arc<Deque<StackJobHeader>>,
    pub(crate) passed_on: PassedOn,
    /// Messages: jobs that this worker must run itself.
    pub(crate) mailbox: Injector<JobRef>,
    pub(crate) stats: Arc<WorkerStats>,
    /// The owner's end of the queue of jobs, while no thread has this slot.
    owner_end: Mutex<Option<Queue<JobRef>>>,
}

impl WorkerSlot {
    fn new() -> Self {
        let jobs = Queue::new_lifo();
        let stack_jobs = Arc::new(Deque::new());
        // So the first stack job goes through `announce_stack_job`.
        stack_jobs.notify_owner();
        Self {
            jobs: jobs.stealer(),
            stack_jobs,
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

/// The functions of the workers' code that the registry calls. The workers' code is built on the
/// registry, so it passes them in.
#[derive(Clone, Copy)]
pub(crate) struct WorkerEntry {
    /// Runs a worker thread, which gets the index of its slot.
    pub(crate) main: fn(Arc<Registry>, usize),
    /// Returns whether the calling thread is a worker, of any pool.
    pub(crate) is_worker: fn() -> bool,
}

/// The state that the threads of one pool share.
pub(crate) struct Registry {
    /// For new threads, each of which owns a reference.
    weak_self: Weak<Self>,
    pub(crate) config: PoolConfig,
    entry: WorkerEntry,
    /// The number of its first worker, in traces.
    pub(crate) first_worker: u64,
    /// The slots of a pool for blocking calls, in traces.
    blocking_slots: Resource,
    /// The process that the threads are in.
    generation: Generation,
    pub(crate) injector: Injector<JobRef>,
    /// Jobs that begin in their order. They are taken one at a time, never in batches.
    pub(crate) ordered: Injector<JobRef>,
    pub(crate) sleep: Sleep,
    pub(crate) install_times: InstallTimes,
    /// How many threads of this process could run at a time when the pool was made.
    pub(crate) processors: usize,
    /// Whether the pool has more threads than can run at a time.
    pub(crate) is_crowded: bool,
    slots: Box<[OnceLock<WorkerSlot>]>,
    phase: AtomicU8,
    /// How many jobs were cancelled because the pool ended.
    pub(crate) cancelled: AtomicUsize,
    /// How many threads run beyond the number that the pool was asked for. Written under the roster's
    /// lock.
    pub(crate) surplus: AtomicUsize,
    roster: Mutex<Roster>,
    /// Notified when a thread has ended.
    pub(crate) thread_ended: Condvar,
    /// The thread that retries to start refused threads. Empty if the system refused that thread too.
    retry: OnceLock<Arc<ThreadRetry>>,
}

impl Registry {
    pub(crate) fn new(config: PoolConfig, entry: WorkerEntry) -> Arc<Self> {
        brigade_trace::record_if_asked();
        let slots = config.threads + config.spares;
        let processors = sys::processors();
        Arc::new_cyclic(|weak_self| Self {
            weak_self: weak_self.clone(),
            first_worker: brigade_trace::worker_numbers(slots),
            blocking_slots: Resource::new(Domain::Pool),
            generation: Generation::current(),
            injector: Injector::new(),
            ordered: Injector::new(),
            sleep: if config.for_blocking_calls {
                Sleep::with_full_fences(config.threads, slots, entry.is_worker)
            } else {
                Sleep::new(config.threads, slots, entry.is_worker)
            },
            install_times: InstallTimes::new(processors),
            processors,
            is_crowded: config.threads > processors,
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

    /// Returns the thread that retries refused starts, and starts it if necessary. Returns `None` if the
    /// system refuses it.
    pub(crate) fn retry(&self) -> Option<&ThreadRetry> {
        if self.retry.get().is_none() {
            // Another thread may be faster; it sets the same one.
            _ = self.retry.set(ThreadRetry::get().ok()?);
        }
        self.retry.get().map(|retry| &**retry)
    }

    /// Notes that the system refused a thread, so that its start is retried.
    pub(crate) fn report_refusal(&self) {
        self.retry().into_iter().for_each(|retry| retry.report(self.weak_self.clone()));
    }

    pub(crate) fn to_arc(&self) -> Arc<Self> {
        self.weak_self.upgrade().expect("a reference to the registry proves that it is alive")
    }

    /// Returns the slot of a worker that exists or is about to.
    pub(crate) fn slot(&self, index: usize) -> &WorkerSlot {
        self.slots[index].get_or_init(WorkerSlot::new)
    }

    /// Returns the slots that were ever used.
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

    /// Advances to `phase`, and makes every worker see it that has to.
    pub(crate) fn advance(&self, phase: Phase) {
        // Release publishes the reason.
        self.phase.fetch_max(phase as u8, Ordering::Release);
        if phase == Phase::Ended {
            self.sleep.wake_all();
            self.dismiss_reserve();
        } else if !self.try_to_end() {
            // Sleepers may sleep on: the last worker to fall asleep ends the pool. The fence pairs with its
            // fence. Either it sees the phase, or this thread sees that all workers sleep.
            sys::heavy();
            self.try_to_end();
        }
    }

    /// Returns whether this is a copy in a forked child, which has none of its threads.
    #[inline]
    pub(crate) fn is_forked(&self) -> bool {
        !self.generation.is_current()
    }

    /// Ends the copy of a worker in a forked child, where it would run a job of the parent or wait for
    /// the parent.
    #[inline]
    pub(crate) fn end_copy_of_worker(&self) {
        if self.is_forked() {
            fork::abort_copy("a job of the pool");
        }
    }

    /// Refuses work from outside that no thread would run. Workers skip this check: most of their joins
    /// are plain calls, also in a copy of their thread.
    ///
    /// # Panics
    ///
    /// Panics in a forked child.
    #[inline]
    #[track_caller]
    pub(crate) fn assert_not_forked(&self) {
        if self.is_forked() {
            refuse_forked();
        }
    }

    // --- producing ---

    /// Queues a job with the injector.
    pub(crate) fn inject(&self, job: JobRef) {
        self.injector.push(job.or_placeholder());
        self.announce_job_from_outside();
    }

    /// Queues a job that begins after all ordered jobs that were queued before.
    ///
    /// # Panics
    ///
    /// Panics in a forked child.
    #[track_caller]
    pub(crate) fn submit_ordered(&self, job: JobRef) {
        self.assert_not_forked();
        self.ordered.push(job);
        self.announce_job_from_outside();
    }

    /// Sends a job to each thread that the pool has: `make` gets their indices, and makes one job for
    /// each. This holds the roster's lock, so that no thread enters the reserve or ends with a message.
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

    /// Makes sure that a worker finds the job that this thread has just queued, which may be no worker of
    /// this pool.
    #[inline]
    pub(crate) fn announce_job_from_outside(&self) {
        queue_changed();
        if self.sleep.wants_wake_from_outside() {
            self.wake_someone();
        }
    }

    /// Makes sure that a worker finds the job that this worker has just queued.
    #[inline]
    pub(crate) fn announce_job(&self) {
        queue_changed();
        if self.sleep.wants_wake() {
            self.wake_someone();
        }
    }

    /// Makes sure that a worker finds the stack job that was just pushed.
    pub(crate) fn announce_stack_job(&self) {
        self.sleep.note_stack_job();
        self.announce_job();
    }

    /// Wakes a sleeper, or else starts a spare thread in place of a blocked worker. It does neither in a
    /// forked child, where the copy of a worker works alone: there is no thread to wake, and a new thread
    /// would run the parent's jobs.
    #[cold]
    #[inline(never)]
    pub(crate) fn wake_someone(&self) {
        if !self.is_forked() && !self.sleep.wake_one() {
            self.fill_vacancy();
        }
    }

    /// Ends the pool if all its workers sleep, none is blocked, and nothing is queued. The last worker to
    /// fall asleep sees that, because it announced itself before it looked.
    pub(crate) fn try_to_end(&self) -> bool {
        let (active, blocked) = {
            let roster = self.roster();
            (roster.active, roster.blocked())
        };
        let idle = blocked == 0 && self.sleep.all_sleep(active);
        let ended = idle && !self.have_work();
        if ended {
            self.advance(Phase::Ended);
        }
        ended
    }
}

#[cold]
#[inline(never)]
#[track_caller]
pub(crate) fn refuse_forked() -> ! {
    panic!(
        "this pool was made before the process forked, and its threads are in the parent and not in the child; make a new Pool in the \
         child, also instead of the global one"
    )
}

/// The conditions that forbid sleep to this worker: a message in its mailbox, or anything that forbids
/// sleep to every worker.
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
