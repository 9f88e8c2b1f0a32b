//! The ways to end an executor.

use std::time::Duration;

/// How an executor ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ShutdownMode {
    /// All tasks run to their end first, unless that takes longer than `at_most`.
    Drain { at_most: Option<Duration> },
    /// All tasks are cancelled.
    Cancel,
    /// All tasks are cancelled, and the caller waits for nothing.
    Background,
}
