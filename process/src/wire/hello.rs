//! The first message of a worker: which build it runs, its process id, and how it takes calls.

use serde::{Deserialize, Serialize};

/// A worker's greeting.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) fingerprint: u64,
    pub(crate) pid: u32,
    /// Calls come to it through a ring. The pool must think the same, or they would wait for each other.
    pub(crate) has_ring: bool,
}
