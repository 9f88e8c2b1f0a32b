//! The model of the pool: what its workers share.
//!
//! ```text
//!   worker.rs    the loop: own jobs, injector, search                        worker/mod.rs, worker/steal.rs
//!   wait.rs      joins and scopes, and what a worker runs while it waits     join/, scope/, worker/wait.rs
//!   sleep.rs     counters, fences, dozing, waking                            registry/sleep.rs
//!   payoff.rs    whether stealing pays, how long a worker waits awake        worker/payoff.rs itself
//! ```

mod payoff;
mod sleep;
mod wait;
pub(super) mod worker;

use super::{
    costs::Costs,
    engine::{Engine, Thread, line::Line},
};
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
};

/// The most jobs that a worker takes from the injector at a time.
const MAX_BATCH: usize = 32;

/// A job in a queue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Job {
    /// Opens a scope `rounds` times, and spawns `count` jobs of this length into it.
    Scope { rounds: usize, count: usize, length: f64 },
    /// Walks `rounds` times through a tree of joins with `count` leaves of this length.
    Tree { rounds: usize, count: usize, length: f64 },
    /// A child of the scope.
    Child { length: f64 },
    /// A tree like that, for which a thread outside waits.
    Loop { count: usize, length: f64, caller: usize },
    /// A job from outside, which counts down.
    Submitted { length: f64 },
}

/// A stack job: the second half of a join.
struct StackJob {
    leaves: usize,
    length: f64,
    owner: usize,
    thief: Cell<Option<usize>>,
    is_done: Cell<bool>,
    owner_parks: Cell<bool>,
}

/// The queues of one worker.
struct Slot {
    /// The ends of the queue of jobs: thieves write the front.
    front: Line,
    back: Line,
    jobs: RefCell<VecDeque<Job>>,
    /// The lines of the deque of stack jobs.
    owner_line: Line,
    thieves_line: Line,
    stack_jobs: RefCell<VecDeque<Rc<StackJob>>>,
    offer: RefCell<Option<Rc<StackJob>>>,
    is_notified: Cell<bool>,
    parking: Line,
    is_asleep: Cell<bool>,
}

/// The state that the workers of one pool share.
pub(super) struct Registry {
    pub(super) engine: Rc<Engine>,
    costs: Costs,
    slots: Vec<Slot>,
    injector_front: Line,
    injector_back: Line,
    injected: RefCell<VecDeque<Job>>,
    counters: Line,
    sleeping: Cell<usize>,
    searching: Cell<usize>,
    dozing: Cell<usize>,
    /// The part of the scope's count that thieves change. There is one scope at a time.
    scope_line: Line,
    scope_left: Cell<usize>,
    scope_owner: Cell<Option<usize>>,
    /// The count of the jobs from outside that have not ended.
    pub(super) counter: Line,
    /// Whether the loop is done for which a thread outside waits.
    is_loop_done: Cell<bool>,
    /// How many leaves, children and submitted jobs were run.
    pub(super) items: Cell<u64>,
    pub(super) ends_after: Cell<u64>,
}

impl Registry {
    pub(super) fn new(engine: &Rc<Engine>, costs: Costs, workers: usize) -> Rc<Self> {
        let line = |name, which| Line::new(engine, name, which, costs.line);
        let slot = |index| Slot {
            front: line("queue of jobs, front", index),
            back: line("queue of jobs, back", index),
            jobs: RefCell::default(),
            owner_line: line("deque, owner", index),
            thieves_line: line("deque, thieves", index),
            stack_jobs: RefCell::default(),
            offer: RefCell::default(),
            is_notified: Cell::new(true),
            parking: line("parking slot", index),
            is_asleep: Cell::new(true),
        };
        Rc::new(Self {
            engine: engine.clone(),
            costs,
            slots: (0..workers).map(slot).collect(),
            injector_front: line("injector, front", 0),
            injector_back: line("injector, back", 0),
            injected: RefCell::default(),
            counters: line("sleep counters", 0),
            // The threads of a new pool start asleep.
            sleeping: Cell::new(workers),
            searching: Cell::new(0),
            dozing: Cell::new(0),
            scope_line: line("count of the scope", 0),
            scope_left: Cell::new(0),
            scope_owner: Cell::new(None),
            counter: line("count of the program", 0),
            is_loop_done: Cell::new(false),
            items: Cell::new(0),
            ends_after: Cell::new(u64::MAX),
        })
    }

    fn workers(&self) -> usize {
        self.slots.len()
    }

    /// Queues a job from a thread outside.
    pub(super) async fn submit(&self, thread: &Thread, job: Job) {
        thread.work(self.costs.submit).await;
        self.injector_back.write(thread).await;
        self.injected.borrow_mut().push_back(job);
        self.announce(thread).await;
    }

    /// Hands a loop to the pool, and sleeps until it is done.
    pub(super) async fn install_loop(&self, thread: &Thread, count: usize, length: f64) {
        self.is_loop_done.set(false);
        self.submit(thread, Job::Loop { count, length, caller: thread.id }).await;
        while !self.is_loop_done.get() && !self.engine.is_stopped() {
            thread.work(self.costs.park / 2.0).await;
            if self.is_loop_done.get() {
                break;
            }
            thread.park(None).await;
            thread.work(self.costs.park / 2.0).await;
        }
    }

    /// Wakes a worker if work that was just queued needs that.
    async fn announce(&self, thread: &Thread) {
        self.counters.read(thread).await;
        if self.wants_wake() {
            self.wake_one(thread).await;
        }
    }

    /// Counts an item. The last one ends the simulation.
    fn count_item(&self) {
        self.items.set(self.items.get() + 1);
        if self.items.get() == self.ends_after.get() {
            self.engine.stop();
        }
    }
}
