//! How a run ends.

use super::{Doing, Pending};
use std::{fmt, panic::Location};

/// A run that has ended.
#[derive(Clone, Debug)]
pub struct Ran {
    /// How it has ended.
    pub end: End,
    /// Its threads, in the order of their numbers.
    pub threads: Vec<ManagedThread>,
    /// The virtual nanoseconds that it has taken.
    pub nanos: u64,
}

/// A managed thread, as a recording knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagedThread {
    /// The thread's name.
    pub name: String,
    /// The number that the operating system gave it, or 0 if it has not begun.
    pub tid: u64,
    /// The thread's state at the end of the run.
    pub doing: Doing,
}

/// How a run has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// All threads have ended.
    Finished,
    /// The root has panicked with this message.
    Panicked(String),
    /// All threads have ended. The one of this number has panicked, and no thread has joined it.
    UnseenPanic(u32),
    /// A task or a job has panicked, and nobody has taken its result. All threads have ended, or none can go
    /// on.
    UnseenPanicOfWork(UnseenPanic),
    /// No thread can go on, and no deadline is left but those of upkeep.
    Stuck(Vec<Waiting>),
    /// The limit of steps was reached.
    StepLimit,
    /// The oracle has ended the run before this choice.
    Stopped(Pending),
    /// The thread of this name had the baton and slept: it waits for something outside of the run.
    BlockedOutside(String),
    /// The thread of this name had the baton, and has come to no choice point for long.
    NoChoicePoint(String),
}

/// A panic of a task or a job whose result nobody has taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnseenPanic {
    /// The task or job, as far as it is known: work has numbers only while a trace records.
    pub work: String,
    /// The message of the panic, if its payload is a text.
    pub message: Option<String>,
}

/// A thread that had not ended when its run got stuck.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The number of the thread.
    pub thread: u32,
    /// The thread's name.
    pub name: String,
    /// The thing that it waits for.
    pub blocked: Blocked,
    /// The threads that could end the wait: those that hold the lock, or the one whose end it waits for.
    /// Empty for a park, which any can end.
    pub held_by: Vec<u32>,
    /// The place of the call that waits.
    pub at: &'static Location<'static>,
}

/// The things that a managed thread may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocked {
    /// An unpark.
    Park,
    /// A lock, by its address.
    Lock(usize),
    /// The end of this thread.
    Join(u32),
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (thread {}) ", self.name, self.thread)?;
        match self.blocked {
            Blocked::Park => f.write_str("is parked")?,
            Blocked::Lock(_) => f.write_str("waits for a lock")?,
            Blocked::Join(other) => write!(f, "waits for the end of thread {other}")?,
        }
        write!(f, " at {}:{}", self.at.file(), self.at.line())
    }
}
