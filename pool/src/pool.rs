//! The pool: how it is started, and how it ends. `job/spawn.rs`, `job/install.rs`, `join/mod.rs`,
//! `scope/mod.rs` and `data/map.rs` hold its other methods.

use crate::sync::os_thread as thread;
use crate::{
    builder::Builder,
    registry::{Phase, Registry, config::PoolConfig, refuse_forked, stats::Stats},
    worker::{self, current},
};
use brigade_handle::{fork::PerProcess, wait};
use brigade_trace::{clock, live};
use std::{
    fmt, io, mem,
    panic::{RefUnwindSafe, UnwindSafe},
    sync::{Arc, Mutex, OnceLock, PoisonError, atomic::Ordering},
    time::Duration,
};

/// A work-stealing thread pool.
///
/// Dropping the pool cancels the queued jobs (their handles say
/// [`JoinError::Cancelled`](crate::JoinError::Cancelled)) and waits for the running jobs. On one of the
/// pool's own workers that would mean to wait for itself. There `drop` does not wait, and the threads end
/// by themselves.
///
/// ```
/// let pool = brigade_pool::Pool::builder().threads(2).build()?;
/// let answer = pool.spawn(|| 6 * 7);
/// assert_eq!(answer.join().unwrap(), 42);
/// # std::io::Result::Ok(())
/// ```
///
/// # Threads
///
/// A pool has the threads that it was asked for, and a spare thread for each worker that is blocked while
/// there is work. If the operating system refuses a spare thread, the pool retries after pauses of up to
/// a second, for as long as it needs the thread. Retrying takes a thread that cannot be refused then. So
/// a process has one more thread, which sleeps, for all its pools together.
///
/// # In a forked child
///
/// The threads stay with the parent. So everything that would give them work or wait for them panics:
/// every method that spawns, blocks or shuts down, and the free functions, which use [the global
/// pool](Self::global). A pool that is made in the child works. Dropping or detaching the parent's pool
/// in the child does nothing.
///
/// If a job forks, the copy of its worker in the child may run, alone, every job that it joins and that
/// no other worker has. Where it would have to wait for the parent's threads, and at the end of the job,
/// the child is aborted with a message. A handle from before the fork that would have to wait returns
/// [`Lost::Forked`](brigade_handle::Lost::Forked).
#[doc(alias("ThreadPool", "ThreadPoolExecutor"))]
#[must_use = "dropping a pool ends it"]
pub struct Pool {
    pub(crate) registry: Arc<Registry>,
    /// Whether the pool has been ended, so that dropping it does nothing.
    pub(crate) is_shut: bool,
    _watching: Option<live::Watching>,
}

// Panics of jobs and hooks are caught, and no foreign code runs while a part of the pool is half changed.
impl UnwindSafe for Pool {}
impl RefUnwindSafe for Pool {}

impl Pool {
    /// Starts a pool with one thread for each processor.
    ///
    /// ```
    /// let pool = brigade_pool::Pool::new()?;
    /// assert!(pool.threads() >= 1);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the operating system's error if it refuses a thread, as [`Builder::build`] does.
    pub fn new() -> io::Result<Self> {
        Self::builder().build()
    }

    /// Returns a builder, which sets the number of threads, their name, and so on.
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

    /// Returns the pool that the free functions use on threads that belong to no pool. The first use
    /// starts it, with one thread for each processor, and it lives as long as the process.
    ///
    /// ```
    /// let pool = brigade_pool::Pool::global();
    /// let from_function = brigade_pool::spawn(|| brigade_pool::Pool::global().current_thread_index());
    /// assert!(from_function.join().unwrap().unwrap() < pool.threads());
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if the operating system refuses its threads. Panics in a child that was forked while a
    /// thread of its parent started the pool.
    #[doc(alias = "build_global")]
    #[track_caller]
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
        static STARTING: Mutex<()> = Mutex::new(());
        let starting = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = GLOBAL.get() {
            return pool;
        }
        // The pool is not made in `get_or_init`, because a panic in a closure would not name the caller.
        match Self::builder().name("global").build() {
            Ok(pool) => GLOBAL.get_or_init(|| pool),
            Err(error) => {
                drop(starting);
                panic!("the global pool cannot start its threads: {error}")
            }
        }
    }

    pub(crate) fn start(config: PoolConfig) -> io::Result<Self> {
        live::attachable_if_wanted();
        let watching = config.reports_stuck.then(live::report_stuck).transpose()?;
        let registry = Registry::new(config, worker::ENTRY);
        let mut pool = Self { registry, is_shut: false, _watching: watching };
        match pool.registry.start_all() {
            Ok(()) => {
                // For later refusals. The pool's own threads are more important, and come first.
                pool.registry.retry();
                Ok(pool)
            }
            Err((error, started)) => {
                pool.registry.advance(Phase::Ended);
                pool.join_threads();
                pool.is_shut = true;
                let threads = pool.threads();
                let text = format!("the system granted {started} of the pool's {threads} threads: {error}");
                Err(io::Error::new(error.kind(), text))
            }
        }
    }

    /// Returns how many threads run jobs at a time.
    ///
    /// ```
    /// let pool = brigade_pool::Pool::builder().threads(3).build()?;
    /// assert_eq!(pool.threads(), 3);
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "current_num_threads")]
    pub fn threads(&self) -> usize {
        self.registry.config.threads
    }

    /// Returns the number of the calling thread in this pool, if it is one of the pool's threads.
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

    /// Returns what the pool has done so far, and what it has to do.
    ///
    /// The numbers are exact when the pool is at rest. While it works, each number may lag behind the
    /// work in progress.
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
    /// Panics in a forked child.
    #[must_use]
    #[track_caller]
    pub fn stats(&self) -> Stats {
        self.registry.assert_not_forked();
        self.registry.stats()
    }

    /// Runs all queued jobs and the jobs that they spawn, then ends and joins the threads.
    ///
    /// On one of the pool's own workers, which cannot wait for itself, this does not wait. The threads
    /// end by themselves when everything has run.
    ///
    /// ```
    /// let pool = brigade_pool::Pool::builder().threads(1).build()?;
    /// let (tell, told) = std::sync::mpsc::channel();
    /// pool.spawn_detached(move || tell.send("served").unwrap());
    /// pool.shutdown();
    /// assert_eq!(told.try_recv(), Ok("served"));
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Panics
    ///
    /// Panics in a forked child. Panics on a thread whose waiting policy forbids blocking; the pool is
    /// dropped then.
    #[track_caller]
    pub fn shutdown(mut self) {
        self.registry.assert_not_forked();
        wait::assert_allowed("Pool::shutdown");
        self.end(Phase::Draining);
        self.is_shut = true;
    }

    /// Cancels all queued jobs, waits for the running jobs, then ends and joins the threads. Dropping the
    /// pool does the same. Returns how many jobs this cancelled.
    ///
    /// On one of the pool's own workers, which cannot wait for itself, it returns how many jobs were
    /// cancelled so far: usually 0.
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
    /// Panics in a forked child. Panics on a thread whose waiting policy forbids blocking; the pool is
    /// dropped then.
    #[track_caller]
    pub fn shutdown_now(mut self) -> usize {
        self.registry.assert_not_forked();
        wait::assert_allowed("Pool::shutdown_now");
        self.end(Phase::Cancelling);
        self.is_shut = true;
        // Relaxed: the threads that count were joined.
        self.registry.cancelled.load(Ordering::Relaxed)
    }

    /// Cancels all queued jobs at once, and waits for the running jobs like
    /// [`shutdown_now`](Self::shutdown_now), but no longer than `at_most`. Returns whether all threads
    /// have ended. If they have not, the running jobs go on, on threads that no caller waits for, and
    /// those threads end by themselves.
    ///
    /// With [`Duration::ZERO`] this does not wait, and may be called anywhere, also by one of the pool's
    /// own jobs.
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
    /// Panics in a forked child. Panics on a thread whose waiting policy forbids blocking, unless the
    /// time is zero; the pool is dropped then.
    #[track_caller]
    pub fn shutdown_timeout(mut self, at_most: Duration) -> bool {
        self.registry.assert_not_forked();
        if !at_most.is_zero() {
            wait::assert_allowed("Pool::shutdown_timeout");
        }
        self.is_shut = true;
        self.registry.advance(Phase::Cancelling);
        self.registry.cancel_queued();
        // The queued jobs may have been the only ones.
        self.registry.advance(Phase::Cancelling);
        // `None` is a deadline so far away that no clock can represent it.
        let deadline = clock::now().checked_add(at_most);
        let gone = self.current_thread_index().is_none() && self.registry.wait_for_threads(deadline);
        let threads = mem::take(&mut self.registry.roster().threads);
        if gone {
            // The threads have nothing left to do but to end.
            threads.into_iter().for_each(join_unless_current);
        }
        gone
    }

    /// Lets go of the pool: threads that no caller waits for run all queued jobs. The jobs that they have
    /// not run when the process ends are never run, as with a daemon thread in Python.
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
        // Dropping a thread's handle detaches the thread.
        self.registry.roster().threads.clear();
    }

    /// Leaks the registry in a forked child, because locks that the threads held at the fork are held for
    /// ever.
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
            // This detaches the threads. The last of them to fall asleep ends the pool.
            self.registry.roster().threads.clear();
            return;
        }
        let _away = wait::away();
        loop {
            let Some(thread) = self.registry.roster().threads.pop() else { break };
            join_unless_current(thread);
        }
    }
}

/// Waits for a thread of the pool to end, unless it is this one. A spare thread that goes home may drop the
/// pool in the destructor of a thread-local, where it is no worker any more.
fn join_unless_current(thread: thread::JoinHandle<()>) {
    if thread.thread().id() != thread::current().id() {
        // A worker's loop does not panic, because jobs and hooks are caught.
        let _ = thread.join();
    }
}

/// Ends the pool like [`Pool::shutdown_now`]. A destructor cannot refuse, so it blocks even where
/// `shutdown_now` would panic.
impl Drop for Pool {
    fn drop(&mut self) {
        match self.is_shut {
            true => {}
            false if self.registry.is_forked() => self.forget(),
            false => self.end(Phase::Cancelling),
        }
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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_pool_of_a_thousand_threads_starts_with_all_of_them_asleep() {
        let pool = Pool::builder().threads(1000).build().expect("the machine lets us start threads");
        // If they searched each other at first, the start would take a time that grows with the square of
        // their number.
        assert!(pool.registry.sleep.all_sleep(1000));
        assert_eq!((pool.stats().threads, pool.stats().parks), (1000, 0));
        assert_eq!(pool.spawn(|| 7).join().expect("the job returns"), 7);
        // Ending the pool wakes each of them once.
        let registry = pool.registry.clone();
        pool.shutdown();
        assert!(registry.sleep.wakes() < 1100, "{} wake-ups", registry.sleep.wakes());
    }
}
