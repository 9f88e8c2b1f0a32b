//! The groups of benches.

pub mod demos;
mod explore;
pub(crate) mod pool;
pub(crate) mod process;
pub(crate) mod runtime;
mod trace;

use crate::bench::Bench;

/// A list of benches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// The thread pool.
    Pool,
    /// The async runtime.
    Runtime,
    /// The process pool.
    Process,
    /// The document's experiments.
    Demos,
    /// The trace.
    Trace,
    /// The search for interleavings that fail.
    Explore,
}

impl Group {
    /// All groups, in the order of their tables.
    pub const ALL: [Self; 6] =
        [Self::Pool, Self::Runtime, Self::Process, Self::Demos, Self::Trace, Self::Explore];

    /// The name on the command line and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pool => "pool",
            Self::Runtime => "runtime",
            Self::Process => "process",
            Self::Demos => "demos",
            Self::Trace => "trace",
            Self::Explore => "explore",
        }
    }

    /// The group of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|group| group.name() == name)
    }

    /// The benches. None of them starts anything before it is prepared.
    pub fn benches(self) -> Vec<Bench> {
        match self {
            Self::Pool => pool::benches(),
            Self::Runtime => runtime::benches(),
            Self::Process => process::benches(),
            Self::Demos => demos::benches(),
            Self::Trace => trace::benches(),
            Self::Explore => explore::benches(),
        }
    }
}
