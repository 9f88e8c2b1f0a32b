//! A worker of the multi-threaded executor: it finds a task, runs it, and sleeps when there is none.
//!
//! HOT
//!
//! A worker looks for a task in four places, in this order: its LIFO slot, its ring, the injector, the
//! rings of the other workers. The task in the LIFO slot runs before the ring. If the ring holds tasks, the
//! slot goes first only [`MAX_LIFO_RUNS`] times in a row, so two tasks that wake each other starve nobody;
//! if polls are long, only once.
//!
//! After some polls, as many as [`CheckInterval`] says, there is a check: the worker fires its own timers,
//! polls the driver if its last such poll was more than [`MAX_ROUND`] ago and no other thread is in the
//! driver, and takes its next task from the injector. If polls are long, the tasks that were woken by these
//! timers and events go to the injector too, where they do not wait behind the ring and where every worker
//! sees them. The injector and the rings then take [`Turns`].
//!
//! A thief leaves a task alone if its owner will reach it within [`STEAL_GRACE_PERIOD`]. One worker
//! finishes a handful of tasks that wake one another sooner than two workers do, because the memory that
//! the tasks share stays in one cache. Requests and replies of eight clients finish two to five times as
//! soon. A task that waits behind a longer one is stolen after that period, and it is stolen at once if it
//! was already in the ring when the thief was woken. The period follows Go, whose thieves sleep for 3 µs
//! before they take the newest task (`runtime/proc.go`, `runqgrab`).

use crate::{
    driver::wake::wake_all,
    executor::{
        check_interval::{CheckInterval, MAX_ROUND, Turns},
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
use brigade_trace::{Cause, Domain, Id, Kind, Lane, clock, lane, park, record, unpark};
use std::{
    cell::{Cell, RefCell},
    hint,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

/// The number of times in a row that the LIFO slot goes before a ring that holds tasks, if polls are short.
const MAX_LIFO_RUNS: u32 = 3;
/// Thieves leave a task alone this long, because its owner will probably run it first.
const STEAL_GRACE_PERIOD: Duration = Duration::from_micros(3);
/// A ring with more tasks than this is stolen from at once. Its owner cannot reach the last of them within
/// the grace period, since no task runs in less than 50 ns.
const ALWAYS_STOLEN_LENGTH: usize = 60;
/// The number of snapshots that a thief takes before it gives up, while tasks come and go.
const STEAL_ATTEMPTS: u32 = 8;
/// The time that the watcher sleeps between two looks at the other workers.
const WATCH_INTERVAL: Duration = Duration::from_millis(3);

/// The part of a worker that only its own thread touches.
pub(crate) struct Worker {
    pub(crate) index: usize,
    pub(crate) shared: Arc<MultiThread>,
    queue: Owner,
    rng: RefCell<Rng>,
    /// How this worker is counted in `MultiThread::idle`.
    awake: Cell<Awake>,
    /// Set by a worker on watch that has seen a task in a LIFO slot which its owner did not run.
    may_steal_lifo_task: Cell<bool>,
    interval: CheckInterval,
    turns: Turns,
    /// True while a check wakes tasks that go to the injector.
    wakes_external: Cell<bool>,
    lifo_runs: Cell<u32>,
    /// The number of times in a row that the LIFO slot goes before a ring that holds tasks.
    max_lifo_runs: Cell<u32>,
    driver_polled: Cell<Instant>,
    /// The tails of all rings at the last snapshot, which this worker takes as a thief.
    seen_tails: Box<[Cell<usize>]>,
    /// The process that made this thread. A forked child is another one.
    generation: Generation,
}

/// The longest ring of a snapshot, and the number of tasks in it.
struct LongestRing {
    victim: usize,
    tasks: usize,
}

/// Spins for this long.
fn spin_for(time: Duration) {
    let end = clock::now() + time;
    while clock::now() < end {
        hint::spin_loop();
    }
}

impl Worker {
    pub(crate) fn new(index: usize, shared: Arc<MultiThread>, queue: Owner) -> Self {
        let now = shared.driver.timers.clock.now();
        Self {
            index,
            queue,
            rng: RefCell::new(Rng::fast(index + 1)),
            awake: Cell::new(Awake::Working),
            may_steal_lifo_task: Cell::new(false),
            interval: CheckInterval::new(now),
            turns: Turns::new(),
            wakes_external: Cell::new(false),
            lifo_runs: Cell::new(0),
            max_lifo_runs: Cell::new(MAX_LIFO_RUNS),
            driver_polled: Cell::new(now),
            seen_tails: shared.remotes.iter().map(|_| Cell::new(0)).collect(),
            generation: Generation::current(),
            shared,
        }
    }

    /// The loop: runs tasks until the executor stops.
    pub(crate) fn run(&self) {
        lane(Lane::Runtime, Id::new(Domain::Worker, self.index as u64));
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
        self.interval.count_poll();
        budget::renew();
        match task.run() {
            Outcome::Done => {}
            // The task was woken while it ran. It goes behind the others, so that it cannot starve them.
            Outcome::Again(task) => self.push_back(task),
        }
        if !self.generation.is_current() {
            fork::abort_copy("a task of a runtime");
        }
    }

    /// Takes a task from this worker's own queue, or from the injector.
    #[inline]
    fn next(&self) -> Option<Task> {
        if self.interval.is_due()
            && let Some(task) = self.check()
        {
            return Some(task);
        }
        if self.lifo_runs.get() < self.max_lifo_runs.get() || !self.queue.has_ring_tasks() {
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

    /// Takes a task from the injector, and moves a share of the others into the ring.
    #[inline]
    fn pop_injected(&self) -> Option<Task> {
        let injector = &self.shared.injector;
        if injector.len() == 0 {
            return None;
        }
        // The share is this worker's part of the injector. It is at most half of the free room, so the ring
        // does not overflow. A long poll is not worth a share: behind the ring the tasks would wait.
        let keeps_order = self.interval.is_after_each_poll() && self.queue.has_ring_tasks();
        let share = |len: usize| {
            if keeps_order { 0 } else { (len / self.shared.workers()).min(self.queue.room() / 2) }
        };
        injector.pop_batch(share, |task| {
            self.queue.push(task, |_| unreachable!("there is room for half of the room"))
        })
    }

    /// Queues a task that this worker woke or spawned: it goes into the LIFO slot. During a check of long
    /// polls it goes to the injector.
    #[inline]
    pub(crate) fn schedule(&self, task: Task) {
        if self.wakes_external.get() {
            self.shared.inject(task);
        } else if let Some(older) = self.queue.replace_lifo_slot(task) {
            self.push_back(older);
        }
    }

    /// Queues a task at the end of the ring, where other workers can steal it.
    #[inline]
    fn push_back(&self, task: Task) {
        self.queue.push(task, |surplus| self.shared.injector.push_all(surplus));
        self.shared.notify(Some(self.index));
    }

    /// Takes in a task that this worker has just spawned. The task is cancelled if the runtime is ending.
    pub(crate) fn take_in(&self, task: Task) {
        self.shared.owned.spawned(Some(self.index));
        if self.shared.owned.is_closing() {
            task::refuse(task);
        } else {
            self.schedule(task);
        }
    }

    /// Looks for a task of another worker, unless enough workers are searching already.
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

    /// Steals half of another worker's ring. It steals from a short ring only if some task has lain there
    /// for longer than [`STEAL_GRACE_PERIOD`].
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

    /// Steals what this worker was woken for, if it is still there: waking up takes longer than the grace
    /// period.
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

    /// Ends a search that has found a task. If nobody else searches and there are more tasks, it wakes the
    /// next worker.
    #[cold]
    fn found(&self) {
        self.awake.set(Awake::Working);
        self.may_steal_lifo_task.set(false);
        if self.shared.idle.stop_search() && self.shared.has_tasks() {
            self.shared.notify(Some(self.index));
        }
    }

    /// Sleeps until there is something to do. The worker sleeps in the driver if no other thread does.
    #[cold]
    fn sleep(&self) {
        let shared = &self.shared;
        let clock = &shared.driver.timers.clock;
        let (began, mut has_slept) = (clock.now(), false);
        let id = Id::new(Domain::Worker, self.index as u64);
        let mut watch = shared.idle.fall_asleep(self.index, self.awake.replace(Awake::Working));
        // Rule 3 of `idle.rs`. The worker that is woken may be this one.
        if shared.has_tasks() {
            shared.notify(Some(self.index));
        }
        shared.owned.wake_if_empty();
        park(id);
        loop {
            let called = self.sleep_once(watch, &mut has_slept);
            if called.contains(WakeReason::Search) || !self.queue.is_empty() || shared.is_stopped() {
                break;
            }
            if called.contains(WakeReason::Watch) {
                watch = Watch::Yes;
            } else if watch == Watch::Yes {
                // Nobody knows when this task came, so the watcher counts it as one that was there for the
                // whole time.
                if shared.remotes.iter().any(|remote| remote.queue.has_lifo_task()) {
                    self.may_steal_lifo_task.set(true);
                    break;
                }
                watch = shared.idle.watch_on(self.index);
            }
        }
        unpark(id);
        self.awake.set(shared.idle.wake_up(self.index, |watcher| shared.wake(watcher, WakeReason::Watch)));
        // A worker that was called before it slept has not polled the driver. Then the round goes on, so that
        // a check comes.
        if has_slept {
            self.interval.end_round(began);
            self.interval.begin_round(clock.now());
        }
    }

    /// Sleeps once, in the driver or on the thread. `has_slept` becomes true unless the worker was called
    /// before it reached the driver.
    fn sleep_once(&self, watch: Watch, has_slept: &mut bool) -> WakeReasons {
        let parker = &self.shared.remotes[self.index].parker;
        let at_most = (watch == Watch::Yes).then_some(WATCH_INTERVAL);
        let driver = self.shared.driver.try_lock();
        if driver.is_some()
            && let Err(called) = parker.enter_driver()
        {
            return called;
        }
        *has_slept = true;
        let Some(mut driver) = driver else { return parker.park(at_most) };
        let mut called = None;
        driver.sleep(at_most, || called = Some(parker.take_reasons()));
        called.unwrap_or_else(|| parker.take_reasons())
    }

    /// Ends a round of a busy worker: it fires its timers, polls the driver when that is due, and takes a
    /// task from the injector.
    #[cold]
    fn check(&self) -> Option<Task> {
        let timers = &self.shared.driver.timers;
        let now = timers.clock.now();
        let may_be_external = self.turns.end_round(self.interval.end_round(now));
        let is_short = self.interval.has_short_polls();
        self.max_lifo_runs.set(if is_short { MAX_LIFO_RUNS } else { 1 });
        self.wakes_external.set(!is_short);
        self.poll_driver(now);
        self.wakes_external.set(false);
        let may_be_external = may_be_external || !self.interval.is_after_each_poll();
        let task = if may_be_external { self.pop_injected() } else { None };
        self.turns.begin(task.is_some());
        task
    }

    /// Fires the timers of this worker. Polls the driver without sleeping, if this worker did not poll it for
    /// long enough.
    fn poll_driver(&self, now: Instant) {
        let timers = &self.shared.driver.timers;
        let mut fired = Vec::new();
        timers.expire_one(self.index, timers.clock.moment_of(now), &mut fired);
        wake_all(Cause::Timer, &mut fired);
        if now - self.driver_polled.get() > MAX_ROUND {
            self.driver_polled.set(now);
            if let Some(mut driver) = self.shared.driver.try_lock() {
                driver.poll_now();
            }
        }
    }
}
