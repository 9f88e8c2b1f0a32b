//! The second half of a `join`: a job on the stack of the worker that will wait for it.
//!
//! # Who may touch what, and when
//!
//! ```text
//!   bit 0      DONE     the result is stored          set by the thief, once
//!   bit 1      PARKED   the owner sleeps until DONE   set by the owner, once
//!   bits 2..   THIEF    the thief's index plus one    set by the thief, once, before it runs the half
//! ```
//!
//! 1. The owner pushes the half to its deque and pops it again, or takes it back, before its frame ends. If it got it so, no
//!    thief has it or will get it: the closure is the owner's.
//! 2. If it was stolen, the closure and the result are the thief's until DONE, and the owner's from DONE on.
//! 3. The thief does not touch the half after it set DONE: the owner's frame may be gone. It unparks the owner through the
//!    pool's beds, which outlive both.
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

use crate::{
    blocks, current,
    job::{Header, JobRef, Verbs},
    sync::{AtomicU32, Ordering, UnsafeCell},
    worker::Worker,
};
use std::{
    mem::{ManuallyDrop, MaybeUninit},
    panic::{self, AssertUnwindSafe},
    ptr::NonNull,
    thread,
};

const DONE: u32 = 1 << 0;
const PARKED: u32 = 1 << 1;
const THIEF_SHIFT: u32 = 2;

/// The part of a half that does not depend on its types. A deque of halves holds pointers to it.
#[repr(C)]
pub(crate) struct HalfHeader {
    /// Runs the closure and stores the result. Called once, by the thief.
    run: unsafe fn(NonNull<HalfHeader>),
    state: HalfState,
}

/// The state word. See the head of `half.rs`.
#[derive(Debug)]
pub struct HalfState(AtomicU32);

impl HalfState {
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

    /// Publishes the result. True if the owner has to be unparked. The half may be gone when this returns.
    #[must_use = "if it says so, the owner has to be unparked"]
    pub fn finish(&self) -> bool {
        // Release publishes the result; Acquire is not needed: PARKED publishes nothing.
        self.0.fetch_or(DONE, Ordering::Release) & PARKED != 0
    }

    /// Whether the result is there.
    pub fn is_done(&self) -> bool {
        // Acquire pairs with `finish`.
        self.0.load(Ordering::Acquire) & DONE != 0
    }

    /// Says that the owner will park. False if the result came first.
    #[must_use = "if the result came first, nobody will unpark the owner"]
    pub fn begin_park(&self) -> bool {
        // Acquire pairs with `finish` if that came first.
        self.0.fetch_or(PARKED, Ordering::Acquire) & DONE == 0
    }
}

impl HalfHeader {
    pub(crate) fn state(&self) -> &HalfState {
        &self.state
    }
}

/// A half with its closure and the place for its result.
#[repr(C)]
pub(crate) struct Half<F, R> {
    header: HalfHeader,
    work: UnsafeCell<ManuallyDrop<F>>,
    result: UnsafeCell<MaybeUninit<thread::Result<R>>>,
}

impl<F: FnOnce() -> R, R> Half<F, R> {
    #[inline(always)]
    pub(crate) fn new(work: F) -> Self {
        Self {
            header: HalfHeader { run: Self::run_stolen, state: HalfState::new() },
            work: UnsafeCell::new(ManuallyDrop::new(work)),
            result: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    #[inline(always)]
    pub(crate) fn header(&self) -> NonNull<HalfHeader> {
        // The pointer must be good for the whole half, so it is made from the half, not from its field.
        NonNull::from(self).cast()
    }

    pub(crate) fn state(&self) -> &HalfState {
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
    unsafe fn run_stolen(header: NonNull<HalfHeader>) {
        let half = header.cast::<Self>();
        // SAFETY: the owner keeps the half until DONE (rules 1 and 2), which only our caller sets, later.
        let half = unsafe { half.as_ref() };
        // SAFETY: the thief has the closure, and takes it once (rule 2).
        let work = half.work.with_mut(|work| unsafe { work.read() });
        let result = panic::catch_unwind(AssertUnwindSafe(ManuallyDrop::into_inner(work)));
        // SAFETY: the result is the thief's until DONE (rule 2).
        half.result.with_mut(|place| unsafe { place.write(MaybeUninit::new(result)) });
    }
}

/// A half that was stolen: the thief's duty to run it.
pub(crate) struct Stolen {
    half: NonNull<HalfHeader>,
    victim: usize,
}

impl Stolen {
    /// # Safety
    ///
    /// The half came out of the deque of the worker `victim`, or was on offer there, just now, and is given to nobody else.
    pub(crate) unsafe fn new(half: NonNull<HalfHeader>, victim: usize) -> Self {
        Self { half, victim }
    }

    /// Runs the half and tells its owner.
    pub(crate) fn run(self, thief: &Worker) {
        // SAFETY: the owner keeps the half until DONE (rule 2).
        let header = unsafe { self.half.as_ref() };
        header.state().taken_by(thief.index);
        // SAFETY: the half was stolen by us, and `self` is used up.
        unsafe { (header.run)(self.half) };
        // The last access to the half (rule 3).
        if header.state().finish() {
            thief.crew.sleep.unpark(self.victim);
        }
    }
}

/// A half whose thief may not run it, on its way to somebody who may.
#[repr(C)]
struct PassedOn {
    header: Header,
    half: Stolen,
}

impl Stolen {
    /// Makes a job of it, for a worker that waits for nothing.
    pub(crate) fn into_job(self) -> JobRef {
        let job = blocks::put(PassedOn { header: Header::new(&PassedOn::VERBS), half: self });
        // SAFETY: the header is the first field; a half is made to be run elsewhere (`join` asks that its closure and its result
        // are Send), and this block lives until a verb takes it.
        unsafe { JobRef::from_raw(job.cast()) }
    }
}

impl PassedOn {
    /// Somebody waits for it, so it cannot be discarded: it is run.
    const VERBS: Verbs = Verbs { run: Self::run, discard: Self::run_instead };

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
        // SAFETY: it was put there by `into_job`, and its verb is called once.
        let Self { half, .. } = unsafe { blocks::take(job.cast::<Self>()) };
        current::with(|worker| {
            half.run(worker.expect("a pool whose worker waits for a half runs all its jobs"))
        });
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_half_that_is_passed_on_is_run_by_somebody_else() {
        let pool = crate::Pool::builder().threads(1).build().unwrap();
        let ours = thread::current().id();
        let half = Half::new(|| thread::current().id() != ours);
        // SAFETY: it is in no deque, and nobody else has it.
        let stolen = unsafe { Stolen::new(half.header(), 0) };
        pool.crew.inject(stolen.into_job());
        while !half.state().is_done() {
            thread::yield_now();
        }
        // SAFETY: it is done, and the result is taken once.
        assert!(unsafe { half.take_result() }.unwrap());
    }
}
