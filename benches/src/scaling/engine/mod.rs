//! Virtual time: threads are futures, a step of a thread takes time, and the earliest step comes next.
//!
//! ```text
//!   thread 0   ── work(90) ──┐            ┌── work(20) ── …        each step ends at a virtual moment
//!   thread 1   ── park ──────│── unpark ──┘                        the engine polls the future whose step
//!   agenda     (time, number of the step) ── the earliest ──▶      ends first; ties go by the number
//! ```
//!
//! A model of a scheduler so reads like the scheduler itself: `work` where that computes, `park` where it
//! sleeps. Nothing here asks the real clock or draws a random number, so the same model has the same
//! outcome.
//!
//! A thread runs on a core. If there are more threads than cores, those that are ready wait in one queue, and
//! a thread that is waited for leaves its core after [`SLICE`].

pub(crate) mod line;

use std::{
    cell::{Cell, RefCell},
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, VecDeque},
    future::{Future, poll_fn},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

/// Virtual time in picoseconds.
pub(crate) type Time = u64;

/// How long a thread keeps its core while others want one.
const SLICE: Time = picos(3_000_000.0);

/// Turns nanoseconds into virtual time.
pub(crate) const fn picos(nanos: f64) -> Time {
    (nanos * 1000.0) as Time
}

/// Turns virtual time into nanoseconds.
pub(crate) fn nanos(time: Time) -> f64 {
    time as f64 / 1000.0
}

/// The future of a thread.
type Body = Pin<Box<dyn Future<Output = ()>>>;

/// A step of a thread on the agenda: when it ends, its number, the thread, and which of its steps it is.
type Step = (Time, u64, usize, u64);

/// The agenda, the threads and the cores of one simulation.
pub(crate) struct Engine {
    now: Cell<Time>,
    steps: Cell<u64>,
    agenda: RefCell<BinaryHeap<Reverse<Step>>>,
    threads: RefCell<Vec<ThreadState>>,
    /// Bodies of threads that have not begun.
    fresh: RefCell<Vec<(usize, Body)>>,
    free_cores: RefCell<Vec<usize>>,
    /// Threads that are ready and have no core.
    ready: RefCell<VecDeque<usize>>,
    pub(crate) cores: usize,
    /// How long each resource was in use.
    busy: RefCell<BTreeMap<(&'static str, usize), i64>>,
    is_stopped: Cell<bool>,
}

#[derive(Default)]
struct ThreadState {
    /// Which step the thread waits for. Steps before it no longer count.
    step: u64,
    /// The call that the thread sleeps for, if it sleeps.
    sleeps_for: Option<Call>,
    /// The calls that have come and were not answered, by `Call`.
    called: [bool; 2],
    core: Option<usize>,
    last_core: usize,
    core_since: Time,
    cpu: Time,
    /// Time that interrupts have taken, which the next step is longer by.
    debt: Time,
}

/// The reason to end a sleep. A thread that sleeps for one reason is not woken for the other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    /// There is work, or what the thread waits for is done.
    Unpark,
    /// A lock is free.
    Lock,
}

/// A thread of the simulation, from its own point of view.
#[derive(Clone)]
pub(crate) struct Thread {
    pub(crate) engine: Rc<Engine>,
    pub(crate) id: usize,
}

impl Engine {
    /// A machine with this many cores.
    pub(crate) fn new(cores: usize) -> Rc<Self> {
        Rc::new(Self {
            now: Cell::new(0),
            steps: Cell::new(0),
            agenda: RefCell::default(),
            threads: RefCell::default(),
            fresh: RefCell::default(),
            free_cores: RefCell::new((0..cores).rev().collect()),
            ready: RefCell::default(),
            cores,
            busy: RefCell::default(),
            is_stopped: Cell::new(false),
        })
    }

    pub(crate) fn now(&self) -> Time {
        self.now.get()
    }

    /// Adds a thread, which begins at once.
    pub(crate) fn start<F: Future<Output = ()> + 'static>(self: &Rc<Self>, body: impl FnOnce(Thread) -> F) {
        let id = self.threads.borrow().len();
        self.threads.borrow_mut().push(ThreadState::default());
        let body = body(Thread { engine: self.clone(), id });
        self.fresh.borrow_mut().push((id, Box::pin(body)));
        self.schedule(id, self.now());
    }

    /// Ends the simulation after the current step.
    pub(crate) fn stop(&self) {
        self.is_stopped.set(true);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.is_stopped.get()
    }

    /// Runs until a thread stops the simulation. Returns false if all threads wait for ever.
    pub(crate) fn run(&self) -> bool {
        let mut bodies: Vec<Option<Body>> = Vec::new();
        while !self.is_stopped.get() {
            for (id, body) in self.fresh.take() {
                bodies.resize_with(bodies.len().max(id + 1), || None);
                bodies[id] = Some(body);
            }
            let Some(Reverse((time, _, id, step))) = self.agenda.borrow_mut().pop() else { return false };
            if self.threads.borrow()[id].step != step {
                continue;
            }
            self.now.set(time);
            self.threads.borrow_mut()[id].step += 1;
            let Some(body) = &mut bodies[id] else { continue };
            if body.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
                bodies[id] = None;
            }
        }
        true
    }

    /// Lets the step that the thread waits for end at this time, unless it ends before.
    fn schedule(&self, id: usize, at: Time) {
        let number = self.steps.replace(self.steps.get() + 1);
        let step = self.threads.borrow()[id].step;
        self.agenda.borrow_mut().push(Reverse((at, number, id, step)));
    }

    /// Notes that a resource, which there may be several of, was in use for so long.
    pub(crate) fn note_busy(&self, name: &'static str, which: usize, time: Time) {
        *self.busy.borrow_mut().entry((name, which)).or_default() += time.cast_signed();
    }

    /// Notes that a thread slept for so long while it held a resource, which therefore was not in use.
    pub(crate) fn note_idle(&self, name: &'static str, which: usize, time: Time) {
        *self.busy.borrow_mut().entry((name, which)).or_default() -= time.cast_signed();
    }

    /// Returns for each kind of resource how long the busiest of them was in use.
    pub(crate) fn busiest(&self) -> BTreeMap<&'static str, Time> {
        let mut most: BTreeMap<_, Time> = BTreeMap::new();
        for (&(name, _), &time) in self.busy.borrow().iter() {
            let busiest = most.entry(name).or_default();
            *busiest = (*busiest).max(time.max(0).cast_unsigned());
        }
        most
    }

    /// Lets the sleep of a thread end at this time, if it lasts for so long.
    pub(crate) fn hurry(&self, id: usize, at: Time) {
        if self.threads.borrow()[id].sleeps_for.is_some() {
            self.schedule(id, at);
        }
    }

    /// The time that all threads have spent on cores.
    pub(crate) fn cpu(&self) -> Time {
        self.threads.borrow().iter().map(|thread| thread.cpu).sum()
    }

    /// Makes the next step of each thread that runs, but of one, longer. Returns how many those are.
    pub(crate) fn interrupt_others(&self, but: usize, cost: f64) -> usize {
        let mut threads = self.threads.borrow_mut();
        let others =
            threads.iter_mut().enumerate().filter(|(id, thread)| *id != but && thread.core.is_some());
        others.map(|(_, thread)| thread.debt += picos(cost)).count()
    }

    /// Ends the sleep of a thread after `latency` nanoseconds, or its next one at once. Returns whether it
    /// slept.
    pub(crate) fn call(&self, id: usize, call: Call, latency: f64) -> bool {
        let thread = &mut self.threads.borrow_mut()[id];
        thread.called[call as usize] = true;
        if thread.sleeps_for != Some(call) {
            return false;
        }
        thread.sleeps_for = None;
        let number = self.steps.replace(self.steps.get() + 1);
        self.agenda.borrow_mut().push(Reverse((self.now() + picos(latency), number, id, thread.step)));
        true
    }
}

impl Thread {
    pub(crate) fn now(&self) -> Time {
        self.engine.now()
    }

    /// The core that the thread runs on, or ran on last.
    pub(crate) fn core(&self) -> usize {
        self.engine.threads.borrow()[self.id].last_core
    }

    /// Computes for so many nanoseconds, and for what interrupts took meanwhile.
    pub(crate) async fn work(&self, cost: f64) {
        self.take_core().await;
        let time = {
            let thread = &mut self.engine.threads.borrow_mut()[self.id];
            picos(cost) + std::mem::take(&mut thread.debt)
        };
        if time > 0 {
            self.wait(Some(self.now() + time)).await;
        }
        // Work that the end of the simulation cuts off does not count: it would exceed the wall time.
        self.engine.threads.borrow_mut()[self.id].cpu += time;
        if self.now() - self.engine.threads.borrow()[self.id].core_since >= SLICE {
            self.give_way().await;
        }
    }

    /// Computes for so many nanoseconds, and then lets another thread have the core, if one is ready.
    pub(crate) async fn yield_now(&self, cost: f64) {
        self.work(cost).await;
        self.give_way().await;
    }

    async fn give_way(&self) {
        if !self.engine.ready.borrow().is_empty() {
            self.give_core();
            self.engine.ready.borrow_mut().push_back(self.id);
            self.wait_for_core().await;
        }
    }

    /// Computes until this moment.
    pub(crate) async fn work_until(&self, end: Time) {
        self.work(nanos(end.saturating_sub(self.now()))).await;
    }

    /// Sleeps until another thread calls this one, or for `at_most` nanoseconds. Returns whether it was
    /// called.
    pub(crate) async fn sleep(&self, until: Call, at_most: Option<f64>) -> bool {
        if self.take_call(until) {
            return true;
        }
        self.give_core();
        self.wait_for_call(until, at_most).await;
        self.take_core().await;
        self.take_call(until)
    }

    /// Sleeps until another thread unparks this one, or for `at_most` nanoseconds.
    pub(crate) async fn park(&self, at_most: Option<f64>) {
        self.sleep(Call::Unpark, at_most).await;
    }

    /// Waits awake until another thread calls this one, or for `at_most` nanoseconds. Returns whether it was
    /// called.
    pub(crate) async fn spin(&self, until: Call, at_most: f64) -> bool {
        let begun = self.now();
        if !self.take_call(until) {
            self.wait_for_call(until, Some(at_most)).await;
            self.engine.threads.borrow_mut()[self.id].cpu += self.now() - begun;
            return self.take_call(until);
        }
        true
    }

    async fn wait_for_call(&self, call: Call, at_most: Option<f64>) {
        self.engine.threads.borrow_mut()[self.id].sleeps_for = Some(call);
        self.wait(at_most.map(|time| self.now() + picos(time))).await;
        self.engine.threads.borrow_mut()[self.id].sleeps_for = None;
    }

    /// Takes a call that has come.
    pub(crate) fn take_call(&self, call: Call) -> bool {
        std::mem::take(&mut self.engine.threads.borrow_mut()[self.id].called[call as usize])
    }

    /// Waits for the end of the current step.
    async fn wait(&self, until: Option<Time>) {
        if let Some(until) = until {
            self.engine.schedule(self.id, until);
        }
        let mut has_waited = false;
        poll_fn(|_| if std::mem::replace(&mut has_waited, true) { Poll::Ready(()) } else { Poll::Pending })
            .await;
    }

    /// Waits until the thread has a core.
    pub(crate) async fn take_core(&self) {
        if self.engine.threads.borrow()[self.id].core.is_some() {
            return;
        }
        let last = self.engine.threads.borrow()[self.id].last_core;
        let free = {
            let mut free = self.engine.free_cores.borrow_mut();
            // The core whose cache is warm, or else any.
            let position = free.iter().position(|&core| core == last).or(free.len().checked_sub(1));
            position.map(|position| free.swap_remove(position))
        };
        match free {
            Some(core) => self.engine.occupy(self.id, core),
            None => {
                self.engine.ready.borrow_mut().push_back(self.id);
                self.wait_for_core().await;
            }
        }
    }

    async fn wait_for_core(&self) {
        while self.engine.threads.borrow()[self.id].core.is_none() {
            self.wait(None).await;
        }
    }

    fn give_core(&self) {
        let Some(core) = self.engine.threads.borrow_mut()[self.id].core.take() else { return };
        let next = self.engine.ready.borrow_mut().pop_front();
        match next {
            Some(next) => {
                self.engine.occupy(next, core);
                self.engine.schedule(next, self.now());
            }
            None => self.engine.free_cores.borrow_mut().push(core),
        }
    }
}

impl Engine {
    fn occupy(&self, id: usize, core: usize) {
        let thread = &mut self.threads.borrow_mut()[id];
        thread.core = Some(core);
        thread.last_core = core;
        thread.core_since = self.now.get();
    }
}
