//! The outcome of a run, as a child tells it to its parent.

use crate::{
    schedule::{Key, Schedule},
    step::Moment,
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How the threads of a run choose.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Strategy {
    /// Follows a schedule.
    Follow(Schedule),
    /// Deviates by chance: at one choice of `rate`.
    Random { seed: u64, rate: u32 },
    /// Gives each thread a priority by chance, and changes priorities at `depth` - 1 steps of the first
    /// `length` (probabilistic concurrency testing: Burckhardt, Kothari, Musuvathi and Nagarakatte, 2010).
    Pct { seed: u64, depth: u32, length: u32 },
}

/// A request to a child.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) strategy: Strategy,
    pub(crate) steps: u64,
    pub(crate) atomics: bool,
    /// Whether the answer has all choices of the run.
    pub(crate) wants_choices: bool,
    /// Whether all waits are watched, so that a stuck run can be explained.
    pub(crate) wants_waits: bool,
    /// Whether the answer has the lanes of the run. A run that tells its story watches its waits.
    pub(crate) wants_story: bool,
    /// The run ends before the choice of this index, and the answer has that moment. A run that ends before
    /// it has the moment of its end.
    pub(crate) stop_at: Option<u32>,
}

/// A choice that a run came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) key: Key,
    pub(crate) enabled: u32,
    pub(crate) value: u32,
}

/// The answer to a request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) failure: Option<Failure>,
    /// The deviations that the run has made.
    pub(crate) schedule: Schedule,
    pub(crate) choices: Vec<Seen>,
    /// The number of choices.
    pub(crate) length: u32,
    /// A hash of all choices and of the threads that made them.
    pub(crate) hash: u64,
    pub(crate) story: Option<Story>,
    /// The state of the run at its end, if that was asked for.
    pub(crate) moment: Option<Moment>,
}

impl Outcome {
    /// Whether threads of the run are parked for ever, so that the child ends.
    pub(crate) fn ends_child(&self) -> bool {
        self.failure.is_some() || self.moment.as_ref().is_some_and(Moment::is_stopped)
    }
}

/// The events of a run, in order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Story {
    /// The names of the threads.
    pub(crate) threads: Vec<String>,
    pub(crate) lines: Vec<Line>,
    /// The recording of the run.
    pub(crate) recording: Vec<u8>,
}

/// One line of a story.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) thread: u32,
    pub(crate) text: String,
    /// The number of choices that were made before.
    pub(crate) choices: u32,
}

/// A failed run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The kind of failure.
    pub class: Class,
    /// The message, in one or more lines.
    pub message: String,
    /// Where it happened: places in the program. Two failures of one class and one place are the same.
    pub sites: Vec<String>,
}

/// The kind of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Class {
    /// The checked code has panicked.
    Panic,
    /// A thread, a task or a job of the checked code has panicked, and nobody has joined it.
    UnseenPanic,
    /// Tasks or threads wait for each other in a circle.
    Deadlock,
    /// A task waits for what a future inside of the same task holds, and does not poll that future.
    Futurelock,
    /// Work waits for its own end.
    JoinsItself,
    /// Work waits, and nobody is left who could wake it.
    LostWakeUp,
    /// Threads wait in another way that nobody will end.
    Stuck,
    /// The checked code has ended, and threads that it has started have not.
    Leak,
    /// The limit of steps was reached.
    StepLimit,
    /// The process of the run has ended: by `exit`, by `abort`, or by a signal.
    ProcessEnd,
    /// A thread waits outside of the executors: for a lock of std, or for the operating system.
    BlockedOutside,
    /// Two runs of one schedule are not the same.
    Differs,
    /// A thread runs for long and comes to no choice point.
    NoChoicePoint,
}

impl Class {
    /// The words for the class.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Panic => "panic",
            Self::UnseenPanic => "unseen panic",
            Self::Deadlock => "deadlock",
            Self::Futurelock => "futurelock",
            Self::JoinsItself => "join on itself",
            Self::LostWakeUp => "lost wake-up",
            Self::Stuck => "stuck",
            Self::Leak => "leak",
            Self::StepLimit => "step limit",
            Self::ProcessEnd => "end of the process",
            Self::Differs => "runs differ",
            Self::BlockedOutside => "blocked outside",
            Self::NoChoicePoint => "no choice point",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Failure {
    /// Returns whether this is the same failure: of the same class, in the same places.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.class == other.class && self.sites == other.sites
    }
}
