//! How a pool is made: threads, names, stack size, hooks.

use crate::{pool::Pool, registry::config::PoolConfig};
use std::{any::Any, fmt, io, num::NonZero, thread};

/// How many threads a pool may have beyond the ones that it was asked for, while others are blocked, unless it was told.
const SPARES: usize = 256;

/// Makes a [`Pool`]. See [`Pool::builder`].
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    threads: Option<usize>,
    config: PoolConfig,
}

impl Builder {
    pub(crate) fn new() -> Self {
        let config = PoolConfig {
            threads: 0,
            spares: SPARES,
            name: "pool".to_owned(),
            stack_size: None,
            on_start: None,
            on_exit: None,
            on_panic: None,
        };
        Self { threads: None, config }
    }

    /// How many threads run jobs at a time; one a core if this is not called. While a worker is blocked inside a job, the pool may
    /// run one more thread in its place.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// How many threads the pool may have beyond those, at most, while workers are blocked inside jobs; 256 if this is not called. When all
    /// of them are blocked as well, other jobs wait in the queue.
    pub fn spares(mut self, spares: usize) -> Self {
        self.config.spares = spares;
        self
    }

    /// What the threads are called: this, a hyphen and their number. `pool` if this is not called.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.config.name = name.into();
        self
    }

    /// The size of each thread's stack, in bytes. The standard library's default if this is not called.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.config.stack_size = Some(bytes);
        self
    }

    /// Called by each thread before it runs anything, with the thread's number. A panic in it is ignored.
    pub fn on_start(mut self, hook: impl Fn(usize) + Send + Sync + 'static) -> Self {
        self.config.on_start = Some(Box::new(hook));
        self
    }

    /// Called by each thread after it has run everything, with the thread's number. A panic in it is ignored.
    pub fn on_exit(mut self, hook: impl Fn(usize) + Send + Sync + 'static) -> Self {
        self.config.on_exit = Some(Box::new(hook));
        self
    }

    /// Called when a spawned job panics whose handle is gone, so that nobody else would hear of it: on the thread that ran the job,
    /// with what was passed to `panic!`. A panic in the handler is ignored. Without a handler such a panic is dropped.
    ///
    /// A job whose handle is dropped in the moment in which it panics may be missed; one of [`spawn_detached`](Pool::spawn_detached), which
    /// has no handle, never is.
    ///
    /// ```
    /// let (tell, told) = std::sync::mpsc::channel();
    /// let pool = brigade_pool::Pool::builder().on_panic(move |payload| _ = tell.send(payload)).build()?;
    /// let (let_go, gone) = std::sync::mpsc::channel::<()>();
    /// drop(pool.spawn(move || {
    ///     let _ = gone.recv();
    ///     panic!("no flour")
    /// }));
    /// drop(let_go);
    /// assert_eq!(told.recv().unwrap().downcast_ref(), Some(&"no flour"));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn on_panic(mut self, handler: impl Fn(Box<dyn Any + Send>) + Send + Sync + 'static) -> Self {
        self.config.on_panic = Some(Box::new(handler));
        self
    }

    /// Starts the pool.
    ///
    /// # Errors
    ///
    /// If the operating system refuses a thread; those that were started have ended again by then. If `threads` is 0 or more
    /// than 32,000, or more than 32,256 with the spare ones, with [`io::ErrorKind::InvalidInput`].
    pub fn build(mut self) -> io::Result<Pool> {
        const MOST: usize = 32_000;
        const _: () = assert!(MOST + SPARES < 1 << 15, "the packed counters have room for all threads");
        let cores = || thread::available_parallelism().map_or(1, NonZero::get).min(MOST);
        self.config.threads = self.threads.unwrap_or_else(cores);
        if !(1..=MOST).contains(&self.config.threads) {
            let text = format!("a pool has from 1 to {MOST} threads, not {}", self.config.threads);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        if self.config.threads.saturating_add(self.config.spares) > MOST + SPARES {
            let text = format!("a pool has at most {} threads with the spare ones", MOST + SPARES);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        if self.config.name.contains('\0') {
            let text = "a thread's name cannot contain a NUL";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        Pool::start(self.config)
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Builder");
        shown.field("threads", &self.threads).field("name", &self.config.name);
        shown.field("stack_size", &self.config.stack_size).finish_non_exhaustive()
    }
}
