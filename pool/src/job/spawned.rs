//! The job that `spawn` makes: one allocation that holds closure, slot and references.
//!
//! Its allocation has two owners, the queue's [`JobRef`] and the [`JoinHandle`], beside them those cancel handles that were asked for,
//! and one byte for who may run it:
//!
//! ```text
//!   QUEUED --claim--> CLAIMED      by whoever comes first: a worker that popped it, a joiner that helps, a cancel
//! ```
//!
//! 1. Until CLAIMED nobody touches the closure. Who claimed it moves the closure out, once, and completes the slot, once.
//! 2. A job that was claimed by its joiner or by a cancel stays in its queue as a tombstone: the worker that pops it finds it
//!    claimed, and only gives back its reference.
//! 3. The allocation is freed by whoever gives back the last of the references. A cancel handle that is left has nothing to
//!    cancel: the queue's reference is given back by who found the job claimed, or claimed it.
//!
//! That a joiner runs a queued job in place is what lets a worker wait without running strangers: it runs the very job that it
//! waits for, and nothing else.

use crate::{
    job::{JobHeader, JobRef, JobVtable, memory},
    registry::Registry,
    sync::{AtomicU8, AtomicU32, Ordering, UnsafeCell},
    worker::{Worker, current},
};
use brigade_handle::{
    CancelVerbs, Counted, JoinError, JoinHandle, Lost, Place, Rendezvous, Signal, Slot, contain,
};
use brigade_trace::{Domain, Id, Kind};
use std::{
    mem::ManuallyDrop,
    panic::{self, AssertUnwindSafe},
    ptr::NonNull,
    sync::{Arc, atomic},
};

const QUEUED: u8 = 0;
const CLAIMED: u8 = 1;

/// What `spawn` allocates.
#[repr(C)]
struct SpawnedJob<F, T> {
    header: JobHeader,
    claim: AtomicU8,
    references: AtomicU32,
    id: Id,
    /// The pool that the job is queued in, for comparison only.
    registry: *const Registry,
    slot: Slot<T>,
    // --- whoever claimed the job (rule 1) ---
    work: UnsafeCell<ManuallyDrop<F>>,
}

// SAFETY: the closure goes from one thread to one other, and only who claimed it touches it (rule 1); the result travels
// through the slot; `home` is never followed.
unsafe impl<F: Send, T: Send> Send for SpawnedJob<F, T> {}
// SAFETY: as above.
unsafe impl<F: Send, T: Send> Sync for SpawnedJob<F, T> {}

/// Makes a job and its handle.
pub(crate) fn spawned<F, T>(registry: &Arc<Registry>, work: F) -> (JobRef, JoinHandle<T>)
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let id = Id::fresh(Domain::Job);
    let job = memory::put(SpawnedJob {
        header: JobHeader::new(&SpawnedJob::<F, T>::VTABLE),
        claim: AtomicU8::new(QUEUED),
        references: AtomicU32::new(2),
        id,
        registry: Arc::as_ptr(registry),
        slot: Slot::joined(),
        work: UnsafeCell::new(ManuallyDrop::new(work)),
    });
    brigade_trace::record(Kind::Spawn, id, 0);
    // SAFETY: the header is the first field; the job is Send and lives until both references are given back.
    let queued = unsafe { JobRef::from_raw(job.cast()) };
    let target: NonNull<dyn Counted<T>> = job;
    // SAFETY: the second reference is the handle's, which is the only joiner.
    let handle = unsafe { JoinHandle::from_raw(target, SpawnedJob::<F, T>::release) };
    (queued, handle)
}

impl<F, T> SpawnedJob<F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    const VTABLE: JobVtable = JobVtable { run: Self::run, discard: Self::discard, may_be_cancelled: true };

    /// Takes the closure, if nobody has.
    fn claim(&self) -> Option<F> {
        // Relaxed: only who is first matters; the closure was published by the queue, or by what carried the handle here.
        if self.claim.swap(CLAIMED, Ordering::Relaxed) == CLAIMED {
            return None;
        }
        // SAFETY: the claim is ours, so the closure is, and it is moved out once (rule 1).
        let work = self.work.with_mut(|work| unsafe { work.read() });
        Some(ManuallyDrop::into_inner(work))
    }

    /// Runs the job here, unless it has been claimed. True if it ran.
    fn claim_and_run(&self) -> bool {
        let Some(work) = self.claim() else { return false };
        let before = brigade_trace::begin(self.id);
        let result = panic::catch_unwind(AssertUnwindSafe(work)).map_err(JoinError::Panicked);
        brigade_trace::end(self.id, before, 1);
        self.complete(result.map_err(|error| self.report_if_detached(error)));
        true
    }

    /// If nobody is left to hear of a panic, the pool's handler does. Returns what the slot is to hold.
    fn report_if_detached(&self, error: JoinError) -> JoinError {
        let tell = |worker: Option<&Worker>, error| match (worker.map(|w| &w.registry.config.on_panic), error)
        {
            (Some(Some(handler)), JoinError::Panicked(payload)) => {
                contain(|| handler(payload));
                // It is dropped with the slot, unseen.
                JoinError::Lost(Lost::Abandoned)
            }
            (_, error) => error,
        };
        if self.slot.is_detached() { current::with(|worker| tell(worker, error)) } else { error }
    }

    /// Ends the job without running it, unless it has been claimed. True if it was cancelled by that.
    fn cancel_queued(&self) -> bool {
        let Some(work) = self.claim() else { return false };
        brigade_trace::record(Kind::Cancel, self.id, 0);
        // The closure goes first: what it holds is free by the time the joiner hears of it.
        contain(|| drop(work));
        self.complete(Err(JoinError::Cancelled));
        true
    }

    fn complete(&self, result: Result<T, JoinError>) {
        brigade_trace::record(Kind::Complete, self.id, u64::from(result.is_err()));
        // SAFETY: only who claimed the job completes it (rule 1), with a reference of its own (rule 3).
        let complete = || unsafe { self.slot.complete_once(result) };
        // It panics only if the joiner is gone and the result's destructor panics: then nobody is left to be told.
        contain(complete);
    }

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

    /// # Safety
    ///
    /// The caller has a reference.
    unsafe fn cancel(job: NonNull<()>) {
        // SAFETY: the caller's reference keeps the job alive.
        unsafe { job.cast::<Self>().as_ref() }.cancel_queued();
    }

    /// # Safety
    ///
    /// The caller has a reference.
    unsafe fn is_finished(job: NonNull<()>) -> bool {
        // SAFETY: the caller's reference keeps the job alive.
        unsafe { job.cast::<Self>().as_ref() }.slot.is_finished()
    }

    /// One reference more.
    ///
    /// # Safety
    ///
    /// The caller has a reference.
    unsafe fn retain(job: NonNull<()>) {
        // SAFETY: the caller's reference keeps the job alive.
        let references = unsafe { &job.cast::<Self>().as_ref().references };
        // Relaxed: who makes a reference has one, so nobody frees meanwhile.
        if references.fetch_add(1, Ordering::Relaxed) > u32::MAX / 2 {
            // As `Arc` does: unwinding could not give back what was leaked.
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
        // Release puts what this owner did before another's destruction of the job.
        if references.fetch_sub(1, Ordering::Release) == 1 {
            // Acquire pairs with the Release of the other owners.
            atomic::fence(atomic::Ordering::Acquire);
            // SAFETY: all references are gone, and the job was put there by `spawned`.
            let free = || unsafe { memory::drop_in_place(job) };
            // It panics only if the destructor of a waker does, which must not end a worker.
            contain(free);
        }
    }
}

// SAFETY: signal and place are those of the one slot. Who completes it has a reference: the queue's, a handle's or a cancel handle's (rule 3).
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
}

// SAFETY: the job counts its references, and any thread may cancel it or give one back.
unsafe impl<F, T> Counted<T> for SpawnedJob<F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    fn cancel_verbs(&self) -> &'static CancelVerbs {
        &CancelVerbs {
            cancel: Self::cancel,
            is_finished: Self::is_finished,
            retain: Self::retain,
            release: Self::release,
        }
    }
}
