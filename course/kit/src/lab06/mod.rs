//! Lab 6: a semaphore and a lock for tasks.
//!
//! The harness polls the futures by hand, and so decides who comes first, who is woken and does not come, and
//! who is dropped.

use crate::{
    hand::Hand,
    log::{Log, demand},
    runner::{self, Code},
};
use brigade_explore::remark;
use std::{fmt, future::Future, ops::DerefMut, process::ExitCode};

mod mutex;
mod semaphore;
mod sheet;

pub use sheet::LAB;

/// The student's semaphore and lock.
pub trait Locks: 'static {
    /// The semaphore.
    type Semaphore: Semaphore;
    /// The lock.
    type Mutex<T: Send + 'static>: Mutex<T>;
}

/// A number of permits, which are granted in the order in which they were requested.
pub trait Semaphore: Send + Sync + 'static {
    /// Permits. Dropping this returns them.
    type Permit<'a>: Send
    where
        Self: 'a;

    /// Makes a semaphore with so many free permits.
    fn new(permits: usize) -> Self;

    /// Waits for so many permits at once. No request behind this one is served before it. If the future is
    /// dropped before it is ready, the request is withdrawn.
    fn acquire(&self, permits: usize) -> impl Future<Output = Self::Permit<'_>> + Send;

    /// Takes so many permits if they are free and nobody waits.
    fn try_acquire(&self, permits: usize) -> Option<Self::Permit<'_>>;
}

/// A value that one task at a time can access. The lock may be held while the task waits for something else.
pub trait Mutex<T: Send + 'static>: Send + Sync + 'static {
    /// The access to the value. Dropping this unlocks.
    type Guard<'a>: DerefMut<Target = T> + Send
    where
        Self: 'a;

    /// Makes an unlocked lock.
    fn new(value: T) -> Self;

    /// Waits for the lock. Locks are granted in the order of the requests.
    fn lock(&self) -> impl Future<Output = Self::Guard<'_>> + Send;

    /// Waits for the lock, but only until `give_up` is ready. Then it returns `None`, and has left the line
    /// before it returns.
    fn lock_unless<F>(&self, give_up: F) -> impl Future<Output = Option<Self::Guard<'_>>> + Send
    where
        F: Future<Output = ()> + Send;
}

/// An event of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Event {
    /// A thread has got the lock.
    Enter(&'static str),
    /// It is about to unlock.
    Leave(&'static str),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Enter(name) => write!(f, "{name} has the lock"),
            Self::Leave(name) => write!(f, "{name} unlocks"),
        }
    }
}

/// Makes a log that demands that at most so many threads are inside at once.
fn log_of_threads(most: usize) -> Log<Event> {
    let log = Log::new();
    log.demand("exclusion", "no more holders than permits", move |events: &[Event]| {
        let mut inside = Vec::new();
        for event in events {
            match event {
                Event::Enter(name) => inside.push(*name),
                Event::Leave(name) => inside.retain(|other| other != name),
            }
        }
        if inside.len() <= most {
            Ok(())
        } else {
            Err(format!("{} are inside at once", inside.join(" and ")))
        }
    });
    log
}

/// Demands that nobody was woken.
fn expect_sleep<F: Future>(hand: &Hand<F>, rule: &str, why: &str) {
    demand(hand.wakes() == 0, rule, why, || "it is woken".to_owned());
}

/// Drops permits or a guard where the lane shows it.
fn give_back<T>(held: T, name: &str) {
    remark(|| format!("{name} gives back"));
    drop(held);
}

/// Runs a test of the lab on the student's code, as the arguments of the process say.
pub fn main<S: Locks>() -> ExitCode {
    runner::main(&LAB, &codes::<S>())
}

/// Returns the code of each test.
#[must_use]
pub fn codes<S: Locks>() -> Vec<(&'static str, Code)> {
    vec![
        ("permits", semaphore::permits::<S>),
        ("in-line", semaphore::in_line::<S>),
        ("many-permits", semaphore::many_permits::<S>),
        ("cancelled-waiting", semaphore::cancelled_waiting::<S>),
        ("cancelled-granted", semaphore::cancelled_granted::<S>),
        ("cancel-race", semaphore::cancel_race::<S>),
        ("wake-runs", semaphore::wake_runs::<S>),
        ("guards", mutex::guards::<S>),
        ("every-interleaving", mutex::every_interleaving::<S>),
        ("gives-up", mutex::gives_up::<S>),
        ("gives-up-race", mutex::gives_up_race::<S>),
    ]
}
