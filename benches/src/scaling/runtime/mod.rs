//! The model of the multi-threaded runtime: what its workers share.
//!
//! The files are named after those of the runtime, and each function does what the one of the same name does
//! there. The price of a step is measured on one core and contains the cache lines that the core has; a line
//! that another core has is waited for in addition.
//!
//! ```text
//!   worker.rs    the loop: LIFO slot, ring, injector, steal, sleep           multi_thread/worker.rs
//!   round.rs     how many polls come before the next check                check_interval.rs
//!   idle.rs      counts of searching and sleeping workers, the watcher       multi_thread/idle.rs, parker.rs
//!   driver.rs    the one epoll, its lock, its alarm, the timers              driver/, time/timers.rs
//!   task.rs      the tasks of the shapes                                     –
//! ```

pub(super) mod driver;
mod idle;
mod round;
pub(super) mod task;
pub(super) mod worker;

use super::{
    costs::Costs,
    engine::{
        Call, Engine, Thread,
        line::{Line, Lock, LockCosts},
    },
};
use driver::Driver;
use idle::Idle;
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
};
use task::{TaskId, Tasks};

/// The tasks that a ring can hold.
const RING_CAPACITY: usize = 256;

/// Which parts the workers share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Design {
    /// As built: one driver and one injector for all workers.
    OneDriver,
    /// The next design: each worker has its own epoll, alarm and injector, and sleeps in its own epoll.
    DriverPerWorker,
}

/// The state that the workers of one runtime share.
pub(super) struct Shared {
    pub(super) engine: Rc<Engine>,
    pub(super) costs: Costs,
    pub(super) remotes: Vec<Remote>,
    pub(super) injectors: Vec<Injector>,
    pub(super) idle: Idle,
    pub(super) drivers: Vec<Driver>,
    pub(super) tasks: Tasks,
    /// The count of the tasks from outside that have not ended, which they share.
    pub(super) counter: Line,
    /// The injector that the next task from outside goes to.
    next_injector: Cell<usize>,
}

/// The part of one worker that all see.
pub(super) struct Remote {
    line: Line,
    ring: RefCell<VecDeque<TaskId>>,
    tail: Cell<usize>,
    lifo_slot: Cell<Option<TaskId>>,
    /// The victim, and its tail, of the last wake-up.
    announced: Cell<(usize, usize)>,
    search: Cell<bool>,
    watch: Cell<bool>,
    pub(super) is_driving: Cell<bool>,
}

/// Tasks from outside, behind a lock.
pub(super) struct Injector {
    len: Line,
    lock: Lock,
    tasks: RefCell<VecDeque<TaskId>>,
}

impl Costs {
    /// The prices of a standard mutex. A thread spins a hundred times before it sleeps.
    pub(super) fn lock(&self) -> LockCosts {
        LockCosts { spin: 100.0 * self.pause, call: self.unpark, latency: self.unpark_latency }
    }
}

impl Shared {
    pub(super) fn new(engine: &Rc<Engine>, costs: Costs, workers: usize, design: Design) -> Rc<Self> {
        let line = |name, which| Line::new(engine, name, which, costs.line);
        let lock = |name, which| Lock::new(line(name, which), costs.lock());
        let remote = |index| Remote {
            line: line("ring", index),
            ring: RefCell::default(),
            tail: Cell::new(0),
            lifo_slot: Cell::new(None),
            announced: Cell::new((0, 0)),
            search: Cell::new(false),
            watch: Cell::new(false),
            is_driving: Cell::new(false),
        };
        let injector = |which| Injector {
            len: line("injector length", which),
            lock: lock("injector lock", which),
            tasks: RefCell::default(),
        };
        let shares = if design == Design::OneDriver { 1 } else { workers };
        let shards = |driver| if shares == 1 { 0..workers } else { driver..driver + 1 };
        Rc::new(Self {
            engine: engine.clone(),
            costs,
            remotes: (0..workers).map(remote).collect(),
            injectors: (0..shares).map(injector).collect(),
            idle: Idle::new(workers, line("idle word", 0), lock("sleepers lock", 0)),
            drivers: (0..shares).map(|which| Driver::new(engine, &costs, which, shards(which))).collect(),
            tasks: Tasks::default(),
            counter: line("count of the program", 0),
            next_injector: Cell::new(0),
        })
    }

    pub(super) fn workers(&self) -> usize {
        self.remotes.len()
    }

    /// The driver that a worker polls, and the number of the injector that it looks into first.
    pub(super) fn share_of(&self, worker: usize) -> usize {
        worker % self.drivers.len()
    }

    /// Takes in a task from a thread that is no worker. The price of `inject` is the caller's.
    pub(super) async fn inject(&self, thread: &Thread, task: TaskId) {
        let which = self.next_injector.replace(self.next_injector.get() + 1) % self.injectors.len();
        self.inject_all(thread, which, [task]).await;
        self.notify(thread, None).await;
    }

    async fn inject_all(&self, thread: &Thread, which: usize, tasks: impl IntoIterator<Item = TaskId>) {
        let injector = &self.injectors[which];
        // About half of a push is done under the lock.
        injector.lock.lock(thread).await;
        let before = injector.tasks.borrow().len();
        injector.tasks.borrow_mut().extend(tasks);
        let pushed = injector.tasks.borrow().len() - before;
        thread.work(self.costs.inject / 4.0 * (pushed as f64).sqrt()).await;
        injector.len.write(thread).await;
        injector.lock.unlock(thread).await;
    }

    /// Wakes a worker for a task that others can take, if one has to be woken.
    pub(super) async fn notify(&self, thread: &Thread, near: Option<usize>) {
        if self.idle.should_wake(thread).await {
            self.wake_one(thread, near).await;
        }
    }

    async fn wake_one(&self, thread: &Thread, near: Option<usize>) {
        let is_costly = |worker: usize| self.remotes[worker].is_driving.get();
        let Some(worker) = self.idle.wake_one(thread, is_costly).await else { return };
        if let Some(near) = near {
            for ring in (0..self.workers()).map(|step| (near + step) % self.workers()) {
                if ring != worker && self.remotes[ring].has_ring_tasks(thread).await {
                    self.remotes[worker].announced.set((ring, self.remotes[ring].tail.get()));
                    break;
                }
            }
        }
        self.wake(thread, worker, Reason::Search).await;
    }

    async fn wake(&self, thread: &Thread, worker: usize, reason: Reason) {
        let remote = &self.remotes[worker];
        let had_reason = remote.search.get() || remote.watch.get();
        match reason {
            Reason::Search => remote.search.set(true),
            Reason::Watch => remote.watch.set(true),
        }
        if had_reason {
            return;
        }
        let (call, latency) = if remote.is_driving.get() {
            (self.costs.bell, self.costs.bell_latency)
        } else {
            (self.costs.unpark, self.costs.unpark_latency)
        };
        if self.engine.call(worker, Call::Unpark, latency) {
            thread.work(call).await;
        }
    }

    /// Tells whether there is a task that others can take.
    async fn has_tasks(&self, thread: &Thread) -> bool {
        for injector in &self.injectors {
            injector.len.read(thread).await;
            if !injector.tasks.borrow().is_empty() {
                return true;
            }
        }
        for remote in &self.remotes {
            if remote.has_ring_tasks(thread).await {
                return true;
            }
        }
        false
    }
}

/// A reason to wake a worker.
#[derive(Clone, Copy)]
enum Reason {
    Search,
    Watch,
}

impl Remote {
    async fn has_ring_tasks(&self, thread: &Thread) -> bool {
        self.line.read(thread).await;
        !self.ring.borrow().is_empty()
    }

    /// Tells whether the ring holds a task from the time when its tail was `tail`.
    fn has_task_before(&self, tail: usize) -> bool {
        self.tail.get() - self.ring.borrow().len() < tail
    }
}
