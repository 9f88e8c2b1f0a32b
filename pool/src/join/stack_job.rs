//! A stack job: the second closure of a `join`, on the stack of the worker that will wait for it.
//!
//! # Rules of access
//!
//! ```text
//!   bit 0      DONE     the result is stored          set by the thief, once
//!   bit 1      PARKED   the owner sleeps              set by the owner, once
//!   bit 2      PASSED   the thief may not run it      set by the thief, once, instead of THIEF
//!   bits 3..   THIEF    the thief's index plus one    set by the thief, once, before it runs the job
//! ```
//!
//! 1. The owner pushes the job to its deque, and pops it again or takes it back before its frame ends. If
//!    it gets the job that way, no thief has it or will get it, and the closure is the owner's.
//! 2. If the job was stolen, the closure and the result are the thief's until DONE, and the owner's from
//!    DONE on.
//! 3. The thief does not touch the job after it has set DONE, because the owner's frame may be gone. It
//!    unparks the owner through the pool's parking slots, which outlive both.
//! 4. A job that its thief must not run (`join/mod.rs`) is **passed on**: it goes into a list at the
//!    worker slot of its owner, and a job that stands for it goes into the injector. The thread that
//!    takes it out of the list is its thief from then on. That is the thread that runs the injected job,
//!    or the owner. The owner must not depend on other threads here, because it may hold a lock that all
//!    of them wait for. PASSED is set under the lock of the list, together with the entry, so it is set
//!    before any other thread can have the job.
//!
//! # Why no wake-up is lost
//!
//! DONE and PARKED are set by read-modify-write operations on one word. So one of them comes second and
//! sees the other:
//!
//! ```text
//!   thief                              owner
//!   result = …                         old = state.fetch_or(PARKED)
//!   old = state.fetch_or(DONE)         old has DONE? go on
//!   old has PARKED? unpark the owner   while not DONE: park
//! ```
//!
//! The same holds for PASSED in place of DONE, with the list in place of the result.

use crate::sync::{AtomicU32, Ordering, UnsafeCell};
use brigade_trace::{Domain, Id};
use std::{
    mem::{ManuallyDrop, MaybeUninit},
    panic::{self, AssertUnwindSafe},
    ptr::{self, NonNull},
    thread,
};

const DONE: u32 = 1 << 0;
const PARKED: u32 = 1 << 1;
const PASSED: u32 = 1 << 2;
const THIEF_SHIFT: u32 = 3;

/// The part of a stack job that does not depend on its types. A deque of stack jobs holds pointers to it.
#[repr(C)]
pub(crate) struct StackJobHeader {
    /// Runs the closure and stores the result. The thief calls it once.
    pub(crate) run: unsafe fn(NonNull<StackJobHeader>),
    state: StackJobState,
}

/// The state word of a stack job. `join/stack_job.rs` describes its bits.
#[derive(Debug)]
pub struct StackJobState(AtomicU32);

impl StackJobState {
    /// Makes the state of a job that no thief has.
    #[inline(always)]
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Returns the id by which a trace names the job while it is on its owner's stack.
    pub(crate) fn id(&self) -> Id {
        Id::new(Domain::Scope, ptr::from_ref(self).addr() as u64)
    }

    /// Records which worker stole the job.
    pub fn taken_by(&self, thief: usize) {
        // Relaxed: this is a hint that tells the owner where to help.
        self.0.fetch_or((thief as u32 + 1) << THIEF_SHIFT, Ordering::Relaxed);
    }

    /// Returns the worker that stole the job, once that is known.
    pub fn thief(&self) -> Option<usize> {
        (self.0.load(Ordering::Relaxed) >> THIEF_SHIFT).checked_sub(1).map(|thief| thief as usize)
    }

    /// Publishes the result. Returns whether the caller must unpark the owner. The job may be gone when
    /// this returns, so this takes a pointer.
    ///
    /// # Safety
    ///
    /// The job exists until it is done, and the caller is its thief, which calls this once.
    #[must_use = "if true, the caller must unpark the owner"]
    pub unsafe fn finish(this: NonNull<Self>) -> bool {
        // SAFETY: the job is not done before this operation (rule 2).
        let state = unsafe { &(*this.as_ptr()).0 };
        // Release publishes the result. Acquire is not needed, because PARKED publishes nothing.
        state.fetch_or(DONE, Ordering::Release) & PARKED != 0
    }

    /// Returns whether the result is stored.
    pub fn is_done(&self) -> bool {
        // Acquire pairs with `finish`.
        self.0.load(Ordering::Acquire) & DONE != 0
    }

    /// Records that the job is in the list of its owner's worker slot. Returns whether the caller must
    /// unpark the owner.
    #[must_use = "if true, the caller must unpark the owner"]
    pub fn pass_on(&self) -> bool {
        // Relaxed: the lock of the list orders it.
        self.0.fetch_or(PASSED, Ordering::Relaxed) & PARKED != 0
    }

    /// Returns whether the job is, or was, in the list.
    pub fn is_passed_on(&self) -> bool {
        // Relaxed: as in `pass_on`.
        self.0.load(Ordering::Relaxed) & PASSED != 0
    }

    /// Records that the owner will park. The owner checks DONE and PASSED again afterwards.
    pub fn begin_park(&self) {
        // Relaxed: the loads of the same word that follow acquire.
        self.0.fetch_or(PARKED, Ordering::Relaxed);
    }
}

impl StackJobHeader {
    pub(crate) fn state(&self) -> &StackJobState {
        &self.state
    }
}

/// A stack job with its closure and the place for its result.
#[repr(C)]
pub(crate) struct StackJob<F, R> {
    header: StackJobHeader,
    work: UnsafeCell<ManuallyDrop<F>>,
    result: UnsafeCell<MaybeUninit<thread::Result<R>>>,
}

impl<F: FnOnce() -> R, R> StackJob<F, R> {
    #[inline(always)]
    pub(crate) fn new(work: F) -> Self {
        Self {
            header: StackJobHeader { run: Self::run_stolen, state: StackJobState::new() },
            work: UnsafeCell::new(ManuallyDrop::new(work)),
            result: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    #[inline(always)]
    pub(crate) fn header(&self) -> NonNull<StackJobHeader> {
        // The pointer must be valid for the whole job, so it is made from the job and not from its field.
        NonNull::from(self).cast()
    }

    pub(crate) fn state(&self) -> &StackJobState {
        &self.header.state
    }

    /// Runs the job on its owner's thread.
    ///
    /// # Safety
    ///
    /// The job was popped from its deque or taken back, and this is called once.
    #[inline(always)]
    pub(crate) unsafe fn run_here(&self) -> R {
        // SAFETY: no thief has the job, so the closure is the owner's, and it is taken once (rule 1).
        let work = self.work.with_mut(|work| unsafe { work.read() });
        ManuallyDrop::into_inner(work)()
    }

    /// Takes the result that the thief stored.
    ///
    /// # Safety
    ///
    /// The job was stolen, its state is done, and this is called once.
    pub(crate) unsafe fn take_result(&self) -> thread::Result<R> {
        self.result.with_mut(|result| {
            // SAFETY: DONE was seen, so the result is the owner's (rule 2).
            let result = unsafe { &*result };
            // SAFETY: the thief stored it before DONE, and it is read once.
            unsafe { result.assume_init_read() }
        })
    }

    /// Runs the closure on the thief's thread and stores the result.
    ///
    /// # Safety
    ///
    /// The caller stole the job. It calls this once, before it sets DONE.
    unsafe fn run_stolen(header: NonNull<StackJobHeader>) {
        let stack_job = header.cast::<Self>();
        // SAFETY: the owner keeps the job until DONE (rules 1 and 2), which only our caller sets, later.
        let stack_job = unsafe { stack_job.as_ref() };
        // SAFETY: the thief has the closure, and takes it once (rule 2).
        let work = stack_job.work.with_mut(|work| unsafe { work.read() });
        let result = panic::catch_unwind(AssertUnwindSafe(ManuallyDrop::into_inner(work)));
        // SAFETY: the result is the thief's until DONE (rule 2).
        stack_job.result.with_mut(|place| unsafe { place.write(MaybeUninit::new(result)) });
    }
}
