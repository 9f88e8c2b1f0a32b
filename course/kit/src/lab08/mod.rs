//! Lab 8: a work-stealing deque and `join`.
//!
//! The items of the deque are numbers, so that the harness knows each one again, and no code needs unsafe.

use crate::{
    Case,
    gate::Gate,
    log::{Log, broken, demand},
    runner::{self, Code},
    thread,
};
use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

mod contract;
mod sheet;

pub use contract::{Deque, ForkJoin, Steal};
pub use sheet::LAB;

/// An event of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Event {
    /// The owner has pushed this item.
    Push(usize),
    /// The owner has popped it.
    Pop(usize),
    /// A thief has stolen it.
    Stolen(usize),
    /// A job begins.
    Run(&'static str),
    /// A job has ended.
    Done(&'static str),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Push(item) => write!(f, "push {item}"),
            Self::Pop(item) => write!(f, "pop has returned {item}"),
            Self::Stolen(item) => write!(f, "steal has returned {item}"),
            Self::Run(name) => write!(f, "run {name}"),
            Self::Done(name) => write!(f, "{name} is done"),
        }
    }
}

/// A deque that is looked at from outside.
struct Seen<D> {
    log: Log<Event>,
    deque: Arc<D>,
}

impl<D> Clone for Seen<D> {
    fn clone(&self) -> Self {
        Self { log: self.log.clone(), deque: self.deque.clone() }
    }
}

/// The item that an event has taken out.
fn taken(event: &Event) -> Option<usize> {
    match event {
        Event::Pop(item) | Event::Stolen(item) => Some(*item),
        _ => None,
    }
}

impl<D: Deque> Seen<D> {
    fn new(capacity: usize) -> Self {
        let log = Log::<Event>::new();
        log.demand("once", "each item is taken once", |events| {
            let Some(item) = events.last().and_then(taken) else { return Ok(()) };
            if !events.contains(&Event::Push(item)) {
                return Err(format!("{item} is taken, and was never pushed"));
            }
            match events.iter().filter(|event| taken(event) == Some(item)).count() {
                1 => Ok(()),
                times => Err(format!("{item} is taken {times} times")),
            }
        });
        Self { log, deque: Arc::new(D::new(capacity)) }
    }

    fn push(&self, item: usize) {
        // Before the call: a thief may have it before the call returns.
        self.log.note(Event::Push(item));
        if !self.deque.push(item) {
            broken(
                "capacity",
                "push returns true while there is room",
                &format!("push({item}) returns false"),
            );
        }
    }

    fn pop(&self) -> Option<usize> {
        let item = self.deque.pop()?;
        self.log.note(Event::Pop(item));
        Some(item)
    }

    /// Steals until something comes of it.
    fn steal(&self) -> Option<usize> {
        loop {
            match self.deque.steal() {
                Steal::Item(item) => {
                    self.log.note(Event::Stolen(item));
                    return Some(item);
                }
                Steal::Empty => return None,
                Steal::Retry => {}
            }
        }
    }

    /// Starts a thread that steals this many times.
    fn thief(&self, name: &str, times: usize) -> thread::JoinHandle<()> {
        let seen = self.clone();
        thread::spawn_named(name, move || (0..times).for_each(|_| _ = seen.steal()))
    }

    /// Takes the rest out. All of these items must have been taken then.
    fn empty(&self, items: &[usize]) {
        while self.pop().is_some() {}
        for &item in items {
            if self.log.count(|event| taken(event) == Some(item)) == 0 {
                let happened = format!("{item} was pushed, and the deque is empty");
                broken("once", "each item is taken once", &happened);
            }
        }
    }
}

/// The owner takes the newest item, thieves the oldest. The deque is filled more than once.
fn ends<S: ForkJoin>(case: &mut Case) {
    let seen = Seen::<S::Deque>::new(4);
    let expected = "the owner takes the newest item, and a thief the oldest";
    let is = |got: Option<usize>, item: usize, by: &str| {
        demand(got == Some(item), "ends", expected, || format!("{by} returns {got:?}, and not {item}"));
    };
    let mut item = 1;
    for _ in 0..case.number(2, 4) {
        (item..item + 4).for_each(|item| seen.push(item));
        if seen.deque.push(99) {
            broken(
                "capacity",
                "push returns false if the deque is full",
                "it has taken a fifth item of four",
            );
        }
        is(seen.pop(), item + 3, "pop");
        is(seen.steal(), item, "steal");
        is(seen.steal(), item + 1, "steal");
        is(seen.pop(), item + 2, "pop");
        demand(seen.pop().is_none(), "ends", "an empty deque gives nothing", || {
            "pop gives an item".to_owned()
        });
        demand(seen.steal().is_none(), "ends", "an empty deque gives nothing", || {
            "steal gives an item".to_owned()
        });
        item += 4;
    }
}

/// The owner and a thief want the last item, and then the one after it.
fn last_item<S: ForkJoin>(_: &mut Case) {
    let seen = Seen::<S::Deque>::new(2);
    seen.push(1);
    let thief = seen.thief("thief", 1);
    seen.pop();
    seen.push(2);
    seen.pop();
    thief.join().expect("the harness does not panic");
    seen.empty(&[1, 2]);
}

fn two_thieves<S: ForkJoin>(_: &mut Case) {
    let seen = Seen::<S::Deque>::new(4);
    (1..=3).for_each(|item| seen.push(item));
    let thieves = ["thief", "rogue"].map(|name| seen.thief(name, 2));
    seen.pop();
    thieves.into_iter().for_each(|thief| thief.join().expect("the harness does not panic"));
    seen.empty(&[1, 2, 3]);
}

/// The owner puts a new item into the slot of one that is being stolen.
fn reused_slot<S: ForkJoin>(_: &mut Case) {
    let seen = Seen::<S::Deque>::new(2);
    seen.push(1);
    seen.push(2);
    let thieves = ["thief", "rogue"].map(|name| seen.thief(name, 1));
    for item in [3, 4] {
        // There is room once a thief has been there.
        if seen.deque.push(item) {
            // The log cannot know before the call, and a thief cannot have it: the older ones come first.
            seen.log.note(Event::Push(item));
        }
    }
    thieves.into_iter().for_each(|thief| thief.join().expect("the harness does not panic"));
    let pushed = seen.log.events();
    let items: Vec<_> = (1..=4).filter(|&item| pushed.contains(&Event::Push(item))).collect();
    seen.empty(&items);
}

/// Makes a log in which each job runs once.
fn jobs() -> Log<Event> {
    let log = Log::<Event>::new();
    log.demand("once", "each half of a join runs once", |events| {
        let Some(run @ Event::Run(name)) = events.last() else { return Ok(()) };
        let runs = events.iter().filter(|event| *event == run).count();
        if runs == 1 { Ok(()) } else { Err(format!("{name} has begun {runs} times")) }
    });
    log
}

/// Runs a job of this name.
fn job<T>(log: &Log<Event>, name: &'static str, body: impl FnOnce() -> T) -> T {
    log.note(Event::Run(name));
    let result = body();
    log.note(Event::Done(name));
    result
}

fn returns<T: PartialEq + fmt::Debug>(got: &T, is: &T) {
    demand(got == is, "result", "join returns what both halves return", || {
        format!("{got:?}, and not {is:?}")
    });
}

fn fibonacci<S: ForkJoin>(worker: &S, n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = worker.join(move |w| fibonacci(w, n - 1), move |w| fibonacci(w, n - 2));
    a + b
}

/// There is one worker, so nothing is stolen.
fn joins<S: ForkJoin>(case: &mut Case) {
    let log = jobs();
    let (one, other) = (case.number(1, 99), case.number(1, 99));
    let got = S::run(1, |worker| {
        let (first, second) = (log.clone(), log.clone());
        worker.join(move |_| job(&first, "soup", || one), move |_| job(&second, "rice", || other))
    });
    returns(&got, &(one, other));
    returns(&S::run(1, |worker| fibonacci(worker, 6)), &8);
}

/// The first half waits until a thief has begun the second one, which takes `time`.
fn steal_second_half<S: ForkJoin>(time: Duration) {
    let log = jobs();
    let got = S::run(2, |worker| {
        let (first, second, gate) = (log.clone(), log.clone(), Gate::new());
        let theirs = gate.clone();
        worker.join(
            move |_| job(&first, "soup", || gate.pass()),
            move |_| {
                job(&second, "rice", || {
                    theirs.open();
                    thread::sleep(time);
                    7
                })
            },
        )
    });
    returns(&got, &((), 7));
}

fn stolen<S: ForkJoin>(_: &mut Case) {
    steal_second_half::<S>(Duration::ZERO);
}

fn rests<S: ForkJoin>(_: &mut Case) {
    steal_second_half::<S>(Duration::from_secs(3600));
}

fn every_interleaving<S: ForkJoin>(_: &mut Case) {
    let log = jobs();
    let got = S::run(2, |worker| {
        let (outer, inner) = (log.clone(), log.clone());
        worker.join(
            move |w| {
                let second = outer.clone();
                w.join(move |_| job(&outer, "soup", || 1), move |_| job(&second, "fish", || 2))
            },
            move |_| job(&inner, "rice", || 3),
        )
    });
    returns(&got, &((1, 2), 3));
}

/// The second half panics, here or in the hands of a thief. The workers go on.
fn panics<S: ForkJoin>(_: &mut Case) {
    S::run(2, |worker| {
        let outcome = catch_unwind(AssertUnwindSafe(|| worker.join(|_| (), |_| panic!("the soup burns"))));
        if outcome.is_ok() {
            broken("passes-on", "the panic of a half goes on in join", "join returns");
        }
        returns(&worker.join(|_| 1, |_| 2), &(1, 2));
    });
}

/// Runs a test of the lab on the student's code, as the arguments of the process say.
pub fn main<S: ForkJoin>() -> ExitCode {
    runner::main(&LAB, &codes::<S>())
}

/// Returns the code of each test.
#[must_use]
pub fn codes<S: ForkJoin>() -> Vec<(&'static str, Code)> {
    vec![
        ("ends", ends::<S>),
        ("last-item", last_item::<S>),
        ("two-thieves", two_thieves::<S>),
        ("reused-slot", reused_slot::<S>),
        ("joins", joins::<S>),
        ("stolen", stolen::<S>),
        ("rests", rests::<S>),
        ("every-interleaving", every_interleaving::<S>),
        ("panics", panics::<S>),
    ]
}
