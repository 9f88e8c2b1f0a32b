//! How a runtime is made.

use crate::{Runtime, local, multi, runtime::Kind};
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
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self { workers: None, name: "brigade-runtime".to_owned(), stack_size: None }
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

    /// Makes the runtime and starts its threads.
    ///
    /// # Errors
    ///
    /// If the operating system refuses a descriptor or a thread.
    pub fn build(self) -> io::Result<Runtime> {
        let usual = || std::thread::available_parallelism().map_or(1, Into::into);
        match self.workers.unwrap_or_else(usual) {
            0 => Ok(Runtime { kind: Kind::Local(local::Shared::new()?) }),
            workers => Ok(Runtime { kind: Kind::Multi(multi::start(workers, &self.name, self.stack_size)?) }),
        }
    }
}
