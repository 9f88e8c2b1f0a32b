//! The second half of a `join`: a job on the stack of the worker that will wait for it.
//!
//! # Who may touch what, and when
//!
//! ```text
//!   bit 0      DONE     the result is stored          set by the thief, once
//!   bit 1      PARKED   the owner sleeps              set by the owner, once
//!   bit 2      PASSED   the thief may not run it      set by the thief, once, instead of THIEF
//!   bits 3..   THIEF    the thief's index plus one    set by the thief, once, before it runs the half
//! ```
//!
//! 1. The owner pushes the half to its deque and pops it again, or takes it back, before its frame ends. If it got it so, no
//!    thief has it or will get it: the closure is the owner's.
//! 2. If it was stolen, the closure and the result are the thief's until DONE, and the owner's from DONE on.
//! 3. The thief does not touch the half after it set DONE: the owner's frame may be gone. It unparks the owner through the
//!    pool's beds, which outlive both.
//!
//! 4. A half that its thief may not run (`join.rs`) is **passed on**: it goes to a list at the seat of its owner, and a ticket for it into the
//!    injector. Whoever takes it out of the list is its thief from then on: who runs the ticket, or the owner, which may hold a
//!    lock that all others wait for and so must not depend on them. PASSED is set under the lock of the list, together with the
//!    entry; so it is set before anybody else can have the half.
//!
//! # Why no wake-up is lost
//!
//! DONE and PARKED are set by read-modify-write operations on one word, so one of them comes second and sees the other:
//!
//! ```text
//!   thief                              owner
//!   result = …                         old = state.fetch_or(PARKED)
//!   old = state.fetch_or(DONE)         old has DONE? go on
//!   old has PARKED? unpark the owner   while not DONE: park
//! ```
//!
//! The same holds for PASSED in the place of DONE, with the list in the place of the result.

use crate::sync::{AtomicU32, Ordering, UnsafeCell};
use std::{
    mem::{ManuallyDrop, MaybeUninit},
    panic::{self, AssertUnwindSafe},
    ptr::NonNull,
    thread,
};

const DONE: u32 = 1 << 0;
const PARKED: u32 = 1 << 1;
const PASSED: u32 = 1 << 2;
const THIEF_SHIFT: u32 = 3;

/// The part of a half that does not depend on its types. A deque of halves holds pointers to it.
#[repr(C)]
pub(crate) struct StackJobHeader {
    /// Runs the closure and stores the result. Called once, by the thief.
    pub(crate) run: unsafe fn(NonNull<StackJobHeader>),
    state: StackJobState,
}

/// The state word. See the head of `half.rs`.
#[derive(Debug)]
pub struct StackJobState(AtomicU32);

impl StackJobState {
    /// Not stolen, as far as one knows here.
    #[inline(always)]
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Says who stole the half.
    pub fn taken_by(&self, thief: usize) {
        // Relaxed: a hint for where to help.
        self.0.fetch_or((thief as u32 + 1) << THIEF_SHIFT, Ordering::Relaxed);
    }

    /// Who stole it, once that is known.
    pub fn thief(&self) -> Option<usize> {
        (self.0.load(Ordering::Relaxed) >> THIEF_SHIFT).checked_sub(1).map(|thief| thief as usize)
    }

    /// Publishes the result. True if the owner has to be unparked. The half may be gone when this returns, which is why this takes a pointer.
    ///
    /// # Safety
    ///
    /// The half is there until it is done, and the caller is its thief, who calls this once.
    #[must_use = "if it says so, the owner has to be unparked"]
    pub unsafe fn finish(this: NonNull<Self>) -> bool {
        // SAFETY: it is not done before this operation (rule 2).
        let state = unsafe { &(*this.as_ptr()).0 };
        // Release publishes the result; Acquire is not needed: PARKED publishes nothing.
        state.fetch_or(DONE, Ordering::Release) & PARKED != 0
    }

    /// Whether the result is there.
    pub fn is_done(&self) -> bool {
        // Acquire pairs with `finish`.
        self.0.load(Ordering::Acquire) & DONE != 0
    }

    /// Says that it lies in the list of its owner's seat. True if the owner has to be unparked.
    #[must_use = "if it says so, the owner has to be unparked"]
    pub fn pass_on(&self) -> bool {
        // Relaxed: the list has a lock.
        self.0.fetch_or(PASSED, Ordering::Relaxed) & PARKED != 0
    }

    /// Whether it lies in the list, or lay there.
    pub fn is_passed_on(&self) -> bool {
        // Relaxed: as above.
        self.0.load(Ordering::Relaxed) & PASSED != 0
    }

    /// Says that the owner will park, which then looks at all of this once more.
    pub fn begin_park(&self) {
        // Relaxed: the loads that follow in the same word acquire.
        self.0.fetch_or(PARKED, Ordering::Relaxed);
    }
}

impl StackJobHeader {
    pub(crate) fn state(&self) -> &StackJobState {
        &self.state
    }
}

/// A half with its closure and the place for its result.
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
        // The pointer must be good for the whole half, so it is made from the half, not from its field.
        NonNull::from(self).cast()
    }

    pub(crate) fn state(&self) -> &StackJobState {
        &self.header.state
    }

    /// Runs the half on its owner's thread.
    ///
    /// # Safety
    ///
    /// The half was popped from its deque or taken back, and this is called once.
    #[inline(always)]
    pub(crate) unsafe fn run_here(&self) -> R {
        // SAFETY: no thief has the half, so the closure is the owner's, and it is taken once (rule 1).
        let work = self.work.with_mut(|work| unsafe { work.read() });
        ManuallyDrop::into_inner(work)()
    }

    /// Takes the thief's result.
    ///
    /// # Safety
    ///
    /// The half was stolen, its state is done, and this is called once.
    pub(crate) unsafe fn take_result(&self) -> thread::Result<R> {
        self.result.with_mut(|result| {
            // SAFETY: DONE was seen, so the result is the owner's (rule 2).
            let result = unsafe { &*result };
            // SAFETY: the thief stored it before DONE, and it is read once.
            unsafe { result.assume_init_read() }
        })
    }

    /// # Safety
    ///
    /// The half was stolen by the caller, who calls this once, before it says that the half is done.
    unsafe fn run_stolen(header: NonNull<StackJobHeader>) {
        let stack_job = header.cast::<Self>();
        // SAFETY: the owner keeps the half until DONE (rules 1 and 2), which only our caller sets, later.
        let stack_job = unsafe { stack_job.as_ref() };
        // SAFETY: the thief has the closure, and takes it once (rule 2).
        let work = stack_job.work.with_mut(|work| unsafe { work.read() });
        let result = panic::catch_unwind(AssertUnwindSafe(ManuallyDrop::into_inner(work)));
        // SAFETY: the result is the thief's until DONE (rule 2).
        stack_job.result.with_mut(|place| unsafe { place.write(MaybeUninit::new(result)) });
    }
}
