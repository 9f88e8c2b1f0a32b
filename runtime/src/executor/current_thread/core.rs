//! The core of the current-thread executor: the part that only the driving thread touches. Its loop is
//! `run_until` in `block_on.rs`.
//!
//! # Fairness
//!
//! A round has as many polls as [`CheckInterval`] says: it takes 50 µs, or is one poll. Between two rounds
//! the future of `block_on` is polled if it was woken, and the timers and the driver are looked at if the
//! last time was more than [`MAX_ROUND`] ago. So a task that wakes itself for ever starves nobody.
//!
//! Tasks that other threads sent and tasks that the driver woke are in a queue of their own, `external`.
//! It goes before the queue `ready`, and the two take [`Turns`]. If the future of `block_on` yields, it is
//! polled again after the tasks that were ready then, as a task would be.

use super::CurrentThread;
use crate::{
    driver::{DriverLock, fork},
    executor::{
        block_on::{MainFuture, run_until},
        check_interval::{CheckInterval, MAX_ROUND, Turns},
        context,
    },
    shim::lock,
    task::{self, Outcome, Task, TaskRef, budget, list::TaskList},
    time::{
        elapsed::Elapsed,
        timers::{Armed, SetTimer},
    },
};
use brigade_handle::{fork::Generation, wait};
use brigade_trace::{clock, gap, live::Root, park, unpark};
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::Future,
    mem,
    pin::Pin,
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

/// The most tasks that go before the future of `block_on` after it has yielded.
const MAX_TASKS_BEFORE_MAIN: usize = 61;

/// The parts that move from one driving thread to the next. No local task is among them.
pub(super) struct CoreQueues {
    pub(super) ready: VecDeque<Task>,
    pub(super) owned: TaskList,
}

/// The part of the executor that only the driving thread touches.
pub(crate) struct Core {
    pub(crate) shared: Arc<CurrentThread>,
    pub(super) ready: RefCell<VecDeque<Task>>,
    /// Tasks from other threads, and tasks that the driver has woken while others were ready.
    external: RefCell<VecDeque<Task>>,
    /// The tasks that may move between threads, and have waited.
    owned: RefCell<TaskList>,
    /// All tasks that may not move. They end with the `block_on` in which they were spawned.
    locals: RefCell<TaskList>,
    /// True once that end has begun: a local task that is spawned later is cancelled at once.
    locals_end: Cell<bool>,
    driver_polled: Cell<Instant>,
    interval: CheckInterval,
    turns: Turns,
    /// The number of tasks that still go before the future of `block_on`, which has yielded.
    before_main: Cell<usize>,
    /// The process that made this core. A forked child is another one.
    generation: Generation,
}

/// The index of a task is twice its number in the list, plus this bit if the list is `locals`.
const LOCAL_BIT: u32 = 1;

/// The time in which this thread drives the executor.
pub(super) struct Driving {
    core: Rc<Core>,
    _entered: context::Entered<Rc<Core>>,
    _policy: wait::Restore,
}

impl Driving {
    pub(super) fn begin(shared: &Arc<CurrentThread>, lists: CoreQueues) -> Self {
        let core = Rc::new(Core {
            shared: shared.clone(),
            ready: RefCell::new(lists.ready),
            owned: RefCell::new(lists.owned),
            locals: RefCell::default(),
            locals_end: Cell::new(false),
            external: RefCell::default(),
            driver_polled: Cell::new(clock::now()),
            interval: CheckInterval::new(shared.driver.timers.clock.now()),
            turns: Turns::new(),
            before_main: Cell::new(0),
            generation: Generation::current(),
        });
        let entered = context::enter_as_driver(core.clone());
        Self { core, _entered: entered, _policy: wait::set(crate::executor::block_on::FORBID) }
    }

    pub(super) fn block_on<F: Future>(&self, future: Pin<&mut Option<F>>, mut root: Root) -> F::Output {
        let mut main = MainFuture(future);
        let shared = &self.core.shared;
        let waker = Waker::from(shared.clone());
        // The first poll needs no wake-up.
        shared.inbox.set_woken();
        run_until(&self.core, || {
            if self.core.before_main.get() > 0 || !shared.inbox.take_woken() {
                return None;
            }
            self.core.interval.count_poll();
            budget::renew();
            match root.poll(&waker, |waker| main.poll(&mut Context::from_waker(waker))) {
                Poll::Ready(output) => Some(output),
                Poll::Pending => {
                    if shared.inbox.is_woken() {
                        self.core.queue_main();
                    }
                    None
                }
            }
        })
    }
}

impl Driving {
    /// Runs tasks until none is left, or until `at_most` has passed.
    pub(super) fn drain(&self, at_most: Option<Duration>) -> Result<(), Elapsed> {
        let core = &self.core;
        let timers = &core.shared.driver.timers;
        // `None`: there is no deadline, or it is too far away for a clock to name.
        let Some(deadline) = at_most.and_then(|at_most| timers.clock.now().checked_add(at_most)) else {
            run_until(core, || core.is_empty().then_some(()));
            return Ok(());
        };
        let waker = Waker::from(core.shared.clone());
        // The thread that sets this timer is the one that sleeps in the driver, so the driver need not be
        // hurried.
        let (SetTimer::Done(timer) | SetTimer::HurryDriver(timer)) = timers.set(0, deadline, &waker) else {
            unreachable!("the driver is closed after the drain")
        };
        let is_now = at_most == Some(Duration::ZERO);
        let drained = run_until(core, || {
            if core.is_empty() {
                return Some(Ok(()));
            }
            // The timer is checked in any case: this thread was woken by it, or for no reason.
            core.shared.inbox.take_woken();
            (is_now || timers.rearm(0, timer, &waker) != Armed::Waits).then_some(Err(Elapsed))
        });
        timers.cancel(0, timer);
        drained
    }

    /// Cancels all tasks, and lets no more in.
    pub(super) fn cancel(&self) {
        let core = &self.core;
        core.shared.closing.store(true, Ordering::Relaxed);
        core.owned.borrow().iter().for_each(TaskRef::cancel);
        core.end_locals();
        run_until(core, || core.is_empty().then_some(()));
    }
}

impl Drop for Driving {
    fn drop(&mut self) {
        let core = &self.core;
        if !core.generation.is_current() {
            // In a forked child the tasks stay as they are.
            return mem::forget(core.clone());
        }
        core.end_locals();
        run_until(core, || core.locals.borrow().is_empty().then_some(()));
        let mut ready = core.external.take();
        ready.append(&mut core.ready.borrow_mut());
        let lists = CoreQueues { ready, owned: core.owned.take() };
        let waiting = {
            let mut parked = lock(&core.shared.parked);
            parked.core = Some(lists);
            mem::take(&mut parked.waiting)
        };
        task::return_references();
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl Core {
    /// Runs tasks until the round is over, or none is ready. Returns false if there were none.
    pub(crate) fn run_round(&self) -> bool {
        let fetched = self.fetch();
        let before = self.interval.made();
        let is_over = self.turns.is_of_external() && self.run_all(&self.external);
        let _ = is_over || self.run_all(&self.ready) || self.run_all(&self.external);
        let ran = self.interval.made() - before;
        // Nobody goes before the future of `block_on` if nothing is ready.
        let left = if self.interval.is_due() { self.before_main.get().saturating_sub(ran) } else { 0 };
        let had_main_queued = self.before_main.replace(left) > 0;
        fetched || ran > 0 || had_main_queued
    }

    /// Runs the tasks of a queue. Returns true once the round is over, false if the queue is empty before. If
    /// the round was over already, it runs one task: a future of `block_on` that is woken again and again
    /// starves none.
    #[inline]
    fn run_all(&self, queue: &RefCell<VecDeque<Task>>) -> bool {
        loop {
            // This is a statement of its own, so that the queue is not borrowed while the task runs.
            let task = queue.borrow_mut().pop_front();
            let Some(task) = task else { return false };
            self.run(task);
            if self.interval.is_due() {
                return true;
            }
        }
    }

    #[inline]
    fn run(&self, task: Task) {
        self.interval.count_poll();
        budget::renew();
        match task.run() {
            Outcome::Done => {}
            Outcome::Again(task) => self.ready.borrow_mut().push_back(task),
        }
        self.assert_not_forked();
    }

    /// Lets the tasks that are ready go before the future of `block_on`.
    fn queue_main(&self) {
        let ready = self.ready.borrow().len() + self.external.borrow().len();
        self.before_main.set(ready.min(MAX_TASKS_BEFORE_MAIN));
    }

    /// Panics in a forked child: the parent runs these tasks, and the copy of this thread must not.
    #[inline]
    pub(crate) fn assert_not_forked(&self) {
        if !self.generation.is_current() {
            fork::refuse_forked();
        }
    }

    /// Takes the tasks that other threads sent. Returns false if there were none.
    fn fetch(&self) -> bool {
        let mut queue = |task: Task| self.external.borrow_mut().push_back(task);
        let first = self.shared.inbox.injector.pop_batch(|len| len, &mut queue).inspect(|_| gap());
        let fetched = first.is_some();
        first.into_iter().for_each(queue);
        fetched
    }

    /// Queues a task that was woken on the driving thread.
    #[inline]
    pub(crate) fn schedule(&self, task: Task) {
        self.ready.borrow_mut().push_back(task);
    }

    /// Takes in a task that was just spawned on the driving thread. The task is cancelled if the executor
    /// is closing.
    pub(crate) fn take_in(&self, task: Task) {
        if self.shared.is_closing() {
            task::refuse(task);
        } else {
            self.ready.borrow_mut().push_back(task);
        }
    }

    /// Takes in a task that may not leave this thread. It is listed from the beginning, because it ends
    /// with the `block_on`.
    pub(super) fn take_in_local(&self, task: Task) {
        if self.locals_end.get() {
            task::refuse(task);
        } else {
            task.set_list_index(2 * self.locals.borrow_mut().insert(task.to_ref()) + LOCAL_BIT);
            self.ready.borrow_mut().push_back(task);
        }
    }

    /// Cancels the local tasks, and lets no more in.
    fn end_locals(&self) {
        self.locals_end.set(true);
        self.locals.borrow().iter().for_each(TaskRef::cancel);
    }

    /// Lists a task that waits for the first time, and returns its index. Returns `None` if the executor is
    /// closing.
    pub(super) fn list(&self, task: TaskRef) -> Option<u32> {
        (!self.shared.is_closing()).then(|| 2 * self.owned.borrow_mut().insert(task))
    }

    pub(super) fn release(&self, place: u32) {
        let list = if place % 2 == LOCAL_BIT { &self.locals } else { &self.owned };
        // This relies on the references in the list having nothing to drop.
        list.borrow_mut().remove(place / 2);
    }

    /// Tells whether no task is left.
    fn is_empty(&self) -> bool {
        self.ready.borrow().is_empty()
            && self.external.borrow().is_empty()
            && self.owned.borrow().is_empty()
            && self.locals.borrow().is_empty()
            && self.shared.inbox.injector.len() == 0
    }

    /// Tells whether the round is over, so that a check is due.
    pub(crate) fn is_check_due(&self) -> bool {
        self.interval.is_due()
    }

    /// Ends a round: polls the driver without sleeping, if it was not polled for long enough, and says whose
    /// turn the next round is.
    #[cold]
    pub(crate) fn check(&self) {
        gap();
        let clock = &self.shared.driver.timers.clock;
        let now = clock.now();
        let may_be_external = self.turns.end_round(self.interval.end_round(now));
        // Pausing the clock does not pause the descriptors.
        let real_now = if clock.is_paused() { clock::now() } else { now };
        if real_now - self.driver_polled.get() > MAX_ROUND {
            self.driver_polled.set(real_now);
            if let Some(mut driver) = self.shared.driver.try_lock() {
                let ready = self.ready.borrow().len();
                driver.poll_now();
                // The driver runs no task, so nothing has left the queue meanwhile.
                self.external.borrow_mut().extend(self.ready.borrow_mut().drain(ready..));
            }
        }
        self.fetch();
        self.turns.begin(may_be_external && !self.external.borrow().is_empty());
    }

    /// Waits until there is something to do: awake, if another thread is expected to send something soon,
    /// and else in the reactor. If there is something already, the round goes on: otherwise a future of
    /// `block_on` that wakes itself would put off the check for ever.
    pub(crate) fn sleep(&self) {
        gap();
        let clock = &self.shared.driver.timers.clock;
        let now = clock.now();
        let inbox = &self.shared.inbox;
        let is_paused = clock.is_paused();
        if !is_paused && inbox.linger.may_wait_awake() && now - self.driver_polled.get() > MAX_ROUND {
            // Timers and events must not wait as long as other threads send something.
            return self.check();
        }
        if !is_paused && inbox.linger.wait_awake(|| !inbox.is_empty()) {
            self.interval.exclude(clock.now() - now);
        } else if self.sleep_in_driver() {
            let awake_at = clock.now();
            if !is_paused {
                self.driver_polled.set(awake_at);
            }
            self.interval.end_round(now);
            self.interval.begin_round(awake_at);
        }
    }

    /// Returns whether it has polled the driver, asleep or to move a paused clock.
    fn sleep_in_driver(&self) -> bool {
        let shared = &self.shared;
        let Some(mut driver) = shared.driver.try_lock() else {
            unreachable!("only the driving thread turns the driver of a current-thread runtime")
        };
        if shared.driver.timers.clock.is_paused() && self.advance_clock(&mut driver) {
            return true;
        }
        let may_sleep = shared.inbox.may_sleep();
        if may_sleep {
            park(shared.worker);
            shared.inbox.linger.begin_sleep();
            // This thread may be inside a job of a pool. Then a spare thread takes its place.
            let away = wait::away();
            driver.sleep(None, || {
                drop(away);
                unpark(shared.worker);
                shared.inbox.linger.end_sleep();
                shared.inbox.awake();
            });
        }
        shared.inbox.awake();
        may_sleep
    }

    /// Advances a paused clock, if every task waits. Returns true if there is something to do then.
    #[cold]
    fn advance_clock(&self, driver: &mut DriverLock<'_>) -> bool {
        let shared = &self.shared;
        // A call wakes its task before it stops counting. So the count comes first: if no call runs, then
        // the tasks that calls have woken are found below. The count comes once more, since the poll may
        // wake a call that waits.
        let was_idle = shared.blocking.is_idle();
        driver.poll_now();
        !shared.inbox.is_empty()
            || !self.ready.borrow().is_empty()
            || !self.external.borrow().is_empty()
            || (was_idle && shared.blocking.is_idle() && driver.advance_clock())
    }
}
