//! How a runtime is made.

use crate::{Runtime, clock::Clock, local, multi, runtime::Kind};
use std::io;

/// Makes a [`Runtime`] with other than the usual settings.
///
/// ```
/// let runtime = brigade_runtime::Runtime::builder().workers(2).name("oven").build()?;
/// assert_eq!(runtime.block_on(async { 1 + 1 }), 2);
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    workers: Option<usize>,
    name: String,
    stack_size: Option<usize>,
    paused_clock: bool,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self { workers: None, name: "brigade-runtime".to_owned(), stack_size: None, paused_clock: false }
    }

    /// How many worker threads run tasks. Without this: as many as the machine runs at once. 0 means none, as for
    /// [`current_thread`](Self::current_thread).
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = Some(workers);
        self
    }

    /// No worker threads: tasks run on the thread that calls `block_on`, while it does.
    pub fn current_thread(self) -> Self {
        self.workers(0)
    }

    /// What the threads of the workers are called, followed by a number.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The size of a worker's stack, in bytes. Without this: what the standard library gives, 2 MiB.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// A clock for tests: it stands still while there is anything to do, and when all tasks wait, it jumps to the next timer. So a test
    /// that sleeps for a day takes no time, and timers fire in the order of their deadlines, whatever the machine is busy with.
    ///
    /// While work of [`spawn_blocking`](crate::spawn_blocking) is under way the clock does not jump. It does while tasks wait for
    /// descriptors, other threads or child processes: give those no timeout that must not come. For a
    /// [`current_thread`](Self::current_thread) runtime, which this makes unless `workers` says otherwise. [`now`](crate::now) is
    /// the time by this clock.
    ///
    /// ```
    /// use brigade_runtime::{Runtime, now, sleep};
    /// use std::time::Duration;
    ///
    /// const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    ///
    /// let runtime = Runtime::builder().paused_clock().build()?;
    /// runtime.block_on(async {
    ///     let begin = now();
    ///     sleep(DAY).await;
    ///     assert_eq!(now() - begin, DAY);
    /// });
    /// # std::io::Result::Ok(())
    /// ```
    pub fn paused_clock(mut self) -> Self {
        self.paused_clock = true;
        self.workers.get_or_insert(0);
        self
    }

    /// Makes the runtime and starts its threads.
    ///
    /// # Errors
    ///
    /// If the operating system refuses a descriptor or a thread. If the clock is to be paused and there are workers.
    pub fn build(self) -> io::Result<Runtime> {
        let usual = || std::thread::available_parallelism().map_or(1, Into::into);
        match self.workers.unwrap_or_else(usual) {
            0 => {
                let clock = if self.paused_clock { Clock::paused() } else { Clock::os() };
                Ok(Runtime { kind: Kind::Local(local::Shared::new(clock)?) })
            }
            _ if self.paused_clock => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a clock is paused on a current-thread runtime only: leave out `workers`, or `paused_clock`",
            )),
            workers => Ok(Runtime { kind: Kind::Multi(multi::start(workers, &self.name, self.stack_size)?) }),
        }
    }
}
