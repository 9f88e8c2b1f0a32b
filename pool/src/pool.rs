//! The pool: where jobs are spawned, and how it ends.

use crate::{
    Scope,
    builder::{Builder, Plan},
    crew::{Crew, Phase, refuse_forked},
    current, detached,
    install::{broadcast, install},
    join, scope,
    spawn::{spawn_fifo_on, spawn_on},
};
use brigade_handle::{JoinError, JoinHandle, fork::PerProcess, wait};
use std::{
    fmt, io, mem,
    sync::{Arc, OnceLock, atomic::Ordering},
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
    pub(crate) crew: Arc<Crew>,
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

    pub(crate) fn start(plan: Plan) -> io::Result<Self> {
        let mut pool = Self { crew: Crew::new(plan), is_shut: false };
        match pool.crew.start_all() {
            Ok(()) => {
                // For when one is refused. Not before the pool's own, which are more important.
                pool.crew.retry();
                Ok(pool)
            }
            Err(error) => {
                pool.crew.advance(Phase::Ended);
                pool.go_home();
                pool.is_shut = true;
                let text = format!("a thread of the pool could not be started: {error}");
                Err(io::Error::new(error.kind(), text))
            }
        }
    }

    /// How many threads run jobs at a time.
    pub fn threads(&self) -> usize {
        self.crew.plan.threads
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
        current::index_in(&self.crew)
    }

    /// Queues a job, and returns at once.
    ///
    /// ```
    /// let pool = brigade_pool::Pool::new()?;
    /// let answer = pool.spawn(|| 6 * 7);
    /// assert_eq!(answer.join().unwrap(), 42);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Cancellation
    ///
    /// A job that is still queued is removed by [`JoinHandle::cancel`], and its closure dropped at once; one that runs runs to its end.
    pub fn spawn<F, T>(&self, work: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        spawn_on(&self.crew, work)
    }

    /// Queues a job that nobody waits for: as [`spawn`](Self::spawn) whose handle is dropped at once, but for less, since there is
    /// no place for a result. A panic goes to the pool's [panic handler](crate::Builder::on_panic).
    ///
    /// ```
    /// let pool = brigade_pool::Pool::new()?;
    /// let (tell, told) = std::sync::mpsc::channel();
    /// pool.spawn_detached(move || tell.send("served").unwrap());
    /// assert_eq!(told.recv().unwrap(), "served");
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Cancellation
    ///
    /// Only by the end of the pool: what is queued then is dropped, and counted by [`shutdown_now`](Self::shutdown_now).
    pub fn spawn_detached<F>(&self, work: F)
    where
        F: FnOnce() + Send + 'static,
    {
        self.crew.submit(detached::new(work));
    }

    /// [`spawn`](Self::spawn), but jobs that are spawned so begin in the order in which they were spawned, wherever that was.
    ///
    /// A worker runs the newest of the jobs that it spawned first, which keeps its cache warm; these go to a queue that all
    /// workers share.
    ///
    /// ```
    /// let pool = brigade_pool::Pool::builder().threads(1).build()?;
    /// let (tell, told) = std::sync::mpsc::channel();
    /// pool.install(|| {
    ///     for n in 0..4 {
    ///         let tell = tell.clone();
    ///         drop(pool.spawn_fifo(move || tell.send(n)));
    ///     }
    /// });
    /// assert!(told.into_iter().take(4).eq(0..4));
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Cancellation
    ///
    /// As for [`spawn`](Self::spawn).
    pub fn spawn_fifo<F, T>(&self, work: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        spawn_fifo_on(&self.crew, work)
    }

    /// Queues a job that will block outside of the pool: [`spawn`](Self::spawn) of a [`blocking`](crate::blocking) call. Up to 256
    /// such jobs wait at the same time, each with a spare thread in its place.
    ///
    /// # Cancellation
    ///
    /// As for [`spawn`](Self::spawn).
    pub fn spawn_blocking<F, T>(&self, work: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.spawn(|| crate::blocking(work))
    }

    /// Runs `work` on a worker of this pool, so that what it joins and scopes is shared with the others; here, if this is one.
    ///
    /// # Panics
    ///
    /// If `work` panics. On a thread whose waiting policy forbids blocking.
    pub fn install<F, R>(&self, work: F) -> R
    where
        F: FnOnce() -> R + Send,
        R: Send,
    {
        install(&self.crew, "Pool::install", work)
    }

    /// Runs both closures on this pool, in parallel if a worker is free. See [`join`](crate::join).
    ///
    /// # Panics
    ///
    /// If one of the closures panics, after both have ended. On a thread whose waiting policy forbids blocking.
    pub fn join<A, B, RA, RB>(&self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce() -> RA + Send,
        B: FnOnce() -> RB + Send,
        RA: Send,
        RB: Send,
    {
        install(&self.crew, "Pool::join", || join::join(a, b))
    }

    /// Runs `body` on this pool with a scope. See [`scope`](crate::scope).
    ///
    /// # Panics
    ///
    /// If the body or a job panics, after all have ended. On a thread whose waiting policy forbids blocking.
    pub fn scope<'scope, F, R>(&self, body: F) -> R
    where
        F: FnOnce(&Scope<'scope>) -> R + Send,
        R: Send,
    {
        install(&self.crew, "Pool::scope", || scope::scope(body))
    }

    /// Runs `f` once on each thread of the pool, and returns the results in the order of the threads' numbers, which `f` is given.
    /// Blocks until all have ended; a call that panics fails its own result and no other.
    ///
    /// A thread calls `f` when it has come to the end of the job that it runs. Spare threads that exist count, so there may be
    /// more results than [`threads`](Self::threads); a thread that is started meanwhile does not.
    ///
    /// Nobody but that thread can run the call, and a thread that waits inside a job cannot. So jobs of two pools that broadcast into
    /// each other's pool wait for ever, and so does a broadcast for a job that waits for its caller. Where any thread would do,
    /// [`install`](Self::install) and [`scope`](Self::scope) have no such limits.
    ///
    /// ```
    /// let pool = brigade_pool::Pool::builder().threads(2).build()?;
    /// let names = pool.broadcast(|number| (number, std::thread::current().name().map(str::to_owned)));
    /// let names: Vec<_> = names.into_iter().map(Result::unwrap).collect();
    /// assert_eq!(names[1], (1, Some("pool-1".to_owned())));
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Panics
    ///
    /// On a worker of the same pool, which would wait for itself. On a thread whose waiting policy forbids blocking.
    pub fn broadcast<F, R>(&self, f: F) -> Vec<Result<R, JoinError>>
    where
        F: Fn(usize) -> R + Sync,
        R: Send,
    {
        let results = broadcast(&self.crew, &f);
        results.into_iter().map(|result| result.map_err(JoinError::Panicked)).collect()
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
        self.crew.assert_not_forked();
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
        self.crew.assert_not_forked();
        wait::assert_allowed("Pool::shutdown_now");
        self.end(Phase::Cancelling);
        self.is_shut = true;
        // Relaxed: the threads that count were joined.
        self.crew.cancelled.load(Ordering::Relaxed)
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
        if self.crew.is_forked() {
            return self.forget();
        }
        self.crew.advance(Phase::Draining);
        // Dropping a thread's handle detaches it.
        self.crew.roster().threads.clear();
    }

    /// Leaves everything as it is, in a forked child: what the threads held when it was forked is held for ever.
    fn forget(&self) {
        mem::forget(self.crew.clone());
    }

    fn end(&self, phase: Phase) {
        self.crew.advance(phase);
        self.go_home();
    }

    /// Waits for the threads to end, unless this is one of them.
    fn go_home(&self) {
        if self.current_thread_index().is_some() {
            // They are detached: whoever is the last of them ends the pool.
            self.crew.roster().threads.clear();
            return;
        }
        let _away = wait::away();
        loop {
            let Some(thread) = self.crew.roster().threads.pop() else { break };
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
        if self.crew.is_forked() {
            return self.forget();
        }
        self.end(Phase::Cancelling);
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plan = &self.crew.plan;
        f.debug_struct("Pool")
            .field("name", &plan.name)
            .field("threads", &plan.threads)
            .finish_non_exhaustive()
    }
}
