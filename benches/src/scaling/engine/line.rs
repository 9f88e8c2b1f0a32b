//! Cache lines and locks, as things that cores wait for.
//!
//! A core that does not have a line waits until the line has come over. A line travels for one core at a
//! time, so a line that all cores write is a server with a queue: at `transfer` nanoseconds each, it passes
//! 1/`transfer` of them in a second, however many cores there are.

use super::{Call, Engine, Thread, Time, picos};
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
};

/// A cache line.
pub(crate) struct Line {
    engine: Rc<Engine>,
    name: &'static str,
    which: usize,
    transfer: f64,
    /// Whether a lock lies in the line: then it counts how long it is held, which contains the transfers.
    is_of_lock: bool,
    /// The cores that have a copy, as bits.
    holders: Cell<u128>,
    /// Until when the line is on its way.
    until: Cell<Time>,
}

impl Line {
    /// A line that no core has. Several lines may have a name, with different numbers.
    pub(crate) fn new(engine: &Rc<Engine>, name: &'static str, which: usize, transfer: f64) -> Self {
        Self {
            engine: engine.clone(),
            name,
            which,
            transfer,
            is_of_lock: false,
            holders: Cell::new(0),
            until: Cell::new(0),
        }
    }

    /// Reads the line. This is free for a core that has a copy: the costs of the steps contain it.
    pub(crate) async fn read(&self, thread: &Thread) {
        thread.take_core().await;
        let (core, before) = (1_u128 << thread.core(), self.holders.get());
        self.holders.set(before | core);
        if before & core == 0 && before != 0 {
            self.fetch(thread).await;
        }
    }

    /// Writes the line, after which no other core has a copy.
    pub(crate) async fn write(&self, thread: &Thread) {
        thread.take_core().await;
        // The line leaves the others when it is asked for, and not when it arrives.
        let (core, before) = (1_u128 << thread.core(), self.holders.replace(1_u128 << thread.core()));
        if before & !core != 0 {
            self.fetch(thread).await;
        }
    }

    async fn fetch(&self, thread: &Thread) {
        let transfer = picos(self.transfer);
        let arrives = self.until.get().max(thread.now()) + transfer;
        self.until.set(arrives);
        self.note_busy(transfer);
        thread.work_until(arrives).await;
    }

    fn note_busy(&self, time: Time) {
        if !self.is_of_lock {
            self.engine.note_busy(self.name, self.which, time);
        }
    }
}

/// The prices of a lock.
#[derive(Clone, Copy)]
pub(crate) struct LockCosts {
    /// How long a waiting thread spins before it sleeps.
    pub(crate) spin: f64,
    /// How long the kernel takes the thread that wakes a sleeper, and the one that falls asleep.
    pub(crate) call: f64,
    /// How long after the call the sleeper runs.
    pub(crate) latency: f64,
}

/// A mutex: a line, and threads that wait for it. A waiting thread spins, then sleeps. A thread that comes
/// in between may be faster than one that was woken, as with the standard library's mutex.
pub(crate) struct Lock {
    line: Line,
    costs: LockCosts,
    is_held: Cell<bool>,
    since: Cell<Time>,
    spinning: RefCell<VecDeque<usize>>,
    sleeping: RefCell<VecDeque<usize>>,
}

impl Lock {
    pub(crate) fn new(line: Line, costs: LockCosts) -> Self {
        Self {
            line: Line { is_of_lock: true, ..line },
            costs,
            is_held: Cell::new(false),
            since: Cell::new(0),
            spinning: RefCell::default(),
            sleeping: RefCell::default(),
        }
    }

    /// Takes the lock, if it is free.
    pub(crate) async fn try_lock(&self, thread: &Thread) -> bool {
        self.line.write(thread).await;
        let is_free = !self.is_held.replace(true);
        if is_free {
            self.since.set(thread.now());
        }
        is_free
    }

    pub(crate) async fn lock(&self, thread: &Thread) {
        while !self.try_lock(thread).await {
            thread.take_call(Call::Lock);
            self.spinning.borrow_mut().push_back(thread.id);
            if thread.spin(Call::Lock, self.costs.spin).await {
                // It was handed over. The line comes along.
                self.line.write(thread).await;
                return;
            }
            self.spinning.borrow_mut().retain(|&id| id != thread.id);
            thread.work(self.costs.call).await;
            if self.is_held.get() {
                self.sleeping.borrow_mut().push_back(thread.id);
                thread.sleep(Call::Lock, None).await;
            }
        }
    }

    pub(crate) async fn unlock(&self, thread: &Thread) {
        let held = thread.now() - self.since.get();
        self.line.engine.note_busy(self.line.name, self.line.which, held);
        // A thread that spins takes it over while it is held.
        let spinner = self.spinning.borrow_mut().pop_front();
        if let Some(spinner) = spinner {
            self.since.set(thread.now());
            thread.engine.call(spinner, Call::Lock, 0.0);
            return;
        }
        self.is_held.set(false);
        let sleeper = self.sleeping.borrow_mut().pop_front();
        if let Some(sleeper) = sleeper {
            thread.engine.call(sleeper, Call::Lock, self.costs.latency);
            thread.work(self.costs.call).await;
        }
    }
}
