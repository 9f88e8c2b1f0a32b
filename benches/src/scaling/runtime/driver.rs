//! The model's driver: an epoll with its lock, the alarm, and the timers of the workers that share it.

use super::{
    super::{
        costs::Costs,
        engine::{
            Engine, Thread, Time,
            line::{Line, Lock},
            nanos, picos,
        },
    },
    task::TaskId,
    worker::Worker,
};
use std::{
    cell::{Cell, RefCell},
    cmp::Reverse,
    collections::BinaryHeap,
    ops::Range,
    rc::Rc,
};

/// The time of no timer.
const NEVER: Time = Time::MAX;
/// The value of `until` while the driver is awake.
const DRIVER_AWAKE: Time = 0;
/// The largest number of events that one poll takes.
const MAX_EVENTS_PER_POLL: usize = 1024;

/// The driver of one worker, or of all.
pub(in super::super) struct Driver {
    engine: Rc<Engine>,
    costs: Costs,
    which: usize,
    pub(super) lock: Lock,
    /// The list of ready descriptors, and its lock in the kernel.
    ready: Line,
    events: RefCell<Vec<TaskId>>,
    /// The worker that sleeps in epoll.
    sleeper: Cell<Option<usize>>,
    until: Line,
    until_time: Cell<Time>,
    alarm: Lock,
    goes_off: Cell<Time>,
    /// The wheels of the workers that share the driver, and the number of the first.
    shards: Vec<Shard>,
    first_shard: usize,
}

/// The timers of one worker.
struct Shard {
    next: Line,
    lock: Lock,
    timers: RefCell<BinaryHeap<Reverse<(Time, TaskId)>>>,
}

impl Driver {
    pub(super) fn new(engine: &Rc<Engine>, costs: &Costs, which: usize, shards: Range<usize>) -> Self {
        let line = |name, which| Line::new(engine, name, which, costs.line);
        let lock = |name, which| Lock::new(line(name, which), costs.lock());
        let shard = |index| Shard {
            next: line("next timer", index),
            lock: lock("timer shard", index),
            timers: RefCell::default(),
        };
        Self {
            engine: engine.clone(),
            costs: *costs,
            which,
            lock: lock("driver lock", which),
            ready: line("ready list", which),
            events: RefCell::default(),
            sleeper: Cell::new(None),
            until: line("end of the sleep", which),
            until_time: Cell::new(DRIVER_AWAKE),
            alarm: lock("alarm", which),
            goes_off: Cell::new(NEVER),
            first_shard: shards.start,
            shards: shards.map(shard).collect(),
        }
    }

    /// Makes the descriptor ready that a task waits for: the kernel puts it on the list, and wakes the
    /// sleeper.
    pub(super) async fn make_ready(&self, thread: &Thread, task: TaskId) {
        self.ready.write(thread).await;
        self.events.borrow_mut().push(task);
        if let Some(sleeper) = self.sleeper.take()
            && self.engine.call(sleeper, super::Call::Unpark, self.costs.bell_latency)
        {
            thread.work(self.costs.unpark).await;
        }
    }

    /// Sets a timer of a worker.
    pub(super) async fn set_timer(&self, thread: &Thread, worker: usize, when: Time, task: TaskId) {
        let shard = &self.shards[worker - self.first_shard];
        shard.lock.lock(thread).await;
        let is_first = shard.next() > when;
        shard.timers.borrow_mut().push(Reverse((when, task)));
        thread.work(self.costs.timer / 2.0).await;
        let mut hurries = false;
        if is_first {
            shard.next.write(thread).await;
            self.until.read(thread).await;
            hurries = when < self.until_time.get();
        }
        shard.lock.unlock(thread).await;
        if hurries {
            self.bring_forward(thread, when).await;
        }
    }

    async fn bring_forward(&self, thread: &Thread, when: Time) {
        self.alarm.lock(thread).await;
        if self.goes_off.get() > when {
            self.goes_off.set(when);
            thread.work(self.costs.timerfd).await;
            if let Some(sleeper) = self.sleeper.get() {
                self.engine.hurry(sleeper, when + self.alarm_latency());
            }
        }
        self.alarm.unlock(thread).await;
    }

    /// How long after the alarm its sleeper runs.
    fn alarm_latency(&self) -> Time {
        picos((self.costs.bell_latency - self.costs.bell).max(0.0))
    }

    /// Polls without sleeping. The caller has the lock.
    pub(super) async fn poll_now(&self, worker: &Worker) {
        self.collect(worker, || ()).await;
    }

    /// Sleeps until there is an event, a timer is due, or `has_reason`, then calls `awake` and wakes tasks.
    /// The caller has the lock.
    pub(super) async fn sleep(
        &self,
        worker: &Worker,
        at_most: Option<f64>,
        has_reason: &impl Fn() -> bool,
        awake: impl FnOnce(),
    ) {
        let thread = &worker.thread;
        thread.work(self.costs.driver_sleep).await;
        let next = self.set_alarm(thread).await;
        self.ready.write(thread).await;
        let is_due = next <= thread.now();
        if self.events.borrow().is_empty() && !is_due && !has_reason() {
            thread.work(self.costs.epoll).await;
            if self.events.borrow().is_empty() && !has_reason() {
                let timer =
                    (next != NEVER).then(|| nanos(next + self.alarm_latency() - thread.now().min(next)));
                let timeout = timer.into_iter().chain(at_most).min_by(f64::total_cmp);
                self.sleeper.set(Some(worker.index));
                let begun = thread.now();
                thread.park(timeout).await;
                self.engine.note_idle("driver lock", self.which, thread.now() - begun);
                self.sleeper.set(None);
                // Falling asleep and coming back takes as long in epoll as on a futex.
                thread.work(self.costs.park).await;
            }
        }
        self.until.write(thread).await;
        self.until_time.set(DRIVER_AWAKE);
        self.collect(worker, awake).await;
    }

    /// Sets the alarm to the first timer, and returns that.
    async fn set_alarm(&self, thread: &Thread) -> Time {
        loop {
            let next = self.next(thread).await;
            self.alarm.lock(thread).await;
            thread.work(self.costs.clock).await;
            if next == NEVER || next <= thread.now() {
                self.goes_off.set(NEVER);
            } else if self.goes_off.replace(next) != next {
                thread.work(self.costs.timerfd).await;
            }
            self.alarm.unlock(thread).await;
            self.until.write(thread).await;
            self.until_time.set(next.max(DRIVER_AWAKE + 1));
            if self.next(thread).await >= next {
                return next;
            }
        }
    }

    async fn next(&self, thread: &Thread) -> Time {
        let mut next = NEVER;
        for shard in &self.shards {
            shard.next.read(thread).await;
            next = next.min(shard.next());
        }
        next
    }

    /// Takes the events, wakes their tasks, and fires the timers of all workers that share the driver.
    async fn collect(&self, worker: &Worker, awake: impl FnOnce()) {
        let thread = &worker.thread;
        self.ready.write(thread).await;
        let count = self.events.borrow().len().min(MAX_EVENTS_PER_POLL);
        thread.work(self.costs.epoll + self.costs.epoll_event * count as f64).await;
        awake();
        let events: Vec<_> = self.events.borrow_mut().drain(..count).collect();
        for task in events {
            thread.work(self.costs.message).await;
            worker.wake(task).await;
        }
        self.next(thread).await;
        for index in 0..self.shards.len() {
            self.expire_one(worker, self.first_shard + index).await;
        }
    }

    /// Fires the timers of one worker.
    pub(super) async fn expire_one(&self, worker: &Worker, shard: usize) {
        let (thread, shard) = (&worker.thread, &self.shards[shard - self.first_shard]);
        shard.next.read(thread).await;
        if shard.next() > thread.now() {
            return;
        }
        shard.lock.lock(thread).await;
        let mut fired = Vec::new();
        while let Some(Reverse((_, task))) = {
            let mut timers = shard.timers.borrow_mut();
            let is_due = timers.peek().is_some_and(|Reverse((when, _))| *when <= thread.now());
            if is_due { timers.pop() } else { None }
        } {
            fired.push(task);
            thread.work(self.costs.timer / 2.0).await;
        }
        shard.next.write(thread).await;
        shard.lock.unlock(thread).await;
        for task in fired {
            worker.wake(task).await;
        }
    }
}

impl Shard {
    fn next(&self) -> Time {
        self.timers.borrow().peek().map_or(NEVER, |Reverse((when, _))| *when)
    }
}
