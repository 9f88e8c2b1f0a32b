//! Running a closure on a pool from outside of it, or on each of its threads, while the caller waits: a job in the caller's frame.
//!
//! 1. The job is queued once, and the caller leaves its frame only after the worker has completed the pair, which is the last
//!    that the worker does with the job. Its own end of the pair is in the heap, so nobody touches a frame that is gone.
//! 2. The closure and the result are the worker's from the moment the job is queued until then, and the caller's afterwards.
//!
//! A caller that is a worker of another pool waits like for any handle, and its pool may put a spare thread in its place: so
//! two pools may install into each other.

use crate::{
    job::{Header, JobRef, Stay, Verbs},
    pool::Pool,
    registry::Crew,
    sync::UnsafeCell,
    worker::current,
};
use brigade_handle::{Completer, JoinError, JoinHandle, wait};
use brigade_trace::{Domain, Id, Kind};
use std::{
    mem,
    panic::{self, AssertUnwindSafe},
    ptr::NonNull,
    sync::Arc,
    thread,
};

#[repr(C)]
struct Installed<F, R> {
    header: Header,
    id: Id,
    inside: UnsafeCell<Inside<F, R>>,
}

struct Inside<F, R> {
    work: Option<F>,
    result: Option<thread::Result<R>>,
    completer: Option<Completer<()>>,
}

impl Pool {
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
}

/// Runs `work` on a worker of the crew, this one if it is one, and returns its result or goes on with its panic.
pub(crate) fn install<F, R>(crew: &Arc<Crew>, what: &str, work: F) -> R
where
    F: FnOnce() -> R + Send,
    R: Send,
{
    if current::index_in(crew).is_some() { work() } else { install_from_outside(crew, what, work) }
}

fn install_from_outside<F, R>(crew: &Arc<Crew>, what: &str, work: F) -> R
where
    F: FnOnce() -> R + Send,
    R: Send,
{
    // In a forked child and where waiting is forbidden, this panics: before anything is queued.
    crew.assert_not_forked();
    wait::assert_allowed(what);
    let (job, done) = Installed::new(work);
    let stay = Stay;
    // SAFETY: this frame waits for the job's end.
    crew.inject(unsafe { job.queued() });
    let ended = done.join();
    mem::forget(stay);
    ended.expect("the worker completes what was installed");
    // SAFETY: the job has ended.
    unsafe { job.into_result() }.unwrap_or_else(|payload| panic::resume_unwind(payload))
}

/// Runs `f` on each thread of the crew, with the thread's number; results in the order of the numbers.
pub(crate) fn broadcast<F, R>(crew: &Arc<Crew>, f: &F) -> Vec<thread::Result<R>>
where
    F: Fn(usize) -> R + Sync,
    R: Send,
{
    let is_own = current::index_in(crew).is_some();
    assert!(!is_own, "Pool::broadcast on a worker of the same pool: it would wait for itself");
    crew.assert_not_forked();
    wait::assert_allowed("Pool::broadcast");
    let (mut jobs, mut ends) = (Vec::new(), Vec::new());
    let stay = Stay;
    crew.post_to_all(|beds| {
        for &bed in beds {
            let (job, done) = Installed::new(move || f(bed));
            jobs.push((bed, job));
            ends.push(done);
        }
        // SAFETY: this frame waits for the jobs' ends, and the vector is not touched before.
        jobs.iter().map(|(_, job)| unsafe { job.queued() }).collect()
    });
    ends.into_iter().for_each(|done| done.join().expect("the worker completes what was installed"));
    mem::forget(stay);
    jobs.sort_unstable_by_key(|(bed, _)| *bed);
    // SAFETY: the jobs have ended.
    jobs.into_iter().map(|(_, job)| unsafe { job.into_result() }).collect()
}

impl<F: FnOnce() -> R + Send, R: Send> Installed<F, R> {
    /// A job that is not queued yet, and the handle that says when it has ended.
    fn new(work: F) -> (Self, JoinHandle<()>) {
        let (completer, done) = brigade_handle::pair::<()>();
        let id = Id::fresh(Domain::Job);
        let inside = Inside { work: Some(work), result: None, completer: Some(completer) };
        let job = Self { header: Header::new(&Self::VERBS), id, inside: UnsafeCell::new(inside) };
        brigade_trace::record(Kind::Spawn, id, 0);
        (job, done)
    }

    /// What is put into a queue.
    ///
    /// # Safety
    ///
    /// It is called once, and the job stays where it is, untouched, until it has ended (rules 1 and 2).
    unsafe fn queued(&self) -> JobRef {
        // SAFETY: the header is the first field, the closure is Send, and the caller waits for the job's end (rule 1).
        unsafe { JobRef::from_raw(NonNull::from(self).cast()) }
    }

    /// The result, or the panic.
    ///
    /// # Safety
    ///
    /// The job has ended.
    unsafe fn into_result(self) -> thread::Result<R> {
        // SAFETY: the job has ended, so the result is the caller's (rule 2).
        let result = self.inside.with_mut(|inside| unsafe { (*inside).result.take() });
        result.expect("the worker stores the result before it completes")
    }

    /// Somebody waits for it, so it cannot be discarded: it is run.
    const VERBS: Verbs = Verbs { run: Self::run, discard: Self::run_instead, may_be_cancelled: false };

    /// # Safety
    ///
    /// As for `run`.
    unsafe fn run_instead(job: NonNull<Header>) -> bool {
        // SAFETY: this is the only call.
        unsafe { Self::run(job) };
        false
    }

    /// # Safety
    ///
    /// This is the queue's only call for this job.
    unsafe fn run(job: NonNull<Header>) {
        // SAFETY: the caller's frame stays until the pair is completed (rule 1).
        let job = unsafe { job.cast::<Self>().as_ref() };
        let id = job.id;
        let completer = job.inside.with_mut(|inside| {
            // SAFETY: the job is the worker's until the pair is completed (rule 2).
            let inside = unsafe { &mut *inside };
            let work = inside.work.take().expect("an installed job is run once");
            let before = brigade_trace::begin(id);
            inside.result = Some(panic::catch_unwind(AssertUnwindSafe(work)));
            brigade_trace::end(id, before, 1);
            inside.completer.take()
        });
        brigade_trace::record(Kind::Complete, id, 0);
        // From here on the frame may be gone.
        completer.expect("an installed job is run once").complete(Ok(()));
    }
}
