//! The job that `spawn` makes: one allocation that holds the closure, the slot of the result and a count
//! of references.
//!
//! The allocation has two owners, the queue's [`JobRef`] and the [`JoinHandle`], and besides them all
//! cancel handles that were made. One byte decides who may run the job:
//!
//! ```text
//!   QUEUED --claim--> CLAIMED      by the first of: a worker that pops it, a joiner that helps, a cancel
//! ```
//!
//! 1. No thread touches the closure before CLAIMED. The thread that claimed the job moves the closure
//!    out, once, and completes the slot, once.
//! 2. A job that its joiner or a cancel has claimed stays in its queue as a tombstone. The worker that
//!    pops it finds it claimed, and only gives back its reference.
//! 3. The owner that gives back the last reference frees the allocation. A remaining cancel handle has
//!    nothing to cancel, because the queue's reference is given back only by a thread that claimed the
//!    job or found it claimed.
//!
//! A joiner runs a queued job in place. Therefore a worker can wait without running unrelated jobs: it
//! runs the very job that it waits for, and nothing else.

use crate::{
    job::{JobHeader, JobRef, JobVtable, memory},
    registry::Registry,
    sync::{AtomicU8, AtomicU32, Ordering, UnsafeCell},
    worker::{Worker, begin_job::begin_job, current},
};
use brigade_handle::{
    CancelVerbs, Counted, JoinError, JoinHandle, Lost, Place, Rendezvous, Signal, Slot, contain,
};
use brigade_trace::{Domain::Job as JOB, Id, Kind, Origin};
use std::{
    mem::ManuallyDrop,
    panic::{self, AssertUnwindSafe, Location},
    ptr::NonNull,
    sync::{Arc, atomic},
};

const QUEUED: u8 = 0;
const CLAIMED: u8 = 1;

/// The allocation of a spawned job.
#[repr(C)]
struct SpawnedJob<F, T> {
    header: JobHeader,
    claim: AtomicU8,
    references: AtomicU32,
    origin: Origin,
    /// The pool in whose queue the job is. For comparison only.
    registry: *const Registry,
    slot: Slot<T>,
    // --- touched by the thread that claimed the job (rule 1) ---
    work: UnsafeCell<ManuallyDrop<F>>,
}

// SAFETY: the closure goes from one thread to one other, and only the thread that claimed it touches it
// (rule 1); the result travels through the slot; `registry` is never dereferenced.
unsafe impl<F: Send, T: Send> Send for SpawnedJob<F, T> {}
// SAFETY: as above.
unsafe impl<F: Send, T: Send> Sync for SpawnedJob<F, T> {}

/// Makes a job that is spawned at this place, and its handle.
pub(crate) fn spawned<F, T>(
    registry: &Arc<Registry>,
    work: F,
    at: &'static Location<'static>,
) -> (JobRef, JoinHandle<T>)
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let origin = registry.record_spawn(at);
    let job = memory::put(SpawnedJob {
        header: JobHeader::new(&SpawnedJob::<F, T>::VTABLE),
        claim: AtomicU8::new(QUEUED),
        references: AtomicU32::new(2),
        origin,
        registry: Arc::as_ptr(registry),
        slot: Slot::joined(),
        work: UnsafeCell::new(ManuallyDrop::new(work)),
    });
    // SAFETY: the header is the first field; the job is Send and lives until both references are given
    // back.
    let queued = unsafe { JobRef::from_raw(job.cast()) };
    let target: NonNull<dyn Counted<T>> = job;
    // SAFETY: the second reference belongs to the handle, which is the only joiner.
    let handle = unsafe { JoinHandle::from_raw(target, SpawnedJob::<F, T>::release) };
    (queued, handle)
}

impl<F, T> SpawnedJob<F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    const VTABLE: JobVtable = JobVtable { run: Self::run, discard: Self::discard, may_be_cancelled: true };

    /// Takes the closure, if no thread has claimed it.
    fn claim(&self) -> Option<F> {
        // Relaxed: only the order of claims matters. The queue, or the carrier of the handle, has
        // published the closure.
        if self.claim.swap(CLAIMED, Ordering::Relaxed) == CLAIMED {
            return None;
        }
        // SAFETY: this thread has the claim and therefore the closure, which is moved out once (rule 1).
        let work = self.work.with_mut(|work| unsafe { work.read() });
        Some(ManuallyDrop::into_inner(work))
    }

    /// Runs the job here, unless it has been claimed. Returns whether it ran.
    fn claim_and_run(&self) -> bool {
        let Some(work) = self.claim() else { return false };
        begin_job(&self.origin);
        let result = panic::catch_unwind(AssertUnwindSafe(work)).map_err(JoinError::panicked);
        self.complete(result.map_err(|error| self.report_if_detached(error)));
        true
    }

    /// Gives a panic to the pool's panic handler if no handle is left to receive it. Returns the error
    /// for the slot.
    fn report_if_detached(&self, error: JoinError) -> JoinError {
        let tell = |worker: Option<&Worker>, error| match (worker.map(|w| &w.registry.config.on_panic), error)
        {
            (Some(Some(handler)), JoinError::Panicked(payload, _)) => {
                contain(|| handler(payload));
                // The slot drops this error, and no one sees it.
                JoinError::lost(Lost::Abandoned)
            }
            (_, error) => error,
        };
        if self.slot.is_detached() { current::with(|worker| tell(worker, error)) } else { error }
    }

    /// Ends the job without running it, unless it has been claimed. Returns whether this cancelled it.
    fn cancel_queued(&self) -> bool {
        let Some(work) = self.claim() else { return false };
        self.origin.record(JOB, Kind::Cancel, 0);
        // The closure is dropped first, so that its resources are free when the joiner learns of the
        // cancellation.
        contain(|| drop(work));
        self.complete(Err(JoinError::cancelled()));
        true
    }

    fn complete(&self, result: Result<T, JoinError>) {
        self.origin.complete(JOB, u64::from(result.is_err()));
        let result = result.map_err(|error| error.of(|| self.origin.subject(JOB)));
        // SAFETY: only the thread that claimed the job completes it (rule 1), with a reference of its own
        // (rule 3).
        let complete = || unsafe { self.slot.complete_once(result) };
        // This panics only if the joiner is gone and the destructor of the result panics. Then no one is
        // left to tell.
        contain(complete);
    }

    /// Runs the job, unless it has been claimed, and gives back the queue's reference.
    ///
    /// # Safety
    ///
    /// The caller owns the queue's reference, and gives it up.
    unsafe fn run(job: NonNull<JobHeader>) {
        let job = job.cast::<Self>();
        // SAFETY: the queue's reference keeps the job alive until the release below.
        unsafe { job.as_ref() }.claim_and_run();
        // SAFETY: this is the queue's reference, and it is given back once.
        unsafe { Self::release(job.cast()) };
    }

    /// Cancels the job, unless it has been claimed, and gives back the queue's reference.
    ///
    /// # Safety
    ///
    /// As for `run`.
    unsafe fn discard(job: NonNull<JobHeader>) -> bool {
        let job = job.cast::<Self>();
        // SAFETY: as in `run`.
        let cancelled = unsafe { job.as_ref() }.cancel_queued();
        // SAFETY: as in `run`.
        unsafe { Self::release(job.cast()) };
        cancelled
    }

    /// Cancels the job for a cancel handle.
    ///
    /// # Safety
    ///
    /// The caller has a reference.
    unsafe fn cancel(job: NonNull<()>) {
        // SAFETY: the caller's reference keeps the job alive.
        unsafe { job.cast::<Self>().as_ref() }.cancel_queued();
    }

    /// Returns whether the job has ended, for a cancel handle.
    ///
    /// # Safety
    ///
    /// The caller has a reference.
    unsafe fn is_finished(job: NonNull<()>) -> bool {
        // SAFETY: the caller's reference keeps the job alive.
        unsafe { job.cast::<Self>().as_ref() }.slot.is_finished()
    }

    /// Returns the job's id, for a cancel handle.
    ///
    /// # Safety
    ///
    /// The caller has a reference.
    unsafe fn id(job: NonNull<()>) -> Id {
        // SAFETY: the caller's reference keeps the job alive.
        unsafe { job.cast::<Self>().as_ref() }.origin.id(JOB)
    }

    /// Adds a reference.
    ///
    /// # Safety
    ///
    /// The caller has a reference.
    unsafe fn retain(job: NonNull<()>) {
        // SAFETY: the caller's reference keeps the job alive.
        let references = unsafe { &job.cast::<Self>().as_ref().references };
        // Relaxed: the caller has a reference, so no thread frees the job meanwhile.
        if references.fetch_add(1, Ordering::Relaxed) > u32::MAX / 2 {
            // `Arc` does the same: unwinding could not give back the leaked references.
            std::process::abort();
        }
    }

    /// Gives back one of the references (rule 3).
    ///
    /// # Safety
    ///
    /// The caller owns that reference.
    unsafe fn release(job: NonNull<()>) {
        let job = job.cast::<Self>();
        // SAFETY: the reference that is given back keeps the job alive until here.
        let references = unsafe { &(*job.as_ptr()).references };
        // Release orders everything that this owner did before the destruction of the job by another
        // owner.
        if references.fetch_sub(1, Ordering::Release) == 1 {
            // Acquire pairs with the Release of the other owners.
            atomic::fence(atomic::Ordering::Acquire);
            // SAFETY: all references are gone, and `spawned` put the job there.
            let free = || unsafe { memory::drop_in_place(job) };
            // This panics only if the destructor of a waker does, which must not end a worker.
            contain(free);
        }
    }
}

// SAFETY: the signal and the place belong to the one slot. The completing thread has a reference: the
// queue's, a handle's or a cancel handle's (rule 3).
unsafe impl<F, T> Rendezvous<T> for SpawnedJob<F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    fn signal(&self) -> &Signal {
        self.slot.signal()
    }

    fn place(&self) -> Place<'_, T> {
        self.slot.place()
    }

    fn cancel(&self) {
        self.cancel_queued();
    }

    fn help(&self) -> bool {
        let is_of_our_pool =
            |worker: Option<&Worker>| worker.is_some_and(|w| Arc::as_ptr(&w.registry) == self.registry);
        current::with(is_of_our_pool) && self.claim_and_run()
    }

    fn id(&self) -> Id {
        self.origin.id(JOB)
    }
}

// SAFETY: the job counts its references, and any thread may cancel it or give a reference back.
unsafe impl<F, T> Counted<T> for SpawnedJob<F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    fn cancel_verbs(&self) -> &'static CancelVerbs {
        &CancelVerbs {
            cancel: Self::cancel,
            is_finished: Self::is_finished,
            id: Self::id,
            look: None,
            retain: Self::retain,
            release: Self::release,
        }
    }
}
