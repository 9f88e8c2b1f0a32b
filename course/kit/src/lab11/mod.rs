//! Lab 11: cancellation and shutdown, by groups of tasks.
//!
//! The harness brings the executor. It sees the polls and the ends of all children, because they are its own.

use crate::{
    hand::Hand,
    log::{Log, broken, demand},
    runner::{self, Code},
};
use std::{any::Any, fmt, future::Future, pin::Pin, process::ExitCode, task::Context, task::Poll};

mod child;
mod executor;
mod many;
mod one;
mod sheet;

pub use executor::Executor;
pub use sheet::LAB;

/// A future in a box.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The reason why a group ended early.
pub enum Failure {
    /// The body or a child has returned this error.
    Error(String),
    /// The body or a child has panicked with this payload.
    Panic(Box<dyn Any + Send>),
    /// The group was cancelled.
    Cancelled,
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => write!(f, "the error {error:?}"),
            Self::Panic(payload) => {
                write!(f, "the panic {:?}", payload.downcast_ref::<&str>().unwrap_or(&"of the code"))
            }
            Self::Cancelled => write!(f, "a cancellation"),
        }
    }
}

/// The student's groups.
pub trait Groups: 'static {
    /// A handle to a group, by which children are spawned into it.
    type Group: Group;

    /// Runs `body`, and waits for all children of its group: when the future is ready, each child has ended,
    /// and its future has been dropped.
    ///
    /// The first failure of the body or of a child cancels all the others, and is the result. If the future
    /// is dropped before it is ready, the body and all children are cancelled.
    fn run<F>(executor: Executor, body: F) -> BoxFuture<Result<(), Failure>>
    where
        F: FnOnce(Self::Group) -> BoxFuture<Result<(), String>>;
}

/// A handle to a group. Its clones are handles to the same group.
pub trait Group: Clone + Send + Sync + 'static {
    /// Starts a child, as a task of the executor. If the group has failed or ended, the child is dropped, and
    /// never polled.
    fn spawn(&self, child: BoxFuture<Result<(), String>>);

    /// Cancels the body and all children.
    fn cancel(&self);
}

/// An event of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Event {
    /// A child, or the body, is polled.
    Poll(&'static str),
    /// Its future is dropped.
    Drop(&'static str),
    /// `run` has returned.
    Return,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Poll(name) => write!(f, "poll {name}"),
            Self::Drop(name) => write!(f, "drop {name}"),
            Self::Return => write!(f, "run returns"),
        }
    }
}

/// Makes a log that demands that no child outlives `run`, and that each child is polled before its end only.
fn new_log() -> Log<Event> {
    let log = Log::new();
    log.demand("outlives", "when run returns, each child has been dropped", |events: &[Event]| {
        let has_returned = events.iter().rev().skip(1).any(|event| *event == Event::Return);
        let is_late = match events.last() {
            // A child that is refused was never polled.
            Some(Event::Drop(name)) => events.contains(&Event::Poll(name)),
            Some(Event::Poll(_)) => true,
            _ => false,
        };
        match events.last() {
            Some(last) if has_returned && is_late => Err(format!("\"{last}\" comes after the return")),
            _ => Ok(()),
        }
    });
    log
}

/// Polls `run` until it is ready, where it must be, and notes that.
fn finish<F>(log: &Log<Event>, run: &mut Hand<F>, why: &str) -> Result<(), Failure>
where
    F: Future<Output = Result<(), Failure>>,
{
    match run.poll() {
        Poll::Ready(result) => {
            log.note(Event::Return);
            result
        }
        Poll::Pending => broken("never-ends", why, "run returns `Pending`"),
    }
}

/// Demands that a child has been dropped.
fn expect_dropped(log: &Log<Event>, name: &'static str, why: &str) {
    demand(log.count(|event| *event == Event::Drop(name)) == 1, "not-dropped", why, || {
        format!("{name} still exists")
    });
}

/// Demands a result.
fn expect_result(result: &Result<(), Failure>, is_right: bool, expected: &str) {
    demand(is_right, "result", &format!("run returns {expected}"), || match result {
        Ok(()) => "it returns Ok".to_owned(),
        Err(failure) => format!("it returns {failure:?}"),
    });
}

/// Runs a test of the lab on the student's code, as the arguments of the process say.
pub fn main<S: Groups>() -> ExitCode {
    runner::main(&LAB, &codes::<S>())
}

/// Returns the code of each test.
#[must_use]
pub fn codes<S: Groups>() -> Vec<(&'static str, Code)> {
    vec![
        ("waits", one::waits::<S>),
        ("error", one::error::<S>),
        ("panic", one::panic::<S>),
        ("body", one::body::<S>),
        ("cancel", one::cancel::<S>),
        ("dropped", one::dropped::<S>),
        ("destructor-panics", one::destructor_panics::<S>),
        ("executor-ends", one::executor_ends::<S>),
        ("every-interleaving", many::every_interleaving::<S>),
        ("spawn-race", many::spawn_race::<S>),
    ]
}
