//! A worker of the multi-threaded executor: find a task, run it, else sleep.
//!
//! HOT
//!
//! A worker looks for tasks in this order: its newest, its ring, the injector, the rings of others. Every [`TURN`] tasks the
//! injector comes first, the worker's own timers are looked at, and the driver if it was left alone for [`LOOK`]. The newest
//! task goes first, but if there are others in the ring only [`NEWEST`] times in a row, so that two tasks that wake each other starve
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
            Shared,
            idle::{Awake, Watch},
            parker::{Call, Called},
            run_queue::{Owner, RingSnapshot},
        },
        rng::Chooser,
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
const TURN: u32 = 61;
/// How often in a row the newest task goes first.
const NEWEST: u32 = 3;
/// Thieves leave a task alone this long, because its owner will probably run it first.
const STEAL_GRACE_PERIOD: Duration = Duration::from_micros(3);
/// A ring with more tasks than this is stolen from at once: its owner does not get to the last of them within the grace period, since
/// nothing runs in less than 50 ns.
const ALWAYS_STOLEN_LENGTH: usize = 60;
/// How many times a thief looks at the other rings before it gives up, while tasks come and go.
const STEAL_ATTEMPTS: u32 = 8;
/// How long the driver may be left alone while there is work.
const LOOK: Duration = Duration::from_micros(50);
/// How often the watcher looks.
const WATCH: Duration = Duration::from_millis(3);

/// What only the worker's thread touches.
pub(crate) struct Worker {
    pub(crate) index: usize,
    pub(crate) shared: Arc<Shared>,
    queue: Owner,
    chooser: RefCell<Chooser>,
    /// As what it counts in `Shared::idle`.
    awake: Cell<Awake>,
    /// It was on watch and has seen a newest task that nobody ran.
    take_newest: Cell<bool>,
    tick: Cell<u32>,
    newest_runs: Cell<u32>,
    looked: Cell<Instant>,
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
    pub(crate) fn new(index: usize, shared: Arc<Shared>, queue: Owner) -> Self {
        Self {
            index,
            queue,
            chooser: RefCell::new(Chooser::fast(index + 1)),
            awake: Cell::new(Awake::Working),
            take_newest: Cell::new(false),
            tick: Cell::new(0),
            newest_runs: Cell::new(0),
            looked: Cell::new(shared.driver.timers.clock.now()),
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
            Outcome::Again(task) => self.append(task),
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
        if tick.is_multiple_of(TURN) {
            self.maintain();
            if let Some(task) = self.fetch() {
                return Some(task);
            }
        }
        if self.newest_runs.get() < NEWEST || !self.queue.has_older() {
            if let Some(task) = self.queue.pop_newest() {
                self.newest_runs.set(self.newest_runs.get().saturating_add(1));
                return Some(task);
            }
        } else if let Some(task) = self.queue.pop_newest() {
            self.append(task);
        }
        self.newest_runs.set(0);
        self.queue.pop().or_else(|| self.fetch())
    }

    /// A task of the injector, with some more for the ring.
    #[inline]
    fn fetch(&self) -> Option<Task> {
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
        if let Some(older) = self.queue.replace_newest(task) {
            self.append(older);
        }
    }

    /// Queues a task behind the others, where others can take it.
    #[inline]
    fn append(&self, task: Task) {
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
        let first = self.chooser.borrow_mut().victim(victims.len());
        let others =
            (0..victims.len()).map(|n| (first + n) % victims.len()).filter(|&victim| victim != self.index);
        if let Some(task) = self.steal(others.clone()) {
            return Some(task);
        }
        if let Some(task) = self.fetch() {
            return Some(task);
        }
        if self.take_newest.take() {
            return { others }.find_map(|victim| victims[victim].queue.steal_newest());
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
        remotes[victim].queue.has_before(tail).then(|| self.steal_from(victim)).flatten()
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
        let has_stale =
            |victim: &usize| self.shared.remotes[*victim].queue.has_before(self.seen_tails[*victim].get());
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
        self.take_newest.set(false);
        if self.shared.idle.stop_search() && self.shared.has_tasks() {
            self.shared.notify(Some(self.index));
        }
    }

    /// Sleeps until there is something to do, in the driver if nobody else does.
    #[cold]
    fn sleep(&self) {
        let shared = &self.shared;
        let id = Id::new(Domain::Worker, self.index as u64);
        let mut watch = shared.idle.sleep(self.index, self.awake.replace(Awake::Working));
        // See the head of `idle.rs`: the one who is woken may well be this worker.
        if shared.has_tasks() {
            shared.notify(Some(self.index));
        }
        shared.owned.wake_if_empty();
        record(Kind::Park, id, 0);
        loop {
            let called = self.rest(watch);
            if called.to(Call::Search) || !self.queue.is_empty() || shared.is_stopped() {
                break;
            }
            if called.to(Call::Watch) {
                watch = Watch::Yes;
            } else if watch == Watch::Yes {
                // A newest task that is there now was there all the time, as far as anybody knows.
                if shared.remotes.iter().any(|remote| remote.queue.has_newest()) {
                    self.take_newest.set(true);
                    break;
                }
                watch = shared.idle.watch_on(self.index);
            }
        }
        record(Kind::Unpark, id, 0);
        self.awake.set(shared.idle.leave(self.index, |watcher| shared.call(watcher, Call::Watch)));
    }

    /// Sleeps once.
    fn rest(&self, watch: Watch) -> Called {
        let parker = &self.shared.remotes[self.index].parker;
        let at_most = (watch == Watch::Yes).then_some(WATCH);
        let Some(mut turn) = self.shared.driver.try_turn() else { return parker.park(at_most) };
        if let Err(called) = parker.enter_driver() {
            return called;
        }
        let mut called = None;
        turn.sleep(at_most, || called = Some(parker.awake()));
        called.unwrap_or_else(|| parker.awake())
    }

    /// What has to be done now and then while there is work.
    #[cold]
    fn maintain(&self) {
        let timers = &self.shared.driver.timers;
        let now = timers.clock.now();
        let mut fired = Vec::new();
        timers.expire_one(self.index, timers.clock.tick_at(now), &mut fired);
        wake_all(Cause::Timer, &mut fired);
        if now - self.looked.get() > LOOK {
            self.looked.set(now);
            if let Some(mut turn) = self.shared.driver.try_turn() {
                turn.look();
            }
        }
    }
}
