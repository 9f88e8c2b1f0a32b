//! Lab 7: park and unpark, and a thread pool.
//!
//! The queue of the pool is the harness's, so it sees each job that goes in, and each look for one.

use crate::{
    Case,
    gate::Gate,
    log::{Log, broken, counted, demand},
    runner::{self, Code},
    thread::{self, HOUR},
};
use std::{
    process::ExitCode,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

mod queue;
mod sheet;

use queue::Event;
pub use queue::{Job, Queue};
pub use sheet::LAB;

/// A place in which one thread sleeps.
pub trait Park: Default + Send + Sync + 'static {
    /// Takes the token. If there is none, sleeps until there is. It returns for no other reason.
    fn park(&self);
    /// Leaves a token, unless there is one already.
    fn unpark(&self);
}

/// Threads that run jobs.
pub trait Pool: Send + Sync + Sized + 'static {
    /// The place in which a worker sleeps.
    type Parker: Park;

    /// Starts this many workers. They take their jobs from the queue.
    fn new(workers: usize, queue: Arc<Queue>) -> Self;
    /// Pushes the job into the queue, and sees to it that a worker runs it.
    fn spawn(&self, job: Job);
    /// Returns when every job that was spawned has run and all workers have ended.
    fn shutdown(self);
}

/// The workers of a pool may look in vain this often at the start, and again for each job and the shutdown:
/// each of two workers before it sleeps, and once more after it has said so.
const LOOKS: usize = 4;

/// A pool whose jobs and looks are seen.
struct Kitchen<S> {
    log: Log<Event>,
    pool: S,
}

impl<S: Pool> Kitchen<S> {
    fn open(workers: usize) -> Self {
        let log = Log::new();
        log.demand("over-look", "a worker that finds nothing sleeps until there is a job", |events| {
            let count = |is: fn(&Event) -> bool| events.iter().filter(|event| is(event)).count();
            let looks = count(|event| *event == Event::FindNothing);
            let reasons = 1 + count(|event| matches!(event, Event::Push(_) | Event::Close));
            if looks <= LOOKS * reasons {
                return Ok(());
            }
            let told = "the start, and each push or shutdown since";
            Err(format!("{} in vain, for {} ({told})", counted(looks, "look"), counted(reasons, "reason")))
        });
        log.demand("once", "each job runs once", |events| {
            let Some(Event::Run(name)) = events.last() else { return Ok(()) };
            match events.iter().filter(|event| **event == Event::Run(name)).count() {
                1 => Ok(()),
                runs => Err(format!("{name} has begun {runs} times")),
            }
        });
        let queue = Queue::seen(log.clone());
        Self { pool: S::new(workers, Arc::new(queue)), log }
    }

    /// Spawns a job of this name.
    fn order(&self, name: &'static str, body: impl FnOnce() + Send + 'static) {
        self.pool.spawn(Job::new(name, body).seen(self.log.clone()));
    }

    /// Shuts the pool down. All of these jobs must have run then.
    fn close(self, names: &[&'static str]) {
        self.log.note(Event::Close);
        self.pool.shutdown();
        self.log.note(Event::Closed);
        for name in names {
            if self.log.count(|event| *event == Event::Done(name)) == 0 {
                broken(
                    "shutdown",
                    "shutdown returns when every job has run",
                    &format!("{name} has not ended when shutdown returns"),
                );
            }
        }
    }
}

/// Parks, and notes that the park has ended.
fn park(parker: &impl Park, log: &Log<Event>) {
    parker.park();
    log.note(Event::ParkEnds);
}

fn unpark(parker: &impl Park, log: &Log<Event>) {
    log.note(Event::Unpark);
    parker.unpark();
}

/// Two calls of `unpark` leave one token, and the second park sleeps until the next call.
fn token<S: Pool>(case: &mut Case) {
    let (log, parker) = (Log::new(), Arc::new(S::Parker::default()));
    log.demand("token", "a park takes the one token that there is, or sleeps", |events| {
        let mut has_token = false;
        for event in events {
            match event {
                Event::Unpark => has_token = true,
                Event::ParkEnds if !has_token => return Err("a park has returned without a token".to_owned()),
                _ => has_token = false,
            }
        }
        Ok(())
    });
    for _ in 0..case.number(2, 4) {
        unpark(&*parker, &log);
    }
    park(&*parker, &log);
    let (theirs, their_log) = (parker.clone(), log.clone());
    let cook = thread::spawn_named("cook", move || {
        thread::sleep(HOUR);
        unpark(&*theirs, &their_log);
    });
    park(&*parker, &log);
    cook.join().expect("the harness does not panic");
}

/// Two threads park and unpark each other by turns.
fn park_and_unpark<S: Pool>(_: &mut Case) {
    let log = Log::new();
    log.demand("token", "a park takes the one token that there is, or sleeps", |events| {
        let count = |kind: Event| events.iter().filter(|event| **event == kind).count();
        let (parks, unparks) = (count(Event::ParkEnds), count(Event::Unpark));
        if parks <= unparks {
            return Ok(());
        }
        Err(format!("{} ended after {} of unpark", counted(parks, "park"), counted(unparks, "call")))
    });
    let (mine, theirs) = (Arc::new(S::Parker::default()), Arc::new(S::Parker::default()));
    let (log_of_cook, parker_of_root, parker_of_cook) = (log.clone(), mine.clone(), theirs.clone());
    let cook = thread::spawn_named("cook", move || {
        unpark(&*parker_of_root, &log_of_cook);
        park(&*parker_of_cook, &log_of_cook);
        unpark(&*parker_of_root, &log_of_cook);
    });
    park(&*mine, &log);
    unpark(&*theirs, &log);
    park(&*mine, &log);
    cook.join().expect("the harness does not panic");
}

fn runs<S: Pool>(_: &mut Case) {
    let kitchen = Kitchen::<S>::open(2);
    let names = ["soup", "rice", "fish", "cake"];
    for name in names {
        kitchen.order(name, || ());
    }
    kitchen.close(&names);
}

/// Hours pass between the jobs.
fn rests<S: Pool>(case: &mut Case) {
    let kitchen = Kitchen::<S>::open(2);
    let names = ["soup", "rice", "fish", "cake"];
    let names = &names[..case.number(1, 4) as usize];
    for name in names {
        thread::sleep(HOUR);
        kitchen.order(name, || ());
    }
    thread::sleep(HOUR);
    kitchen.close(names);
}

/// A worker goes to sleep while a job comes. Nothing else would wake it: the pool is shut down later.
fn every_interleaving<S: Pool>(_: &mut Case) {
    let kitchen = Kitchen::<S>::open(1);
    for name in ["soup", "rice"] {
        let gate = Gate::new();
        let theirs = gate.clone();
        kitchen.order(name, move || theirs.open());
        gate.pass();
    }
    kitchen.close(&["soup", "rice"]);
}

/// Each of two jobs waits for the other one.
fn both_work<S: Pool>(_: &mut Case) {
    let kitchen = Kitchen::<S>::open(2);
    let begun = Arc::new((Mutex::new(None::<thread::Thread>), AtomicBool::new(false)));
    let meet = || {
        let begun = begun.clone();
        move || {
            let first = begun.0.lock().unwrap_or_else(PoisonError::into_inner).replace(thread::current());
            match first {
                None => {
                    while !begun.1.load(SeqCst) {
                        thread::park();
                    }
                }
                Some(first) => {
                    begun.1.store(true, SeqCst);
                    first.unpark();
                }
            }
        }
    };
    // Both workers sleep, and no shutdown wakes them.
    thread::sleep(HOUR);
    kitchen.order("soup", meet());
    kitchen.order("rice", meet());
    thread::sleep(HOUR);
    demand(begun.1.load(SeqCst), "lost-wake", "two workers run two jobs at once", || {
        "one of the jobs has not begun after an hour".to_owned()
    });
    kitchen.close(&["soup", "rice"]);
}

/// The pool is shut down while its queue is full, and while its workers look.
fn drains<S: Pool>(case: &mut Case) {
    let kitchen = Kitchen::<S>::open(case.number(1, 2) as usize);
    let names = ["soup", "rice", "fish"];
    for name in names {
        kitchen.order(name, thread::yield_now);
    }
    kitchen.close(&names);
}

/// The pool is shut down while its workers go to sleep, or an hour after that.
fn closes<S: Pool>(case: &mut Case) {
    let kitchen = Kitchen::<S>::open(2);
    if case.number(0, 1) == 1 {
        thread::sleep(HOUR);
    }
    kitchen.close(&[]);
}

/// Two jobs panic, and hours pass between the jobs.
fn panics<S: Pool>(_: &mut Case) {
    let kitchen = Kitchen::<S>::open(1);
    for name in ["burnt rice", "burnt fish"] {
        kitchen.order(name, move || panic!("{name}"));
        thread::sleep(HOUR);
    }
    let gate = Gate::new();
    let theirs = gate.clone();
    kitchen.order("soup", move || theirs.open());
    gate.pass();
    let runs = kitchen.log.count(|event| matches!(event, Event::Run(_)));
    demand(runs == 3, "once", "each job runs once", || counted(runs, "run"));
    kitchen.close(&["soup"]);
}

/// Runs a test of the lab on the student's code, as the arguments of the process say.
pub fn main<S: Pool>() -> ExitCode {
    runner::main(&LAB, &codes::<S>())
}

/// Returns the code of each test.
#[must_use]
pub fn codes<S: Pool>() -> Vec<(&'static str, Code)> {
    vec![
        ("token", token::<S>),
        ("park-and-unpark", park_and_unpark::<S>),
        ("runs", runs::<S>),
        ("rests", rests::<S>),
        ("every-interleaving", every_interleaving::<S>),
        ("both-work", both_work::<S>),
        ("drains", drains::<S>),
        ("closes", closes::<S>),
        ("panics", panics::<S>),
    ]
}
