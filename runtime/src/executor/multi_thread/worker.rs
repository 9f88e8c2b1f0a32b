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
//! polls the driver if its last such poll was [`DRIVER_POLL_INTERVAL`] ago, or [`MAX_ROUND`] if polls are
//! long, and no other thread is in the driver. It takes its next task from the injector. If polls are long,
//! the tasks that were woken by these timers and events go to the injector too, where they do not wait behind
//! the ring and where every worker sees them. The injector and the rings then take [`Turns`].
//!
//! `worker/steal.rs` says what a worker takes from others, and `worker/sleep.rs` how it sleeps.

mod sleep;
mod steal;

use self::steal::Suspect;
use crate::{
    driver::wake::wake_all,
    executor::{
        check_interval::{CheckInterval, MAX_ROUND, Turns},
        multi_thread::{
            MultiThread,
            idle::Awake,
            run_queue::{LifoSnapshot, Owner},
        },
        rng::Rng,
    },
    task::{self, Outcome, Task, budget},
};
use brigade_handle::fork::{self, Generation};
use brigade_trace::{Cause, Domain, Id, Lane, gap, lane, live::helper_thread};
use std::{
    cell::{Cell, RefCell},
    sync::Arc,
    time::{Duration, Instant},
};

/// The number of times in a row that the LIFO slot goes before a ring that holds tasks, if polls are short.
const MAX_LIFO_RUNS: u32 = 3;
/// The longest time for which a busy worker leaves the driver alone, if polls are short. The system call
/// takes 1 µs or more, and the worker that makes it keeps all others out of the driver.
const DRIVER_POLL_INTERVAL: Duration = Duration::from_micros(200);

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
    wakes: Cell<Wakes>,
    /// True if a task was queued with [`Wakes::Collected`] or [`Wakes::External`] and not announced yet.
    has_collected: Cell<bool>,
    lifo_runs: Cell<u32>,
    /// The number of times in a row that the LIFO slot goes before a ring that holds tasks.
    max_lifo_runs: Cell<u32>,
    driver_polled: Cell<Instant>,
    /// The worker that this one looks at while it is busy.
    suspect: Suspect,
    /// The tails of all rings at the last snapshot, which this worker takes as a thief.
    seen_tails: Box<[Cell<usize>]>,
    /// The tasks in all LIFO slots at the last look, which this worker takes as a watcher.
    seen_lifo_tasks: Box<[Cell<Option<LifoSnapshot>>]>,
    /// How often the driver had looked at the timers at that look, if nobody slept in it.
    driver_looks_seen: Cell<Option<usize>>,
    /// The process that made this thread. A forked child is another one.
    generation: Generation,
}

/// Where the tasks go that this thread wakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wakes {
    /// Into the LIFO slot. If an older task moves on into the ring, a sleeping worker is woken for it.
    Local,
    /// Likewise, but a worker is woken once for all of them: timers and events wake many tasks at a time.
    Collected,
    /// To the injector, and a worker is woken once for all of them.
    External,
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
            wakes: Cell::new(Wakes::Local),
            has_collected: Cell::new(false),
            lifo_runs: Cell::new(0),
            max_lifo_runs: Cell::new(MAX_LIFO_RUNS),
            driver_polled: Cell::new(now),
            suspect: Suspect::default(),
            seen_tails: shared.remotes.iter().map(|_| Cell::new(0)).collect(),
            seen_lifo_tasks: shared.remotes.iter().map(|_| Cell::new(None)).collect(),
            driver_looks_seen: Cell::new(None),
            generation: Generation::current(),
            shared,
        }
    }

    /// The worker's id in traces.
    fn id(&self) -> Id {
        Id::new(Domain::Worker, self.shared.first_worker + self.index as u64)
    }

    /// The loop: runs tasks until the executor stops.
    pub(crate) fn run(&self) {
        lane(Lane::Runtime, self.id());
        // A watch that begins later must not take this for a thread of the program.
        helper_thread();
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
        gap();
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
        if self.wakes.get() != Wakes::Local {
            self.collect(task);
        } else if let Some(older) = self.queue.replace_lifo_slot(task) {
            self.push_back(older);
        }
    }

    /// Queues a task that a timer or an event woke. [`announce_collected`](Self::announce_collected) follows.
    fn collect(&self, task: Task) {
        self.has_collected.set(true);
        if self.wakes.get() == Wakes::External {
            self.shared.inject_unannounced(task);
        } else if let Some(older) = self.queue.replace_lifo_slot(task) {
            self.queue.push(older, |surplus| self.shared.injector.push_all(surplus));
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

    /// Ends a round of a busy worker: it fires its timers, polls the driver when that is due, and takes a
    /// task from the injector.
    #[cold]
    fn check(&self) -> Option<Task> {
        gap();
        let timers = &self.shared.driver.timers;
        let now = timers.clock.now();
        self.queue.end_round();
        let may_be_external = self.turns.end_round(self.interval.end_round(now));
        let is_short = self.interval.has_short_polls();
        self.max_lifo_runs.set(if is_short { MAX_LIFO_RUNS } else { 1 });
        self.wakes.set(if is_short { Wakes::Collected } else { Wakes::External });
        let has_polled = self.poll_driver(now);
        let may_be_external = may_be_external || !self.interval.is_after_each_poll();
        let mut task = if has_polled { self.relieve() } else { None };
        if task.is_none() && may_be_external {
            task = self.pop_injected();
        }
        self.announce_collected();
        self.turns.begin(task.is_some());
        task
    }

    /// Fires the timers of this worker. Polls the driver without sleeping, and returns true, if this worker
    /// did not poll it for long enough.
    fn poll_driver(&self, now: Instant) -> bool {
        let shared = &self.shared;
        let mut fired = Vec::new();
        shared.driver.timers.expire_one(self.index, shared.driver.timers.clock.moment_of(now), &mut fired);
        wake_all(Cause::Timer, &mut fired);
        let interval = if self.interval.is_after_each_poll() { MAX_ROUND } else { DRIVER_POLL_INTERVAL };
        if now - self.driver_polled.get() < interval {
            return false;
        }
        self.driver_polled.set(now);
        if let Some(mut driver) = shared.driver.try_lock() {
            driver.poll_now();
            drop(driver);
            self.hand_over_driver();
        }
        true
    }

    /// Wakes another worker for what timers and events have woken since the last call, if there is something
    /// that others can take. This worker goes on with [`Wakes::Local`].
    fn announce_collected(&self) {
        self.wakes.set(Wakes::Local);
        if self.has_collected.take() && self.shared.has_tasks() {
            self.shared.notify(Some(self.index));
        }
    }
}
