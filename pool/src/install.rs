//! Running a closure on a pool from outside of it, while the caller waits: a job on the caller's stack.
//!
//! 1. The job is queued once, and the caller leaves its frame only after the worker has completed the pair, which is the last
//!    that the worker does with the job. Its own end of the pair is in the heap, so nobody touches a frame that is gone.
//! 2. The closure and the result are the worker's from the moment the job is queued until then, and the caller's afterwards.
//!
//! A caller that is a worker of another pool waits like for any handle, and its pool may put a spare thread in its place: so
//! two pools may install into each other.

use crate::{
    crew::Crew,
    current,
    job::{Header, JobRef, Verbs},
    sync::UnsafeCell,
};
use brigade_handle::{Completer, wait};
use brigade_trace::{Domain, Id, Kind};
use std::{
    panic::{self, AssertUnwindSafe},
    process,
    ptr::NonNull,
    sync::Arc,
    task::Poll,
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

/// Runs `work` on a worker of the crew, this one if it is one, and returns its result or goes on with its panic.
pub(crate) fn install<F, R>(crew: &Arc<Crew>, what: &str, work: F) -> R
where
    F: FnOnce() -> R + Send,
    R: Send,
{
    let here = current::with(|worker| worker.is_some_and(|worker| Arc::ptr_eq(&worker.crew, crew)));
    if here { work() } else { install_from_outside(crew, what, work) }
}

fn install_from_outside<F, R>(crew: &Arc<Crew>, what: &str, work: F) -> R
where
    F: FnOnce() -> R + Send,
    R: Send,
{
    // Where waiting is forbidden, this panics: before anything is queued.
    wait::block(what, |_| Poll::Ready(()));
    let (completer, done) = brigade_handle::pair::<()>();
    let id = Id::fresh(Domain::Job);
    let inside = Inside { work: Some(work), result: None, completer: Some(completer) };
    let verbs = &Installed::<F, R>::VERBS;
    let job = Installed { header: Header::new(verbs, 0), id, inside: UnsafeCell::new(inside) };
    brigade_trace::record(Kind::Spawn, id, 0);
    // SAFETY: the header is the first field, the closure is Send, and the frame waits for the job's end (rule 1).
    let queued = unsafe { JobRef::from_raw(NonNull::from(&job).cast()) };
    /// The frame must not end before the job has.
    struct Stay;
    impl Drop for Stay {
        fn drop(&mut self) {
            process::abort();
        }
    }
    let stay = Stay;
    crew.inject(queued);
    let ended = done.join();
    std::mem::forget(stay);
    ended.expect("the worker completes what was installed");
    // SAFETY: the job has ended, so the result is the caller's (rule 2).
    let result = job.inside.with_mut(|inside| unsafe { (*inside).result.take() });
    match result.expect("the worker stores the result before it completes") {
        Ok(result) => result,
        Err(payload) => panic::resume_unwind(payload),
    }
}

impl<F: FnOnce() -> R, R> Installed<F, R> {
    /// Somebody waits for it, so it cannot be discarded: it is run.
    const VERBS: Verbs = Verbs { run: Self::run, discard: Self::run };

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
