//! Building a pool: threads, names, stack size, hooks.

use crate::sync::os_thread as thread;
use crate::{pool::Pool, registry::config::PoolConfig};
use brigade_trace::live;
use std::{
    any::Any,
    fmt, io,
    num::NonZero,
    panic::{RefUnwindSafe, UnwindSafe},
};

/// How many spare threads a pool may have unless the builder says otherwise.
const DEFAULT_SPARE_THREADS: usize = 256;

/// Builds a [`Pool`]. [`Pool::builder`] returns one.
///
/// ```
/// let pool = brigade_pool::Pool::builder().threads(2).stack_size(1 << 20).name("oven").build()?;
/// assert_eq!(pool.threads(), 2);
/// # std::io::Result::Ok(())
/// ```
#[doc(alias = "ThreadPoolBuilder")]
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    threads: Option<usize>,
    config: PoolConfig,
}

// It does not call the hooks, and the pool that does catches their panics.
impl UnwindSafe for Builder {}
impl RefUnwindSafe for Builder {}

impl Builder {
    pub(crate) fn new() -> Self {
        let config = PoolConfig {
            threads: 0,
            spares: DEFAULT_SPARE_THREADS,
            for_blocking_calls: false,
            name: "pool".to_owned(),
            stack_size: None,
            reports_stuck: live::is_wanted(),
            on_start: None,
            on_exit: None,
            on_panic: None,
        };
        Self { threads: None, config }
    }

    /// Sets how many threads run jobs at a time. The default is one for each processor. While a worker is
    /// blocked inside a job, the pool may run one more thread in its place.
    ///
    /// ```
    /// let pool = brigade_pool::Pool::builder().threads(3).build()?;
    /// assert_eq!(pool.threads(), 3);
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias("num_threads", "max_workers"))]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// Sets how many spare threads the pool may have at most, beyond its normal threads, while workers
    /// are blocked inside jobs. The default is 256. When all of them are blocked as well, other jobs wait
    /// in the queue.
    ///
    /// ```
    /// let pool = brigade_pool::Pool::builder().threads(1).spares(1).build()?;
    /// let (send, receive) = std::sync::mpsc::channel();
    /// // The spare thread runs the second job while the first one waits.
    /// let waiting = pool.spawn_blocking(move || receive.recv().unwrap());
    /// pool.spawn(move || send.send("salt").unwrap()).join().unwrap();
    /// assert_eq!(waiting.join().unwrap(), "salt");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn spares(mut self, spares: usize) -> Self {
        self.config.spares = spares;
        self
    }

    /// Prepares the pool for jobs that are long or seldom, such as blocking calls that a program makes one
    /// after the other.
    ///
    /// Normally a worker that falls asleep or blocks interrupts all running threads of the program for
    /// microseconds, so that spawning a job costs less. With this option a spawn costs some nanoseconds
    /// more, and nobody is interrupted, as long as no job of the pool calls [`join`](crate::join).
    ///
    /// ```
    /// let pool = brigade_pool::Pool::builder().threads(1).for_blocking_calls().build()?;
    /// let text = pool.spawn_blocking(|| std::fs::read_to_string("Cargo.toml"));
    /// assert!(text.join().unwrap()?.contains("brigade-pool"));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn for_blocking_calls(mut self) -> Self {
        self.config.for_blocking_calls = true;
        self
    }

    /// Sets the name of the threads: this, a hyphen and their number. The default is `pool`.
    ///
    /// ```
    /// let pool = brigade_pool::Pool::builder().threads(1).name("oven").build()?;
    /// let name = pool.install(|| std::thread::current().name().map(str::to_owned));
    /// assert_eq!(name.as_deref(), Some("oven-0"));
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "thread_name")]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.config.name = name.into();
        self
    }

    /// Sets the size of each thread's stack, in bytes. The default is that of the standard library.
    ///
    /// ```
    /// let pool = brigade_pool::Pool::builder().threads(1).stack_size(64 << 20).build()?;
    /// // This takes some megabytes of the stack of the worker.
    /// assert_eq!(pool.install(|| std::hint::black_box([1_u8; 8 << 20])[0]), 1);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.config.stack_size = Some(bytes);
        self
    }

    /// Sets a hook that each thread calls before it runs anything, with the thread's number. A panic in
    /// the hook is ignored.
    ///
    /// ```
    /// let (tell, told) = std::sync::mpsc::channel();
    /// let builder = brigade_pool::Pool::builder().threads(1);
    /// let pool = builder.on_start(move |number| tell.send(number).unwrap()).build()?;
    /// assert_eq!(told.recv().unwrap(), 0);
    /// # drop(pool);
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "start_handler")]
    pub fn on_start(mut self, hook: impl Fn(usize) + Send + Sync + 'static) -> Self {
        self.config.on_start = Some(Box::new(hook));
        self
    }

    /// Sets a hook that each thread calls after it has run everything, with the thread's number. A panic
    /// in the hook is ignored.
    ///
    /// ```
    /// let (tell, told) = std::sync::mpsc::channel();
    /// let builder = brigade_pool::Pool::builder().threads(1);
    /// let pool = builder.on_exit(move |number| tell.send(number).unwrap()).build()?;
    /// pool.shutdown();
    /// assert_eq!(told.recv().unwrap(), 0);
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "exit_handler")]
    pub fn on_exit(mut self, hook: impl Fn(usize) + Send + Sync + 'static) -> Self {
        self.config.on_exit = Some(Box::new(hook));
        self
    }

    /// Sets a handler for panics of spawned jobs whose handle is gone, so that no other code would learn
    /// of them. The handler is called on the thread that ran the job, with the payload that was passed to
    /// `panic!`. A panic in the handler is ignored. Without a handler such a panic is dropped.
    ///
    /// The handler may miss a job whose handle is dropped at the very moment at which it panics. It never
    /// misses a job of [`spawn_detached`](Pool::spawn_detached), which has no handle.
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
    #[doc(alias = "panic_handler")]
    pub fn on_panic(mut self, handler: impl Fn(Box<dyn Any + Send>) + Send + Sync + 'static) -> Self {
        self.config.on_panic = Some(Box::new(handler));
        self
    }

    /// Reports jobs that can never go on, such as two that wait for each other: once, to stderr, with what
    /// they wait for, files and lines. It takes a thread, and each spawn and each wait takes longer
    /// ([`brigade_trace::live`] says what is known then).
    ///
    /// The variable `BRIGADE_STUCK=1` does the same for all runtimes and pools of a program.
    ///
    /// ```
    /// let pool = brigade_pool::Pool::builder().threads(1).report_stuck().build()?;
    /// assert_eq!(pool.spawn(|| 7).join().unwrap(), 7);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn report_stuck(mut self) -> Self {
        self.config.reports_stuck = true;
        self
    }

    /// Starts the pool. Its threads sleep until there is work, so the time grows with their number: some
    /// tens of microseconds for each thread.
    ///
    /// ```
    /// use std::io::ErrorKind;
    ///
    /// let refused = brigade_pool::Pool::builder().threads(0).build();
    /// assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput);
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the operating system's error if it refuses a thread, and says how many it has granted; the
    /// threads that were started have ended by then. Returns [`io::ErrorKind::InvalidInput`] if `threads` is
    /// 0 or more than 32,000, if there could be more than 32,256 threads with the spare ones, or if the name
    /// contains a NUL.
    pub fn build(mut self) -> io::Result<Pool> {
        const MOST: usize = 32_000;
        const _: () =
            assert!(MOST + DEFAULT_SPARE_THREADS < 1 << 15, "the packed counters have room for all threads");
        let cores = || thread::available_parallelism().map_or(1, NonZero::get).min(MOST);
        self.config.threads = self.threads.unwrap_or_else(cores);
        if !(1..=MOST).contains(&self.config.threads) {
            let text = format!("a pool has from 1 to {MOST} threads, not {}", self.config.threads);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        if self.config.threads.saturating_add(self.config.spares) > MOST + DEFAULT_SPARE_THREADS {
            let text =
                format!("a pool has at most {} threads with the spare ones", MOST + DEFAULT_SPARE_THREADS);
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
