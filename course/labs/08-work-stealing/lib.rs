//! Lab 8: a work-stealing deque and `join`. The chapter is `course/book/src/labs/08-work-stealing.md`.

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
    to_write,
};
use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    thread::Result,
};

/// The expectation of each lock: jobs run outside of them.
const NO_PANIC: &str = "no thread panics with the lock";

/// Your deque.
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
}

impl Deque for Ring {
    fn new(capacity: usize) -> Self {
        let slots = (0..capacity).map(|_| AtomicUsize::new(0)).collect();
        Self { top: AtomicIsize::new(0), bottom: AtomicIsize::new(0), slots }
    }

    fn push(&self, _item: usize) -> bool {
        to_write("step 1: store the item in the slot of bottom, and move bottom")
    }

    fn pop(&self) -> Option<usize> {
        to_write("step 2: move bottom back, and take the item there")
    }

    fn steal(&self) -> Steal {
        to_write("step 3: read the item at top, and move top by a compare-and-swap")
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
        let _ = (&self.work, &self.result, self.owner, worker);
        to_write("step 5: run the closure, store its result, and unpark the owner")
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
        let _first = a(self);
        to_write("step 4: take the second half back and run it; step 5: or wait until its thief is done")
    }
}
