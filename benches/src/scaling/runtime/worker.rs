//! A worker of the model's runtime. Its functions follow those of
//! `runtime/src/executor/multi_thread/worker.rs` and `check_interval.rs`.

use super::{
    super::engine::{Thread, Time},
    RING_CAPACITY, Reason, Shared,
    round::{MAX_POLLS, MAX_ROUND, Round},
    task::{Outcome, TaskId},
};
use std::{cell::Cell, rc::Rc};

const MAX_LIFO_RUNS: u32 = 3;
const STEAL_GRACE_PERIOD: f64 = 3_000.0;
const ALWAYS_STOLEN_LENGTH: usize = 60;
const STEAL_ATTEMPTS: u32 = 8;
const WATCH_INTERVAL: f64 = 3_000_000.0;

/// One worker.
pub(in super::super) struct Worker {
    pub(super) thread: Thread,
    pub(super) index: usize,
    pub(super) shared: Rc<Shared>,
    random: Cell<u64>,
    is_searching: Cell<bool>,
    may_steal_lifo_task: Cell<bool>,
    wakes_external: Cell<bool>,
    lifo_runs: Cell<u32>,
    driver_polled: Cell<Time>,
    seen_tails: Vec<Cell<usize>>,
    round: Round,
}

impl Worker {
    pub(in super::super) fn new(thread: Thread, index: usize, shared: Rc<Shared>, seed: u64) -> Self {
        Self {
            index,
            random: Cell::new(seed.wrapping_add(index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1),
            is_searching: Cell::new(false),
            may_steal_lifo_task: Cell::new(false),
            wakes_external: Cell::new(false),
            lifo_runs: Cell::new(0),
            driver_polled: Cell::new(thread.now()),
            seen_tails: shared.remotes.iter().map(|_| Cell::new(0)).collect(),
            round: Round::new(thread.now()),
            thread,
            shared,
        }
    }

    pub(in super::super) async fn run(&self) {
        while !self.shared.engine.is_stopped() {
            let next = match self.next().await {
                Some(task) => Some(task),
                None => self.search().await,
            };
            match next {
                Some(task) => self.poll(task).await,
                None => self.sleep().await,
            }
        }
    }

    async fn poll(&self, task: TaskId) {
        if self.is_searching.get() {
            self.found().await;
        }
        self.round.left.set(self.round.left.get() - 1);
        if self.run_task(task).await == Outcome::Again {
            self.push_back(task).await;
        }
    }

    /// Takes a task from this worker's own queue, or from the injector.
    async fn next(&self) -> Option<TaskId> {
        if self.round.left.get() <= 0
            && let Some(task) = self.check().await
        {
            return Some(task);
        }
        let remote = &self.shared.remotes[self.index];
        let max_lifo_runs = if self.round.polls.get() == MAX_POLLS { MAX_LIFO_RUNS } else { 1 };
        if remote.lifo_slot.get().is_some() {
            remote.line.write(&self.thread).await;
        }
        let slot = remote.lifo_slot.take();
        if self.lifo_runs.get() < max_lifo_runs || remote.ring.borrow().is_empty() {
            if slot.is_some() {
                self.lifo_runs.set(self.lifo_runs.get() + 1);
                return slot;
            }
        } else if let Some(task) = slot {
            self.push_back(task).await;
        }
        self.lifo_runs.set(0);
        match self.pop().await {
            Some(task) => Some(task),
            None => self.pop_injected().await,
        }
    }

    async fn pop(&self) -> Option<TaskId> {
        let remote = &self.shared.remotes[self.index];
        if remote.ring.borrow().is_empty() {
            return None;
        }
        remote.line.write(&self.thread).await;
        remote.ring.borrow_mut().pop_front()
    }

    async fn pop_injected(&self) -> Option<TaskId> {
        let first = self.shared.share_of(self.index);
        self.pop_from_injector(first).await
    }

    async fn pop_from_injector(&self, which: usize) -> Option<TaskId> {
        let injector = &self.shared.injectors[which];
        injector.len.read(&self.thread).await;
        if injector.tasks.borrow().is_empty() {
            return None;
        }
        injector.lock.lock(&self.thread).await;
        let first = injector.tasks.borrow_mut().pop_front();
        let remote = &self.shared.remotes[self.index];
        let room = RING_CAPACITY - remote.ring.borrow().len();
        let keeps_order = self.round.polls.get() == 1 && !remote.ring.borrow().is_empty();
        let len = injector.tasks.borrow().len();
        let sharers = self.shared.workers() / self.shared.injectors.len();
        let share = if keeps_order { 0 } else { (len / sharers).min(room / 2) };
        // Each task that moves costs a push.
        self.thread.work(self.shared.costs.requeue / 4.0 * (1 + share) as f64).await;
        let moved: Vec<_> = injector.tasks.borrow_mut().drain(..share).collect();
        injector.len.write(&self.thread).await;
        injector.lock.unlock(&self.thread).await;
        if share > 0 {
            remote.line.write(&self.thread).await;
            remote.ring.borrow_mut().extend(moved);
            remote.tail.set(remote.tail.get() + share);
        }
        first
    }

    /// Queues a task that this worker woke or spawned.
    pub(super) async fn schedule(&self, task: TaskId) {
        if self.wakes_external.get() {
            let which = self.shared.share_of(self.index);
            self.shared.inject_all(&self.thread, which, [task]).await;
            self.shared.notify(&self.thread, None).await;
            return;
        }
        let remote = &self.shared.remotes[self.index];
        remote.line.write(&self.thread).await;
        if let Some(older) = remote.lifo_slot.replace(Some(task)) {
            self.push_back(older).await;
        }
    }

    async fn push_back(&self, task: TaskId) {
        let remote = &self.shared.remotes[self.index];
        remote.line.write(&self.thread).await;
        let len = remote.ring.borrow().len();
        if len < RING_CAPACITY {
            remote.ring.borrow_mut().push_back(task);
            remote.tail.set(remote.tail.get() + 1);
        } else {
            let mut half: Vec<_> = remote.ring.borrow_mut().drain(..len / 2).collect();
            half.push(task);
            self.shared.inject_all(&self.thread, self.shared.share_of(self.index), half).await;
        }
        self.shared.notify(&self.thread, Some(self.index)).await;
    }

    /// Looks for a task of another worker, unless enough workers are searching already.
    async fn search(&self) -> Option<TaskId> {
        if !self.is_searching.get() {
            if !self.shared.idle.try_search(&self.thread).await {
                return None;
            }
            self.is_searching.set(true);
        }
        let first = self.pick(self.shared.workers());
        let workers = self.shared.workers();
        let others = (0..workers).map(|step| (first + step) % workers).filter(|&victim| victim != self.index);
        let others: Vec<_> = others.collect();
        if let Some(task) = self.steal(&others).await {
            return Some(task);
        }
        if let Some(task) = self.pop_injected().await {
            return Some(task);
        }
        for which in (0..self.shared.injectors.len()).filter(|&which| which != self.index) {
            if let Some(task) = self.pop_from_injector(which).await {
                return Some(task);
            }
        }
        if self.may_steal_lifo_task.take() {
            for victim in others {
                self.shared.remotes[victim].line.write(&self.thread).await;
                if let Some(task) = self.shared.remotes[victim].lifo_slot.take() {
                    return Some(task);
                }
            }
        }
        None
    }

    async fn steal(&self, others: &[usize]) -> Option<TaskId> {
        let (victim, tail) = self.shared.remotes[self.index].announced.get();
        self.shared.remotes[victim].line.read(&self.thread).await;
        if victim != self.index
            && self.shared.remotes[victim].has_task_before(tail)
            && let Some(task) = self.steal_from(victim).await
        {
            return Some(task);
        }
        for _ in 0..STEAL_ATTEMPTS {
            let injector = &self.shared.injectors[self.shared.share_of(self.index)];
            injector.len.read(&self.thread).await;
            if !injector.tasks.borrow().is_empty() {
                return None;
            }
            let (longest, tasks) = self.snapshot(others).await?;
            if tasks > ALWAYS_STOLEN_LENGTH {
                if let Some(task) = self.steal_from(longest).await {
                    return Some(task);
                }
                continue;
            }
            self.thread.work(STEAL_GRACE_PERIOD).await;
            for &victim in others {
                self.shared.remotes[victim].line.read(&self.thread).await;
                if self.shared.remotes[victim].has_task_before(self.seen_tails[victim].get())
                    && let Some(task) = self.steal_from(victim).await
                {
                    return Some(task);
                }
            }
        }
        None
    }

    /// Notes the tails of the other rings. Returns the longest ring and its length, unless all are empty.
    async fn snapshot(&self, others: &[usize]) -> Option<(usize, usize)> {
        let mut longest = (0, 0);
        for &victim in others {
            let remote = &self.shared.remotes[victim];
            remote.line.read(&self.thread).await;
            self.seen_tails[victim].set(remote.tail.get());
            let tasks = remote.ring.borrow().len();
            if tasks > longest.1 {
                longest = (victim, tasks);
            }
        }
        (longest.1 > 0).then_some(longest)
    }

    /// Takes half of a ring, rounded up.
    async fn steal_from(&self, victim: usize) -> Option<TaskId> {
        let (theirs, ours) = (&self.shared.remotes[victim], &self.shared.remotes[self.index]);
        theirs.line.write(&self.thread).await;
        let len = theirs.ring.borrow().len();
        let stolen: Vec<_> = theirs.ring.borrow_mut().drain(..len - len / 2).collect();
        let (&first, more) = stolen.split_first()?;
        // The slots lie on lines of eight entries.
        self.thread.work(self.shared.costs.stream * (stolen.len() as f64 / 8.0).ceil()).await;
        ours.line.write(&self.thread).await;
        ours.ring.borrow_mut().extend(more);
        ours.tail.set(ours.tail.get() + more.len());
        Some(first)
    }

    async fn found(&self) {
        self.is_searching.set(false);
        self.may_steal_lifo_task.set(false);
        if self.shared.idle.stop_search(&self.thread).await && self.shared.has_tasks(&self.thread).await {
            self.shared.notify(&self.thread, Some(self.index)).await;
        }
    }

    async fn sleep(&self) {
        let shared = &self.shared;
        self.thread.work(shared.costs.clock).await;
        let (began, mut has_slept) = (self.thread.now(), false);
        let mut watches = shared.idle.fall_asleep(&self.thread, self.index, self.is_searching.take()).await;
        if shared.has_tasks(&self.thread).await {
            shared.notify(&self.thread, Some(self.index)).await;
        }
        loop {
            let (search, watch) = self.sleep_once(watches, &mut has_slept).await;
            let remote = &shared.remotes[self.index];
            let has_own = remote.lifo_slot.get().is_some() || !remote.ring.borrow().is_empty();
            if search || has_own || shared.engine.is_stopped() {
                break;
            }
            if watch {
                watches = true;
            } else if watches {
                if shared.remotes.iter().any(|remote| remote.lifo_slot.get().is_some()) {
                    self.may_steal_lifo_task.set(true);
                    break;
                }
                watches = shared.idle.watch_on(&self.thread, self.index).await;
            }
        }
        let (is_searching, watcher) = shared.idle.wake_up(&self.thread, self.index).await;
        if let Some(watcher) = watcher {
            shared.wake(&self.thread, watcher, Reason::Watch).await;
        }
        self.is_searching.set(is_searching);
        if has_slept {
            self.round.end(began);
            self.thread.work(shared.costs.clock).await;
            self.round.begin(self.thread.now());
        }
    }

    /// Sleeps once, in the driver or on the thread. Returns whether it was called to search and to watch.
    async fn sleep_once(&self, watches: bool, has_slept: &mut bool) -> (bool, bool) {
        let shared = &self.shared;
        let remote = &shared.remotes[self.index];
        let at_most = watches.then_some(WATCH_INTERVAL);
        let driver = &shared.drivers[shared.share_of(self.index)];
        let has_reason = || remote.search.get() || remote.watch.get();
        let take = || (remote.search.take(), remote.watch.take());
        let drives = driver.lock.try_lock(&self.thread).await;
        if drives {
            if has_reason() {
                driver.lock.unlock(&self.thread).await;
                return take();
            }
            *has_slept = true;
            remote.is_driving.set(true);
            let mut called = (false, false);
            let events = driver.sleep(self, at_most, &has_reason, || {
                remote.is_driving.set(false);
                called = take();
            });
            events.await;
            driver.lock.unlock(&self.thread).await;
            return called;
        }
        *has_slept = true;
        while !has_reason() {
            self.thread.work(shared.costs.park / 2.0).await;
            if has_reason() {
                break;
            }
            self.thread.park(at_most).await;
            self.thread.work(shared.costs.park / 2.0).await;
            if at_most.is_some() {
                break;
            }
        }
        take()
    }

    /// Ends a round: fires this worker's timers, polls the driver if that is due, looks into the injector.
    async fn check(&self) -> Option<TaskId> {
        let shared = &self.shared;
        self.thread.work(shared.costs.clock).await;
        let now = self.thread.now();
        let took = self.round.end(now);
        let may_be_external = self.round.end_turn(took);
        self.round.begin(now);
        self.wakes_external.set(self.round.polls.get() != MAX_POLLS);
        let driver = &shared.drivers[shared.share_of(self.index)];
        driver.expire_one(self, self.index).await;
        if now - self.driver_polled.get() > MAX_ROUND {
            self.driver_polled.set(now);
            if driver.lock.try_lock(&self.thread).await {
                driver.poll_now(self).await;
                driver.lock.unlock(&self.thread).await;
            }
        }
        self.wakes_external.set(false);
        let may_be_external = may_be_external || self.round.polls.get() != 1;
        let task = if may_be_external { self.pop_injected().await } else { None };
        self.round.of_external.set(task.is_some());
        task
    }

    /// Draws a number below `count`: xorshift, seeded.
    fn pick(&self, count: usize) -> usize {
        let mut x = self.random.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.random.set(x);
        (x >> 33) as usize % count
    }
}
