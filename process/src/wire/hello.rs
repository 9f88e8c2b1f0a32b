//! The first message of a worker: which build it runs, and its process id.

use serde::{Deserialize, Serialize};

/// A worker's greeting.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) fingerprint: u64,
    pub(crate) pid: u32,
}
