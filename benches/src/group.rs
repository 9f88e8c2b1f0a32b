//! The groups of benches.

use crate::{bench::Bench, pool, process};

/// A list of benches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// The thread pool.
    Pool,
    /// The process pool.
    Process,
}

impl Group {
    /// All groups, in the order of their tables.
    pub const ALL: [Self; 2] = [Self::Pool, Self::Process];

    /// Its name on the command line and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pool => "pool",
            Self::Process => "process",
        }
    }

    /// The group of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|group| group.name() == name)
    }

    /// Its benches. Nothing is started before one is prepared.
    pub fn benches(self) -> Vec<Bench> {
        match self {
            Self::Pool => pool::benches(),
            Self::Process => process::benches(),
        }
    }
}
