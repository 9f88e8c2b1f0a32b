//! The modes in which many pieces of work can be done, and what a mode returns.

use super::measure::{Cost, Peak};
use crate::{fetch::Failure, show::Style};
use serde_json::Value;
use std::time::Duration;

/// A way to do many pieces of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// One after the other.
    Sync,
    /// On threads of the pool.
    Threads,
    /// As tasks on one thread.
    Async,
    /// In child processes.
    Processes,
}

impl Mode {
    /// All modes, in the order of the document.
    pub const ALL: [Self; 4] = [Self::Sync, Self::Threads, Self::Async, Self::Processes];

    /// The name on the command line and in tables.
    pub fn name(self) -> &'static str {
        ["sync", "threads", "async", "processes"][self as usize]
    }

    /// Picks from `modes` what a word of the command line names: one mode, or `all`.
    pub fn selected(word: &str, modes: &[Self]) -> Vec<Self> {
        modes.iter().copied().filter(|mode| word == "all" || word == mode.name()).collect()
    }

    pub(super) fn style(self) -> Style {
        Style::Series(self as usize)
    }
}

/// The workers that did the work.
#[derive(Debug, Clone, Copy)]
pub enum Workers {
    /// This many threads of this process.
    Threads(usize),
    /// Child processes.
    Children {
        /// How many children.
        count: usize,
        /// The most memory that one of them held, in bytes.
        peak_bytes: u64,
        /// The CPU time that they spent on the work, all together.
        cpu: Duration,
    },
}

impl Workers {
    /// How many there are.
    pub fn count(self) -> usize {
        match self {
            Self::Threads(count) | Self::Children { count, .. } => count,
        }
    }
}

/// The outcome of one piece of work: a value, or a failure. An HTTP status that is no success is both.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The value, as JSON shows it; null if there is none.
    pub value: Value,
    /// Why the piece does not count as done.
    pub failure: Option<Failure>,
}

/// The work of a mode, completed.
#[derive(Debug)]
pub struct Completed {
    /// The workers that did it.
    pub workers: Workers,
    /// The outcome of each piece, in order.
    pub outcomes: Vec<Outcome>,
    /// More about the run, if Python did it.
    pub python: Option<PythonRun>,
}

impl Completed {
    /// Whether no piece of the work failed.
    pub fn is_whole(&self) -> bool {
        self.outcomes.iter().all(|outcome| outcome.failure.is_none())
    }

    /// The cost of the work. It took `cpu` in this process, whose peak memory was `peak`. If Python did it,
    /// this process only looked on.
    pub(super) fn cost(&self, cpu: Duration, peak: Peak) -> Cost {
        let in_children = match self.workers {
            Workers::Threads(_) => Duration::ZERO,
            Workers::Children { cpu, .. } => cpu,
        };
        let run = self.python.as_ref();
        Cost {
            cpu: in_children + run.map_or(cpu, |run| run.cpu),
            peak: run.map_or(peak, |run| Peak { bytes: run.peak_bytes, is_own: true }),
        }
    }
}

/// Facts about a run that only Python reports.
#[derive(Debug, Clone)]
pub struct PythonRun {
    /// The library that did the work.
    pub library: String,
    /// The most memory that the interpreter held, in bytes.
    pub peak_bytes: u64,
    /// The CPU time that the interpreter, without its children, spent on the work.
    pub cpu: Duration,
    /// Whether the interpreter runs with a global interpreter lock.
    pub gil: bool,
}
