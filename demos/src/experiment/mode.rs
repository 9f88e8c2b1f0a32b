//! The ways to do many things, and what comes of doing them one way.

use crate::{fetch::Failure, show::Style};
use serde_json::Value;

/// A way to do many things.
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

    /// Its name on the command line and in tables.
    pub fn name(self) -> &'static str {
        ["sync", "threads", "async", "processes"][self as usize]
    }

    /// Those of `modes` that a word of the command line names: one, or `all`.
    pub fn selected(word: &str, modes: &[Self]) -> Vec<Self> {
        modes.iter().copied().filter(|mode| word == "all" || word == mode.name()).collect()
    }

    pub(super) fn style(self) -> Style {
        Style::Series(self as usize)
    }
}

/// Who did the work.
#[derive(Debug, Clone, Copy)]
pub enum Workers {
    /// So many threads of this process.
    Threads(usize),
    /// Child processes.
    Children {
        /// How many.
        count: usize,
        /// The most memory that one of them held, in bytes.
        peak_bytes: u64,
    },
}

/// What came of one piece of work: its value if there is one, its failure if it failed. A status other than 200 is both.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What the JSON shows.
    pub value: Value,
    /// Why it does not count as done.
    pub failure: Option<Failure>,
}

/// What a mode's function hands back.
#[derive(Debug)]
pub struct Completed {
    /// Who did it.
    pub workers: Workers,
    /// What came of each piece, in order.
    pub outcomes: Vec<Outcome>,
    /// If Python did it: what with.
    pub python: Option<PythonRun>,
}

/// What only a run in Python has.
#[derive(Debug, Clone)]
pub struct PythonRun {
    /// The library that did the work.
    pub library: String,
    /// The most memory that the interpreter held, in bytes.
    pub peak_bytes: u64,
    /// Whether it runs with a global interpreter lock.
    pub gil: bool,
}
