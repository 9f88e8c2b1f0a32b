//! Running a closure on a pool from outside, or on each of its threads, while the caller waits: a job in
//! the caller's frame.
//!
//! 1. The job is queued once. The caller leaves its frame only after the worker has completed the pair,
//!    which is the last thing that the worker does with the job. The worker's end of the pair is in the
//!    heap, so no thread touches a frame that is gone.
//! 2. From the moment the job is queued until then, the closure and the result are the worker's.
//!    Afterwards they are the caller's.
//!
//! A caller whose job is done before it could fall asleep need not sleep, and the worker need not wake it.
//! So callers measure how long jobs take from the queue to their result (`registry/install_times.rs`), and
//! wait awake for a short while if that is short.
//!
//! A caller that is a worker of another pool waits as for any handle, and its pool may put a spare thread
//! in its place. So two pools may install into each other.

use crate::{
    job::{AbortOnUnwind, JobHeader, JobRef, JobVtable},
    pool::Pool,
    registry::Registry,
    sync::UnsafeCell,
    worker::current,
};
use brigade_handle::{Completer, JoinError, JoinHandle, wait};
use brigade_trace::{Domain::Job as JOB, Origin, clock};
use std::{
    mem,
    panic::{self, AssertUnwindSafe, Location},
    ptr::NonNull,
    sync::Arc,
    thread,
    time::Instant,
};

#[repr(C)]
struct InstalledJob<F, R> {
    header: JobHeader,
    origin: Origin,
    state: UnsafeCell<InstalledState<F, R>>,
}

struct InstalledState<F, R> {
    work: Option<F>,
    result: Option<thread::Result<R>>,
    ended_at: Option<Instant>,
    completer: Option<Completer<()>>,
}

impl Pool {
    /// Runs `work` on a worker of this pool, so that its joins and scopes are shared with the other
    /// workers. If the calling thread is a worker of this pool, `work` runs here.
    ///
    /// ```
    /// let pool = brigade_pool::Pool::builder().threads(2).build()?;
    /// let index = pool.install(|| pool.current_thread_index());
    /// assert!(index.is_some());
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if `work` panics. Panics on a thread whose waiting policy forbids blocking. Panics in a
    /// forked child, on a thread outside the pool.
    #[track_caller]
    pub fn install<F, R>(&self, work: F) -> R
    where
        F: FnOnce() -> R + Send,
        R: Send,
    {
        install(&self.registry, "Pool::install", work)
    }

    /// Runs `f` once on each thread of the pool, and returns the results in the order of the threads'
    /// numbers. `f` gets the number. Blocks until all calls have ended. A call that panics fails its own
    /// result and no other.
    ///
    /// Each thread calls `f` when its current job has ended. Existing spare threads take part, so there
    /// may be more results than [`threads`](Self::threads). A thread that is started meanwhile does not
    /// take part.
    ///
    /// Only that thread can run its call, and a thread that waits inside a job cannot. So jobs of two
    /// pools that broadcast into each other's pool wait for ever, and so does a broadcast for a job that
    /// waits for the caller of the broadcast. If any thread would do, use [`install`](Self::install) or
    /// [`scope`](Self::scope), which have no such limits.
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
    /// Panics on a worker of the same pool, which would wait for itself. Panics on a thread whose waiting
    /// policy forbids blocking, and in a forked child.
    #[track_caller]
    pub fn broadcast<F, R>(&self, f: F) -> Vec<Result<R, JoinError>>
    where
        F: Fn(usize) -> R + Sync,
        R: Send,
    {
        let results = broadcast(&self.registry, &f);
        results.into_iter().map(|result| result.map_err(JoinError::panicked)).collect()
    }
}

/// Runs `work` on a worker of the registry, or here if the calling thread is one. Returns the result or
/// continues the panic.
#[track_caller]
pub(crate) fn install<F, R>(registry: &Arc<Registry>, what: &str, work: F) -> R
where
    F: FnOnce() -> R + Send,
    R: Send,
{
    if current::index_in(registry).is_some() { work() } else { install_from_outside(registry, what, work) }
}

#[track_caller]
fn install_from_outside<F, R>(registry: &Arc<Registry>, what: &str, work: F) -> R
where
    F: FnOnce() -> R + Send,
    R: Send,
{
    // In a forked child and where waiting is forbidden, these panic before anything is queued.
    registry.assert_not_forked();
    wait::assert_allowed(what);
    let (job, done) = InstalledJob::new(work, Location::caller());
    let guard = AbortOnUnwind;
    let queued_at = clock::now();
    // SAFETY: this frame waits for the job's end.
    registry.inject(unsafe { job.queued() });
    registry.install_times.spin(queued_at, || done.is_finished());
    let ended = done.join();
    mem::forget(guard);
    ended.expect("the worker completes an installed job");
    // SAFETY: the job has ended.
    registry.install_times.learn(unsafe { job.ended_at() }.saturating_duration_since(queued_at));
    // SAFETY: the job has ended.
    unsafe { job.into_result() }.unwrap_or_else(|payload| panic::resume_unwind(payload))
}

/// Runs `f` on each thread of the registry with the thread's number. Returns the results in the order of
/// the numbers.
#[track_caller]
pub(crate) fn broadcast<F, R>(registry: &Arc<Registry>, f: &F) -> Vec<thread::Result<R>>
where
    F: Fn(usize) -> R + Sync,
    R: Send,
{
    let is_own = current::index_in(registry).is_some();
    assert!(!is_own, "Pool::broadcast on a worker of the same pool: it would wait for itself");
    registry.assert_not_forked();
    wait::assert_allowed("Pool::broadcast");
    let (mut jobs, mut ends, at) = (Vec::new(), Vec::new(), Location::caller());
    let guard = AbortOnUnwind;
    registry.send_to_all(|indices| {
        for &index in indices {
            let (job, done) = InstalledJob::new(move || f(index), at);
            jobs.push((index, job));
            ends.push(done);
        }
        // SAFETY: this frame waits for the ends of the jobs, and does not touch the vector before.
        jobs.iter().map(|(_, job)| unsafe { job.queued() }).collect()
    });
    // In a loop and not in a closure, so that each wait is the caller's.
    for done in ends {
        done.join().expect("the worker completes an installed job");
    }
    mem::forget(guard);
    jobs.sort_unstable_by_key(|(index, _)| *index);
    // SAFETY: the jobs have ended.
    jobs.into_iter().map(|(_, job)| unsafe { job.into_result() }).collect()
}

impl<F: FnOnce() -> R + Send, R: Send> InstalledJob<F, R> {
    /// Makes a job that is not queued yet, and the handle that waits for its end.
    fn new(work: F, at: &'static Location<'static>) -> (Self, JoinHandle<()>) {
        let origin = Origin::spawned_at(JOB, at);
        let (completer, done) = brigade_handle::pair_of::<()>(origin.id(JOB));
        let state =
            InstalledState { work: Some(work), result: None, ended_at: None, completer: Some(completer) };
        let job = Self { header: JobHeader::new(&Self::VTABLE), origin, state: UnsafeCell::new(state) };
        (job, done)
    }

    /// Returns the reference that goes into a queue.
    ///
    /// # Safety
    ///
    /// This is called once, and the job stays where it is, untouched, until it has ended (rules 1 and 2).
    unsafe fn queued(&self) -> JobRef {
        // SAFETY: the header is the first field, the closure is Send, and the caller waits for the end of
        // the job (rule 1).
        unsafe { JobRef::from_raw(NonNull::from(self).cast()) }
    }

    /// Returns when the worker had the result.
    ///
    /// # Safety
    ///
    /// The job has ended.
    unsafe fn ended_at(&self) -> Instant {
        // SAFETY: the job has ended, so the state is the caller's (rule 2).
        self.state
            .with_mut(|state| unsafe { (*state).ended_at })
            .expect("the worker notes when a job has ended")
    }

    /// Returns the result, or the panic.
    ///
    /// # Safety
    ///
    /// The job has ended.
    unsafe fn into_result(self) -> thread::Result<R> {
        // SAFETY: the job has ended, so the result is the caller's (rule 2).
        let result = self.state.with_mut(|state| unsafe { (*state).result.take() });
        result.expect("the worker stores the result before it completes")
    }

    /// A thread waits for it, so it cannot be discarded: discarding runs it.
    const VTABLE: JobVtable =
        JobVtable { run: Self::run, discard: Self::run_instead, may_be_cancelled: false };

    /// Runs the job, since discarding it would leave the caller waiting.
    ///
    /// # Safety
    ///
    /// As for `run`.
    unsafe fn run_instead(job: NonNull<JobHeader>) -> bool {
        // SAFETY: this is the only call.
        unsafe { Self::run(job) };
        false
    }

    /// Runs the closure, stores the result, and completes the pair.
    ///
    /// # Safety
    ///
    /// This is the queue's only call for this job.
    unsafe fn run(job: NonNull<JobHeader>) {
        // SAFETY: the caller's frame stays until the pair is completed (rule 1).
        let job = unsafe { job.cast::<Self>().as_ref() };
        let origin = job.origin;
        let completer = job.state.with_mut(|state| {
            // SAFETY: the job is the worker's until the pair is completed (rule 2).
            let state = unsafe { &mut *state };
            let work = state.work.take().expect("an installed job is run once");
            origin.begin(JOB);
            state.result = Some(panic::catch_unwind(AssertUnwindSafe(work)));
            state.ended_at = Some(clock::now());
            state.completer.take()
        });
        origin.complete(JOB, 0);
        // From here on the frame may be gone.
        completer.expect("an installed job is run once").complete(Ok(()));
    }
}
