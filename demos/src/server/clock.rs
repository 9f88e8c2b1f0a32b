//! The CPU time of a thread.

use std::{fs, path::PathBuf, time::Duration};

/// A clock of the CPU time of one thread, which any other thread can read.
#[derive(Debug, Clone)]
pub struct ThreadClock(Option<PathBuf>);

impl ThreadClock {
    /// The clock of the calling thread.
    pub fn of_this_thread() -> Self {
        // On Linux this is a link to `PID/task/TID`.
        let link = fs::read_link("/proc/thread-self").ok();
        Self(link.map(|link| PathBuf::from("/proc").join(link).join("schedstat")))
    }

    /// How long the thread has run on a CPU, if the system tells.
    pub fn cpu_time(&self) -> Option<Duration> {
        // The first number is the time on the CPU in nanoseconds.
        let text = fs::read_to_string(self.0.as_ref()?).ok()?;
        text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
    }
}
