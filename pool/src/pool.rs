//! The pool: where jobs are spawned, and how it ends.

use crate::{
    builder::Builder,
    registry::{Phase, Registry, config::PoolConfig, refuse_forked, stats::Stats},
    worker::{self, current},
};
use brigade_handle::{fork::PerProcess, wait};
use brigade_trace::clock;
use std::{
    fmt, io, mem,
    sync::{Arc, OnceLock, atomic::Ordering},
    time::Duration,
};

/// A work-stealing thread pool.
///
/// Dropping it cancels what is queued (the handles say [`JoinError::Cancelled`]) and waits for what runs. On one of its own workers
/// that would be to wait for itself; there it does not wait, and the threads end by themselves.
///
/// # Threads
///
/// A pool has the threads that it was asked for, and a spare one for each worker that is blocked while there is work. If the operating system
/// refuses a spare thread, it is tried again after pauses of up to a second, for as long as it is needed. That takes a thread that cannot be
/// refused then: so a process has one more, which sleeps, for all its pools together.
///
/// # In a forked child
///
/// The threads stay with the parent, so whatever would hand them work or wait for them panics: every method that spawns, blocks or shuts down,
/// and the free functions, which use [the global pool](Self::global). A pool that is made in the child works. Dropping or detaching the
/// parent's pool there does nothing. If a job forks, the copy of its
/// worker in the child may run, alone, whatever the job joins that no other worker has; where it would have to wait for the parent's threads,
/// and at the end of the job, the child is ended by an abort, with a message. A handle from before the fork that would have to wait gives [`Lost::Forked`](brigade_handle::Lost::Forked).
#[must_use = "dropping a pool ends it"]
pub struct Pool {
    pub(crate) registry: Arc<Registry>,
    /// Whether it has been ended, so that dropping it does nothing.
    pub(crate) is_shut: bool,
}

impl Pool {
    /// Starts a pool with one thread a core.
    ///
    /// # Errors
    ///
    /// If the operating system refuses a thread.
    pub fn new() -> io::Result<Self> {
        Self::builder().build()
    }

    /// Where to say how many threads, their name, and so on.
    ///
    /// ```
    /// let pool = brigade_pool::Pool::builder().threads(2).name("oven").build()?;
    /// let name = pool.spawn(|| std::thread::current().name().map(str::to_owned));
    /// assert!(name.join().unwrap().unwrap().starts_with("oven-"));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// The pool that the free functions use on threads that belong to no pool. It is started by the first use, with one
    /// thread a core, and lives as long as the process.
    ///
    /// # Panics
    ///
    /// If the operating system refuses its threads. In a child that was forked while a thread of its parent started the pool.
    pub fn global() -> &'static Self {
        static GLOBAL: OnceLock<Pool> = OnceLock::new();
        if let Some(pool) = GLOBAL.get() {
            return pool;
        }
        // A child that is forked while a thread of its parent starts the pool would wait for that thread.
        static STARTED_BY: PerProcess<()> = PerProcess::new();
        if STARTED_BY.is_inherited() {
            refuse_forked();
        }
        STARTED_BY.get_or_init(|| ());
        GLOBAL.get_or_init(|| {
            let pool = Self::builder().name("global").build();
            pool.unwrap_or_else(|error| panic!("the global pool cannot start its threads: {error}"))
        })
    }

    pub(crate) fn start(config: PoolConfig) -> io::Result<Self> {
        let mut pool = Self { registry: Registry::new(config, worker::ENTRY), is_shut: false };
        match pool.registry.start_all() {
            Ok(()) => {
                // For when one is refused. Not before the pool's own, which are more important.
                pool.registry.retry();
                Ok(pool)
            }
            Err(error) => {
                pool.registry.advance(Phase::Ended);
                pool.join_threads();
                pool.is_shut = true;
                let text = format!("a thread of the pool could not be started: {error}");
                Err(io::Error::new(error.kind(), text))
            }
        }
    }

    /// How many threads run jobs at a time.
    pub fn threads(&self) -> usize {
        self.registry.config.threads
    }

    /// The number of the calling thread among this pool's, if it is one of them.
    ///
    /// ```
    /// let pool = brigade_pool::Pool::builder().threads(1).build()?;
    /// assert_eq!(pool.current_thread_index(), None);
    /// assert_eq!(pool.install(|| pool.current_thread_index()), Some(0));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn current_thread_index(&self) -> Option<usize> {
        current::index_in(&self.registry)
    }

    /// What the pool has done so far, and what it has to do.
    ///
    /// Exact when the pool is at rest; while it works, each number may lag behind by what is being done at the moment.
    ///
    /// ```
    /// let pool = brigade_pool::Pool::builder().threads(2).build()?;
    /// let before = pool.stats();
    /// pool.spawn(|| ()).join().unwrap();
    /// assert_eq!((before.jobs, pool.stats().jobs), (0, 1));
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Panics
    ///
    /// In a forked child.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.registry.assert_not_forked();
        self.registry.stats()
    }

    /// Runs everything that is queued, and what that spawns, then ends and joins the threads.
    ///
    /// On one of the pool's own workers that would be to wait for itself; there it does not wait, and the threads end by
    /// themselves when everything has run.
    ///
    /// # Panics
    ///
    /// In a forked child. On a thread whose waiting policy forbids blocking; the pool is dropped then.
    pub fn shutdown(mut self) {
        self.registry.assert_not_forked();
        wait::assert_allowed("Pool::shutdown");
        self.end(Phase::Draining);
        self.is_shut = true;
    }

    /// Cancels everything that is queued, waits for what runs, then ends and joins the threads: what dropping the pool does, too.
    /// Returns how many jobs were cancelled by that.
    ///
    /// On one of the pool's own workers, which cannot wait for itself, returns how many were by then: 0 as a rule.
    ///
    /// ```
    /// let pool = brigade_pool::Pool::builder().threads(1).build()?;
    /// let answer = pool.spawn(|| 7);
    /// let cancelled = pool.shutdown_now();
    /// assert_eq!(cancelled == 1, answer.join().is_err());
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Panics
    ///
    /// In a forked child. On a thread whose waiting policy forbids blocking; the pool is dropped then.
    pub fn shutdown_now(mut self) -> usize {
        self.registry.assert_not_forked();
        wait::assert_allowed("Pool::shutdown_now");
        self.end(Phase::Cancelling);
        self.is_shut = true;
        // Relaxed: the threads that count were joined.
        self.registry.cancelled.load(Ordering::Relaxed)
    }

    /// [`shutdown_now`](Self::shutdown_now) with a deadline: cancels everything that is queued, at once, and waits for what runs, but for so
    /// long at most. Whether all threads have ended. If not, what runs goes on, on threads that nobody waits for, and they end by themselves.
    ///
    /// With [`Duration::ZERO`] this waits for nobody, and may be called anywhere, also by one of the pool's own jobs.
    ///
    /// ```
    /// use std::{sync::mpsc, time::Duration};
    ///
    /// let pool = brigade_pool::Pool::builder().threads(1).build()?;
    /// let ((begins, begun), (go, gate)) = (mpsc::channel(), mpsc::channel());
    /// let stuck = pool.spawn(move || {
    ///     begins.send(()).unwrap();
    ///     gate.recv().unwrap()
    /// });
    /// begun.recv().unwrap();
    /// assert!(!pool.shutdown_timeout(Duration::from_millis(1)));
    /// go.send("late").unwrap();
    /// assert_eq!(stuck.join().unwrap(), "late");
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Panics
    ///
    /// In a forked child. On a thread whose waiting policy forbids blocking, unless the time is zero; the pool is dropped then.
    pub fn shutdown_timeout(mut self, at_most: Duration) -> bool {
        self.registry.assert_not_forked();
        if !at_most.is_zero() {
            wait::assert_allowed("Pool::shutdown_timeout");
        }
        self.is_shut = true;
        self.registry.advance(Phase::Cancelling);
        self.registry.cancel_queued();
        // What was queued may have been all that there was.
        self.registry.advance(Phase::Cancelling);
        // None: so far away that no clock can name it.
        let deadline = clock::now().checked_add(at_most);
        let gone = self.current_thread_index().is_none() && self.registry.wait_for_threads(deadline);
        let threads = mem::take(&mut self.registry.roster().threads);
        if gone {
            // They have nothing left to do but to end.
            threads.into_iter().for_each(|thread| _ = thread.join());
        }
        gone
    }

    /// Lets go of the pool: everything that is queued is run, by threads that nobody waits for. What they have not done when the
    /// process ends, they never do, as a daemon thread in Python.
    ///
    /// ```
    /// let pool = brigade_pool::Pool::builder().threads(1).build()?;
    /// let answer = pool.spawn(|| 7);
    /// pool.detach();
    /// assert_eq!(answer.join().unwrap(), 7);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn detach(mut self) {
        self.is_shut = true;
        if self.registry.is_forked() {
            return self.forget();
        }
        self.registry.advance(Phase::Draining);
        // Dropping a thread's handle detaches it.
        self.registry.roster().threads.clear();
    }

    /// Leaves everything as it is, in a forked child: what the threads held when it was forked is held for ever.
    fn forget(&self) {
        mem::forget(self.registry.clone());
    }

    fn end(&self, phase: Phase) {
        self.registry.advance(phase);
        self.join_threads();
    }

    /// Waits for the threads to end, unless this is one of them.
    fn join_threads(&self) {
        if self.current_thread_index().is_some() {
            // They are detached: whoever is the last of them ends the pool.
            self.registry.roster().threads.clear();
            return;
        }
        let _away = wait::away();
        loop {
            let Some(thread) = self.registry.roster().threads.pop() else { break };
            // A worker's loop does not panic: jobs and hooks are caught.
            let _ = thread.join();
        }
    }
}

/// As [`Pool::shutdown_now`], also where that would be refused: a destructor cannot refuse, so there it blocks.
impl Drop for Pool {
    fn drop(&mut self) {
        if self.is_shut {
            return;
        }
        if self.registry.is_forked() {
            return self.forget();
        }
        self.end(Phase::Cancelling);
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = &self.registry.config;
        f.debug_struct("Pool")
            .field("name", &config.name)
            .field("threads", &config.threads)
            .finish_non_exhaustive()
    }
}
