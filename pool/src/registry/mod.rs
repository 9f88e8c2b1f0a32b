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
    join::{deque::Deque, stack_job::HalfHeader, stolen::PassedOn},
    registry::{
        config::Plan,
        retry::Retry,
        sleep::{Queues, Sleep},
        spare::Roster,
        stats::Tally,
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
pub(crate) struct Seat {
    pub(crate) jobs: Stealer<JobRef>,
    pub(crate) halves: Arc<Deque<HalfHeader>>,
    pub(crate) passed_on: PassedOn,
    /// Jobs that this worker has to run itself.
    pub(crate) mail: Injector<JobRef>,
    pub(crate) tally: Arc<Tally>,
    /// The owner's end of the jobs, while no thread sits here.
    kit: Mutex<Option<Kit>>,
}

/// The owner's end of a seat's queue of jobs.
pub(crate) struct Kit {
    pub(crate) jobs: Queue<JobRef>,
}

impl Seat {
    fn new() -> Self {
        let kit = Kit { jobs: Queue::new_lifo() };
        Self {
            jobs: kit.jobs.stealer(),
            halves: Arc::new(Deque::new()),
            passed_on: PassedOn::default(),
            mail: Injector::new(),
            tally: Arc::default(),
            kit: Mutex::new(Some(kit)),
        }
    }

    pub(crate) fn take_kit(&self) -> Option<Kit> {
        self.kit.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) fn leave_kit(&self, kit: Kit) {
        *self.kit.lock().unwrap_or_else(PoisonError::into_inner) = Some(kit);
    }

    fn has_work(&self) -> bool {
        !self.jobs.is_empty() || !self.halves.looks_empty()
    }
}

/// What the crew knows of the workers' code, which is built on the crew.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    /// The life of a thread, which is given its bed.
    pub(crate) main: fn(Arc<Crew>, usize),
    /// Whether the calling thread is a worker, of whatever pool.
    pub(crate) is_worker: fn() -> bool,
}

/// What the threads of one pool share.
pub(crate) struct Crew {
    /// For new threads, each of which owns a reference.
    me: Weak<Self>,
    pub(crate) plan: Plan,
    entry: Entry,
    /// Tells the workers of several pools apart in a trace.
    pub(crate) number: u64,
    /// The process that its threads are in.
    generation: Generation,
    pub(crate) injector: Injector<JobRef>,
    /// Jobs that are begun in their order: taken one at a time, never in batches.
    pub(crate) ordered: Injector<JobRef>,
    pub(crate) sleep: Sleep,
    seats: Box<[OnceLock<Seat>]>,
    phase: AtomicU8,
    /// How many jobs were cancelled because the pool ended.
    pub(crate) cancelled: AtomicUsize,
    /// How many threads run beyond those that the pool was asked for. Written under the roster's lock.
    pub(crate) surplus: AtomicUsize,
    roster: Mutex<Roster>,
    /// A thread has gone home.
    pub(crate) bed_freed: Condvar,
    /// Tries again to start threads that were refused. None if its thread was refused as well.
    retry: OnceLock<Arc<Retry>>,
}

impl Crew {
    pub(crate) fn new(plan: Plan, entry: Entry) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let seats = plan.threads + plan.spares;
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            // Relaxed: only uniqueness matters.
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            generation: Generation::current(),
            injector: Injector::new(),
            ordered: Injector::new(),
            sleep: Sleep::new(plan.threads, seats, entry.is_worker),
            seats: (0..seats).map(|_| OnceLock::new()).collect(),
            phase: AtomicU8::new(Phase::Open as u8),
            cancelled: AtomicUsize::new(0),
            surplus: AtomicUsize::new(0),
            roster: Mutex::new(Roster::default()),
            bed_freed: Condvar::new(),
            retry: OnceLock::new(),
            plan,
            entry,
        })
    }

    /// The thread that tries again, if there is one, or one can be had.
    pub(crate) fn retry(&self) -> Option<&Retry> {
        if self.retry.get().is_none() {
            // Somebody else may be quicker: it is the same one.
            _ = self.retry.set(Retry::get().ok()?);
        }
        self.retry.get().map(|retry| &**retry)
    }

    /// A thread was refused: it is to be tried again.
    pub(crate) fn report_refusal(&self) {
        self.retry().into_iter().for_each(|retry| retry.report(self.me.clone()));
    }

    pub(crate) fn myself(&self) -> Arc<Self> {
        self.me.upgrade().expect("a reference to the crew proves that somebody owns one")
    }

    /// The seat of a worker that exists or is about to.
    pub(crate) fn seat(&self, index: usize) -> &Seat {
        self.seats[index].get_or_init(Seat::new)
    }

    /// The seats that were ever used.
    pub(crate) fn seats(&self) -> impl Iterator<Item = &Seat> {
        self.seats[..self.sleep.occupied()].iter().filter_map(OnceLock::get)
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
        self.injector.push(job.or_ticket());
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
    pub(crate) fn post_to_all(&self, make: impl FnOnce(&[usize]) -> Vec<JobRef>) {
        let mut roster = self.roster();
        self.recall_all(&mut roster);
        let letters = make(&roster.present);
        roster.present.iter().zip(letters).for_each(|(&bed, letter)| self.seat(bed).mail.push(letter));
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
    pub(crate) fn announce_half(&self) {
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
pub(crate) struct SeatOf<'a> {
    pub(crate) crew: &'a Crew,
    pub(crate) index: usize,
}

impl Queues for SeatOf<'_> {
    fn have_work(&self) -> bool {
        self.crew.have_work()
    }

    fn ring(&self) {
        self.crew.ring();
    }

    fn forbid_sleep(&self) -> bool {
        !self.crew.seat(self.index).mail.is_empty() || self.crew.forbid_sleep()
    }
}

impl Queues for Crew {
    fn have_work(&self) -> bool {
        !self.injector.is_empty() || !self.ordered.is_empty() || self.seats().any(Seat::has_work)
    }

    fn ring(&self) {
        self.seats().for_each(|seat| seat.halves.ring());
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
