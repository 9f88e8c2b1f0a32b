//! Lab 8: a work-stealing deque and `join`.

use brigade_course_kit::{
    lab08::{Deque, ForkJoin, Steal},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{
            AtomicBool, AtomicIsize, AtomicUsize,
            Ordering::{Acquire, Relaxed, Release, SeqCst},
            fence,
        },
    },
    thread::spawn_named,
};
use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    thread::Result,
};

/// The expectation of each lock: jobs run outside of them.
const NO_PANIC: &str = "no thread panics with the lock";

/// The deque of Chase and Lev (2005), with the orders of Lê, Pop, Cohen and Zappa Nardelli (2013).
///
/// ```text
///      thieves: top                  owner: bottom
///             ▼                      ▼
///   … taken │ oldest │  …  │ newest │ free …
/// ```
///
/// An index counts for ever. Its slot is the index modulo the capacity.
pub struct Ring {
    /// The index of the oldest item. It only grows. A compare-and-swap of it takes that item.
    top: AtomicIsize,
    /// The index after the newest item. Only the owner writes it.
    bottom: AtomicIsize,
    slots: Box<[AtomicUsize]>,
}

impl Ring {
    fn slot(&self, index: isize) -> &AtomicUsize {
        &self.slots[index as usize % self.slots.len()]
    }

    /// Takes the oldest item, of this index, unless another thread was faster.
    fn win(&self, top: isize) -> bool {
        self.top.compare_exchange(top, top + 1, SeqCst, Relaxed).is_ok()
    }
}

impl Deque for Ring {
    fn new(capacity: usize) -> Self {
        let slots = (0..capacity).map(|_| AtomicUsize::new(0)).collect();
        Self { top: AtomicIsize::new(0), bottom: AtomicIsize::new(0), slots }
    }

    fn push(&self, item: usize) -> bool {
        let bottom = self.bottom.load(Relaxed);
        // Acquire pairs with the swap of a thief, which has read its slot before.
        if bottom - self.top.load(Acquire) >= self.slots.len() as isize {
            return false;
        }
        self.slot(bottom).store(item, Relaxed);
        // Release: a thief that sees this index sees the item as well.
        self.bottom.store(bottom + 1, Release);
        true
    }

    fn pop(&self) -> Option<usize> {
        let bottom = self.bottom.load(Relaxed) - 1;
        // First write, then read: thieves do the opposite, and one of the two sees the other.
        self.bottom.store(bottom, Relaxed);
        fence(SeqCst);
        let top = self.top.load(Relaxed);
        if top < bottom {
            return Some(self.slot(bottom).load(Relaxed));
        }
        // The last item is between the owner and the thieves. Beyond it there is none.
        let is_won = top == bottom && self.win(top);
        self.bottom.store(bottom + 1, Relaxed);
        is_won.then(|| self.slot(bottom).load(Relaxed))
    }

    fn steal(&self) -> Steal {
        let top = self.top.load(Acquire);
        fence(SeqCst);
        // Acquire pairs with the Release of a push.
        if top >= self.bottom.load(Acquire) {
            return Steal::Empty;
        }
        // Before the swap: after it, the owner may use the slot again.
        let item = self.slot(top).load(Relaxed);
        if self.win(top) { Steal::Item(item) } else { Steal::Retry }
    }
}

/// The open joins of a worker. Deeper ones run their second half at once.
const MAX_DEPTH: usize = 32;

/// A job without its type.
trait Run: Send + Sync {
    fn run(&self, worker: &Student);
}

/// The second half of a join.
struct Half<F, B> {
    work: Mutex<Option<F>>,
    result: Mutex<Option<Result<B>>>,
    /// The number of the worker that waits.
    owner: usize,
}

impl<F: FnOnce(&Student) -> B + Send, B: Send> Run for Half<F, B> {
    fn run(&self, worker: &Student) {
        let work = self.work.lock().expect(NO_PANIC).take().expect("a job is taken once");
        let result = catch_unwind(AssertUnwindSafe(|| work(worker)));
        *self.result.lock().expect(NO_PANIC) = Some(result);
        worker.shared.seats[self.owner].unpark();
    }
}

/// The part of a worker that others see.
struct Seat {
    deque: Ring,
    /// The second halves of the open joins. The items of the deque are indexes in here.
    halves: Vec<Mutex<Option<Arc<dyn Run>>>>,
    token: Mutex<bool>,
    bell: Condvar,
}

impl Seat {
    fn new() -> Self {
        Self {
            deque: Ring::new(MAX_DEPTH),
            halves: (0..MAX_DEPTH).map(|_| Mutex::new(None)).collect(),
            token: Mutex::new(false),
            bell: Condvar::new(),
        }
    }

    fn park(&self) {
        let mut token = self.token.lock().expect(NO_PANIC);
        while !*token {
            token = self.bell.wait(token).expect(NO_PANIC);
        }
        *token = false;
    }

    fn unpark(&self) {
        *self.token.lock().expect(NO_PANIC) = true;
        self.bell.notify_one();
    }
}

struct Shared {
    seats: Vec<Seat>,
    /// The workers that are parked because there is nothing to steal, or about to be.
    idle: Mutex<Vec<usize>>,
    is_closed: AtomicBool,
}

/// A worker.
pub struct Student {
    shared: Arc<Shared>,
    number: usize,
    /// The number of its open joins.
    depth: Cell<usize>,
}

impl Student {
    fn new(shared: &Arc<Shared>, number: usize) -> Self {
        Self { shared: shared.clone(), number, depth: Cell::new(0) }
    }

    fn seat(&self) -> &Seat {
        &self.shared.seats[self.number]
    }

    /// Steals a job of another worker.
    fn find(&self) -> Option<Arc<dyn Run>> {
        let seats = self.shared.seats.iter().enumerate();
        for (_, victim) in seats.filter(|&(number, _)| number != self.number) {
            loop {
                match victim.deque.steal() {
                    Steal::Item(item) => return victim.halves[item].lock().expect(NO_PANIC).clone(),
                    Steal::Empty => break,
                    Steal::Retry => {}
                }
            }
        }
        None
    }

    /// Runs what it can steal, until the root is done.
    fn work(&self) {
        while !self.shared.is_closed.load(SeqCst) {
            match self.find() {
                Some(job) => job.run(self),
                None => self.sleep(),
            }
        }
    }

    /// Sleeps as a worker of lab 7: enters the list, looks again, parks.
    fn sleep(&self) {
        let idle = || self.shared.idle.lock().expect(NO_PANIC);
        idle().push(self.number);
        match self.find() {
            None => self.seat().park(),
            Some(job) => {
                idle().retain(|&other| other != self.number);
                job.run(self);
            }
        }
    }

    /// Wakes a worker that could steal.
    fn wake_one(&self) {
        let idle = self.shared.idle.lock().expect(NO_PANIC).pop();
        if let Some(number) = idle {
            self.shared.seats[number].unpark();
        }
    }
}

impl ForkJoin for Student {
    type Deque = Ring;

    fn run<T>(workers: usize, root: impl FnOnce(&Self) -> T) -> T {
        let seats = (0..workers).map(|_| Seat::new()).collect();
        let shared = Arc::new(Shared { seats, idle: Mutex::default(), is_closed: AtomicBool::new(false) });
        let start = |number| {
            let shared = shared.clone();
            spawn_named("worker", move || Student::new(&shared, number).work())
        };
        let threads: Vec<_> = (1..workers).map(start).collect();
        let result = catch_unwind(AssertUnwindSafe(|| root(&Student::new(&shared, 0))));
        shared.is_closed.store(true, SeqCst);
        shared.seats.iter().for_each(Seat::unpark);
        for thread in threads {
            thread.join().expect("a worker catches the panics of its jobs");
        }
        result.unwrap_or_else(|payload| resume_unwind(payload))
    }

    fn join<A, B>(
        &self,
        a: impl FnOnce(&Self) -> A,
        b: impl FnOnce(&Self) -> B + Send + 'static,
    ) -> (A, B)
    where
        B: Send + 'static,
    {
        let depth = self.depth.get();
        if depth == MAX_DEPTH {
            return (a(self), b(self));
        }
        let half = Arc::new(Half {
            work: Mutex::new(Some(b)),
            result: Mutex::new(None),
            owner: self.number,
        });
        *self.seat().halves[depth].lock().expect(NO_PANIC) = Some(half.clone());
        // There is room: the deque holds open joins only.
        self.seat().deque.push(depth);
        self.wake_one();
        self.depth.set(depth + 1);
        let first = catch_unwind(AssertUnwindSafe(|| a(self)));
        // The joins within `a` have taken theirs back, so the newest item is this one, if it is still there.
        if self.seat().deque.pop().is_some() {
            half.run(self);
        }
        let second = loop {
            if let Some(result) = half.result.lock().expect(NO_PANIC).take() {
                break result;
            }
            self.seat().park();
        };
        self.depth.set(depth);
        let result = |outcome: Result<A>| outcome.unwrap_or_else(|payload| resume_unwind(payload));
        (result(first), second.unwrap_or_else(|payload| resume_unwind(payload)))
    }
}
