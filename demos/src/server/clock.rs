//! The CPU time of a thread.

use std::{fs, path::PathBuf, time::Duration};

/// The CPU time of one thread, readable from any other.
#[derive(Debug)]
pub struct ThreadClock(Option<PathBuf>);

impl ThreadClock {
    /// The calling thread's clock.
    pub fn mine() -> Self {
        // A link to `PID/task/TID`, on Linux.
        let mine = fs::read_link("/proc/thread-self").ok();
        Self(mine.map(|mine| PathBuf::from("/proc").join(mine).join("schedstat")))
    }

    /// How long the thread has run, if the system tells.
    pub fn elapsed(&self) -> Option<Duration> {
        // The first number is the time on the CPU in nanoseconds.
        let text = fs::read_to_string(self.0.as_ref()?).ok()?;
        text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
    }
}
