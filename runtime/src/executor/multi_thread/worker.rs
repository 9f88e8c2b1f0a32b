//! A worker of the multi-threaded executor: find a task, run it, else sleep.
//!
//! HOT
//!
//! A worker looks for tasks in this order: its newest, its ring, the injector, the rings of others. Every [`MAINTENANCE_INTERVAL`] tasks the
//! injector comes first, the worker's own timers are driver_polled at, and the driver if it was left alone for [`DRIVER_POLL_INTERVAL`]. The newest
//! task goes first, but if there are others in the ring only [`MAX_LIFO_RUNS`] times in a row, so that two tasks that wake each other starve
//! nobody.
//!
//! A thief leaves alone what the owner gets to within [`STEAL_GRACE_PERIOD`]. A handful of tasks that wake one another are done sooner by one
//! worker than by two, between which the memory that the tasks share goes to and fro (requests and replies of eight clients: twice to five
//! times as soon). A task behind one that runs for longer is stolen as it always was, and at once if it lay there when the thief was
//! woken. After Go's thieves, who sleep for 3 µs before they take the newest task (`runtime/proc.go`, `runqgrab`).

use crate::{
    driver::wake::wake_all,
    executor::{
        multi_thread::{
            MultiThread,
            idle::{Awake, Watch},
            parker::{WakeReason, WakeReasons},
            run_queue::{Owner, RingSnapshot},
        },
        rng::Rng,
    },
    task::{self, Outcome, Task, budget},
};
use brigade_handle::fork::{self, Generation};
use brigade_trace::{Cause, Domain, Id, Kind, clock, record};
use std::{
    cell::{Cell, RefCell},
    hint,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

/// How many tasks run before the worker looks at anything else.
const MAINTENANCE_INTERVAL: u32 = 61;
/// How often in a row the newest task goes first.
const MAX_LIFO_RUNS: u32 = 3;
/// Thieves leave a task alone this long, because its owner will probably run it first.
const STEAL_GRACE_PERIOD: Duration = Duration::from_micros(3);
/// A ring with more tasks than this is stolen from at once: its owner does not get to the last of them within the grace period, since
/// nothing runs in less than 50 ns.
const ALWAYS_STOLEN_LENGTH: usize = 60;
/// How many times a thief looks at the other rings before it gives up, while tasks come and go.
const STEAL_ATTEMPTS: u32 = 8;
/// How long the driver may be left alone while there is work.
const DRIVER_POLL_INTERVAL: Duration = Duration::from_micros(50);
/// How often the watcher looks.
const WATCH_INTERVAL: Duration = Duration::from_millis(3);

/// What only the worker's thread touches.
pub(crate) struct Worker {
    pub(crate) index: usize,
    pub(crate) shared: Arc<MultiThread>,
    queue: Owner,
    rng: RefCell<Rng>,
    /// As what it counts in `MultiThread::idle`.
    awake: Cell<Awake>,
    /// It was on watch and has seen a newest task that nobody ran.
    may_steal_lifo_task: Cell<bool>,
    tick: Cell<u32>,
    lifo_runs: Cell<u32>,
    driver_polled: Cell<Instant>,
    /// The tails of all rings, as this worker saw them before it waited, as a thief.
    seen_tails: Box<[Cell<usize>]>,
    /// The process of this thread, and not of its copy.
    generation: Generation,
}

/// A ring that a thief has seen, and how many tasks it held.
struct LongestRing {
    victim: usize,
    tasks: usize,
}

/// Waits without sleeping.
fn spin_for(time: Duration) {
    let end = clock::now() + time;
    while clock::now() < end {
        hint::spin_loop();
    }
}

impl Worker {
    pub(crate) fn new(index: usize, shared: Arc<MultiThread>, queue: Owner) -> Self {
        Self {
            index,
            queue,
            rng: RefCell::new(Rng::fast(index + 1)),
            awake: Cell::new(Awake::Working),
            may_steal_lifo_task: Cell::new(false),
            tick: Cell::new(0),
            lifo_runs: Cell::new(0),
            driver_polled: Cell::new(shared.driver.timers.clock.now()),
            seen_tails: shared.remotes.iter().map(|_| Cell::new(0)).collect(),
            generation: Generation::current(),
            shared,
        }
    }

    /// The loop.
    pub(crate) fn run(&self) {
        while !self.shared.is_stopped() {
            match self.next().or_else(|| self.search()) {
                Some(task) => self.poll(task),
                None => self.sleep(),
            }
        }
    }

    #[inline]
    fn poll(&self, task: Task) {
        if self.awake.get() == Awake::Searching {
            self.found();
        }
        budget::renew();
        match task.run() {
            Outcome::Done => {}
            // It was woken while it ran: behind the others, so that it cannot starve them.
            Outcome::Again(task) => self.push_back(task),
        }
        if !self.generation.is_current() {
            fork::abort_copy("a task of a runtime");
        }
    }

    /// A task of this worker's own, or of the injector.
    #[inline]
    fn next(&self) -> Option<Task> {
        let tick = self.tick.get().wrapping_add(1);
        self.tick.set(tick);
        if tick.is_multiple_of(MAINTENANCE_INTERVAL) {
            self.maintain();
            if let Some(task) = self.pop_injected() {
                return Some(task);
            }
        }
        if self.lifo_runs.get() < MAX_LIFO_RUNS || !self.queue.has_ring_tasks() {
            if let Some(task) = self.queue.pop_lifo_slot() {
                self.lifo_runs.set(self.lifo_runs.get().saturating_add(1));
                return Some(task);
            }
        } else if let Some(task) = self.queue.pop_lifo_slot() {
            self.push_back(task);
        }
        self.lifo_runs.set(0);
        self.queue.pop().or_else(|| self.pop_injected())
    }

    /// A task of the injector, with some more for the ring.
    #[inline]
    fn pop_injected(&self) -> Option<Task> {
        let injector = &self.shared.injector;
        if injector.len() == 0 {
            return None;
        }
        // A fair share, and no more than half of the ring's room, so that none of it overflows.
        let share = |len: usize| (len / self.shared.workers()).min(self.queue.room() / 2);
        injector.pop_batch(share, |task| {
            self.queue.push(task, |_| unreachable!("there is room for half of the room"))
        })
    }

    /// Queues a task that was woken or spawned by this worker.
    #[inline]
    pub(crate) fn schedule(&self, task: Task) {
        if let Some(older) = self.queue.replace_lifo_slot(task) {
            self.push_back(older);
        }
    }

    /// Queues a task behind the others, where others can take it.
    #[inline]
    fn push_back(&self, task: Task) {
        self.queue.push(task, |surplus| self.shared.injector.push_all(surplus));
        self.shared.notify(Some(self.index));
    }

    /// Takes in a task that was just spawned by this worker. It is cancelled if the runtime ends.
    pub(crate) fn take_in(&self, task: Task) {
        self.shared.owned.spawned(Some(self.index));
        if self.shared.owned.is_closing() {
            task::refuse(task);
        } else {
            self.schedule(task);
        }
    }

    /// Looks for a task of other workers, unless enough others look.
    #[cold]
    fn search(&self) -> Option<Task> {
        if self.awake.get() == Awake::Working {
            if !self.shared.idle.try_search() {
                return None;
            }
            self.awake.set(Awake::Searching);
        }
        let victims = &self.shared.remotes;
        let first = self.rng.borrow_mut().pick(victims.len());
        let others =
            (0..victims.len()).map(|n| (first + n) % victims.len()).filter(|&victim| victim != self.index);
        if let Some(task) = self.steal(others.clone()) {
            return Some(task);
        }
        if let Some(task) = self.pop_injected() {
            return Some(task);
        }
        if self.may_steal_lifo_task.take() {
            return { others }.find_map(|victim| victims[victim].queue.steal_lifo_task());
        }
        None
    }

    /// Steals half of another worker's ring. From a short ring it steals only tasks that have lain there for longer than
    /// [`STEAL_GRACE_PERIOD`].
    fn steal(&self, others: impl Iterator<Item = usize> + Clone) -> Option<Task> {
        if let Some(task) = self.steal_announced() {
            return Some(task);
        }
        for _ in 0..STEAL_ATTEMPTS {
            if self.shared.injector.len() > 0 {
                return None;
            }
            let longest = self.snapshot(others.clone())?;
            let stolen = if longest.tasks > ALWAYS_STOLEN_LENGTH {
                self.steal_from(longest.victim)
            } else {
                spin_for(STEAL_GRACE_PERIOD);
                self.steal_stale(others.clone())
            };
            if stolen.is_some() {
                return stolen;
            }
        }
        None
    }

    /// Steals what this worker was woken for, if it is still there: waking up takes longer than the grace period.
    fn steal_announced(&self) -> Option<Task> {
        let remotes = &self.shared.remotes;
        let announced = &remotes[self.index].announced;
        // Relaxed, both: hints, which the wake-up has published.
        let victim = announced.victim.load(Ordering::Relaxed);
        let tail = announced.tail.load(Ordering::Relaxed);
        remotes[victim].queue.has_task_before(tail).then(|| self.steal_from(victim)).flatten()
    }

    /// Notes the tails of the other rings, and finds the longest ring. Returns `None` if all are empty.
    fn snapshot(&self, others: impl Iterator<Item = usize>) -> Option<LongestRing> {
        let mut longest = LongestRing { victim: 0, tasks: 0 };
        for victim in others {
            let RingSnapshot { tail, tasks } = self.shared.remotes[victim].queue.snapshot();
            self.seen_tails[victim].set(tail);
            if tasks > longest.tasks {
                longest = LongestRing { victim, tasks };
            }
        }
        (longest.tasks > 0).then_some(longest)
    }

    /// Steals from the first ring that still holds a task from before the last snapshot.
    fn steal_stale(&self, others: impl Iterator<Item = usize>) -> Option<Task> {
        let has_stale = |victim: &usize| {
            self.shared.remotes[*victim].queue.has_task_before(self.seen_tails[*victim].get())
        };
        others.filter(has_stale).find_map(|victim| self.steal_from(victim))
    }

    fn steal_from(&self, victim: usize) -> Option<Task> {
        let stolen = self.shared.remotes[victim].queue.steal(&self.queue)?;
        record(Kind::Steal, Id::new(Domain::Worker, self.index as u64), stolen.tasks as u64);
        Some(stolen.first)
    }

    /// Ends a search that was successful.
    #[cold]
    fn found(&self) {
        self.awake.set(Awake::Working);
        self.may_steal_lifo_task.set(false);
        if self.shared.idle.stop_search() && self.shared.has_tasks() {
            self.shared.notify(Some(self.index));
        }
    }

    /// Sleeps until there is something to do, in the driver if nobody else does.
    #[cold]
    fn sleep(&self) {
        let shared = &self.shared;
        let id = Id::new(Domain::Worker, self.index as u64);
        let mut watch = shared.idle.fall_asleep(self.index, self.awake.replace(Awake::Working));
        // See the head of `idle.rs`: the one who is woken may well be this worker.
        if shared.has_tasks() {
            shared.notify(Some(self.index));
        }
        shared.owned.wake_if_empty();
        record(Kind::Park, id, 0);
        loop {
            let called = self.sleep_once(watch);
            if called.contains(WakeReason::Search) || !self.queue.is_empty() || shared.is_stopped() {
                break;
            }
            if called.contains(WakeReason::Watch) {
                watch = Watch::Yes;
            } else if watch == Watch::Yes {
                // A newest task that is there now was there all the time, as far as anybody knows.
                if shared.remotes.iter().any(|remote| remote.queue.has_lifo_task()) {
                    self.may_steal_lifo_task.set(true);
                    break;
                }
                watch = shared.idle.watch_on(self.index);
            }
        }
        record(Kind::Unpark, id, 0);
        self.awake.set(shared.idle.wake_up(self.index, |watcher| shared.wake(watcher, WakeReason::Watch)));
    }

    /// Sleeps once.
    fn sleep_once(&self, watch: Watch) -> WakeReasons {
        let parker = &self.shared.remotes[self.index].parker;
        let at_most = (watch == Watch::Yes).then_some(WATCH_INTERVAL);
        let Some(mut driver) = self.shared.driver.try_lock() else { return parker.park(at_most) };
        if let Err(called) = parker.enter_driver() {
            return called;
        }
        let mut called = None;
        driver.sleep(at_most, || called = Some(parker.take_reasons()));
        called.unwrap_or_else(|| parker.take_reasons())
    }

    /// What has to be done now and then while there is work.
    #[cold]
    fn maintain(&self) {
        let timers = &self.shared.driver.timers;
        let now = timers.clock.now();
        let mut fired = Vec::new();
        timers.expire_one(self.index, timers.clock.tick_at(now), &mut fired);
        wake_all(Cause::Timer, &mut fired);
        if now - self.driver_polled.get() > DRIVER_POLL_INTERVAL {
            self.driver_polled.set(now);
            if let Some(mut driver) = self.shared.driver.try_lock() {
                driver.poll_now();
            }
        }
    }
}
