//! The waiting side: a future that can also be joined by a thread.
//!
//! A [`JoinHandle`] owns one reference to whatever the executor allocated for the work: an `Arc` ([`JoinHandle::from_arc`]),
//! or an allocation that counts its references itself ([`JoinHandle::from_raw`]). Either way the slot lies inside the
//! executor's own allocation, so that spawning costs one allocation and not two.

use crate::{
    JoinError, Lost, Place, budget,
    cancel_handle::{CancelHandle, CancelVerbs},
    contain,
    signal::{Heir, Signal},
    wait,
};
use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    ptr::NonNull,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

/// What an executor's allocation offers to the handle that joins it.
///
/// It cannot be implemented by safe code, since a handle reads the place when the signal says so:
///
/// ```compile_fail,E0200
/// use brigade_handle::{Place, Rendezvous, Signal, Slot};
///
/// struct Work(Slot<u32>);
/// impl Rendezvous<u32> for Work {
///     fn signal(&self) -> &Signal {
///         self.0.signal()
///     }
///     fn place(&self) -> Place<'_, u32> {
///         self.0.place()
///     }
///     fn cancel(&self) {}
/// }
/// ```
///
/// # Safety
///
/// 1. `signal` gives the same signal each time, and `place` the place in which that signal's completer stores the result: both of one
///    [`Slot`](crate::Slot), as a rule.
/// 2. The result stays there until the handle takes it, and nobody else touches it from when the signal was completed, unless the signal
///    made the completer its [`Heir`].
/// 3. Whoever completes the signal has a reference to the allocation of its own until that call has returned: the handle gives up its
///    own as soon as it sees the result.
pub unsafe trait Rendezvous<T>: Send + Sync {
    /// How far the work and the handle are: as a rule the [`signal`](crate::Slot::signal) of a slot.
    fn signal(&self) -> &Signal;

    /// Where the result is: as a rule the [`place`](crate::Slot::place) of a slot. Asked for when the signal says that it is there.
    fn place(&self) -> Place<'_, T>;

    /// Asks the work to end early. Its slot is then completed with [`JoinError::Cancelled`], unless the work has ended
    /// or can no longer be stopped.
    fn cancel(&self);

    /// Runs the work on the calling thread if it has not been started. True if it ran. Called by
    /// [`JoinHandle::join`], [`as_completed`](crate::as_completed) and [`wait_for`](crate::wait_for) on threads whose policy is [`wait::Policy::Help`].
    fn help(&self) -> bool {
        false
    }

    /// Looks after the work for a few microseconds, since a thread that would else sleep waits for it: an executor whose
    /// answers have to be fetched fetches them here. Called by [`JoinHandle::join`] before it parks.
    fn attend(&self) {}
}

/// What an allocation offers that counts its own references, so that a handle is made of it by [`JoinHandle::from_raw`].
///
/// # Safety
///
/// The verbs are as [`CancelHandle::from_raw`] demands for the address of `self`, for as long as the caller has a reference.
pub unsafe trait Counted<T>: Rendezvous<T> {
    /// What a [`CancelHandle`] does with the allocation, whose address is its target.
    fn cancel_verbs(&self) -> &'static CancelVerbs;
}

/// What lies in an `Arc`, which counts the references.
#[repr(transparent)]
struct InArc<R>(R);

impl<R> InArc<R> {
    /// Another reference.
    ///
    /// # Safety
    ///
    /// The pointer is that of an `Arc<R>`, of which the caller has a reference.
    unsafe fn retain(target: NonNull<()>) {
        // SAFETY: as the caller says.
        unsafe { Arc::increment_strong_count(target.cast::<R>().as_ptr()) };
    }

    /// One reference less.
    ///
    /// # Safety
    ///
    /// As for [`Release`], and the pointer is that of an `Arc<R>`.
    unsafe fn release(target: NonNull<()>) {
        // SAFETY: the pointer is an Arc's, and it is this reference that is given back.
        drop(unsafe { Arc::from_raw(target.cast::<R>().as_ptr()) });
    }

    /// # Safety
    ///
    /// As for `retain`.
    unsafe fn cancel<T>(target: NonNull<()>)
    where
        R: Rendezvous<T>,
    {
        // SAFETY: the caller's reference keeps it alive.
        unsafe { target.cast::<R>().as_ref() }.cancel();
    }

    /// # Safety
    ///
    /// As for `retain`.
    unsafe fn is_finished<T>(target: NonNull<()>) -> bool
    where
        R: Rendezvous<T>,
    {
        // SAFETY: as in `cancel`.
        unsafe { target.cast::<R>().as_ref() }.signal().is_finished()
    }
}

// SAFETY: whoever implemented it for `R` answers for the rules, and this hands them on.
unsafe impl<T, R: Rendezvous<T>> Rendezvous<T> for InArc<R> {
    fn signal(&self) -> &Signal {
        self.0.signal()
    }

    fn place(&self) -> Place<'_, T> {
        self.0.place()
    }

    fn cancel(&self) {
        self.0.cancel();
    }

    fn help(&self) -> bool {
        self.0.help()
    }

    fn attend(&self) {
        self.0.attend();
    }
}

// SAFETY: an `InArc` lies in an Arc and nowhere else (`from_arc`), whose references the verbs count.
unsafe impl<T, R: Rendezvous<T>> Counted<T> for InArc<R> {
    fn cancel_verbs(&self) -> &'static CancelVerbs {
        &CancelVerbs {
            cancel: Self::cancel::<T>,
            is_finished: Self::is_finished::<T>,
            retain: Self::retain,
            release: Self::release,
        }
    }
}

/// Gives back one reference to the allocation that a handle was made from.
///
/// # Safety
///
/// The pointer is the one that the handle was made from, and the reference is given back once.
pub type Release = unsafe fn(NonNull<()>);

/// Waits for spawned work: `.await` it on any executor, or [`join`](Self::join) it from a thread.
///
/// Dropping the handle *detaches*: the work goes on, and its result is dropped when it is there. If the result's destructor panics then, nobody
/// hears of it.
///
/// # Deadlocks
///
/// Work that joins a handle waits for it, whatever it needs itself. So two jobs that join each other's handles wait for ever, and so does a job that
/// joins its own; on a pool of one thread as on one of many. Nobody tells: the threads are parked, and use no CPU. To see such a ring, look
/// at the stacks of the threads in a debugger, where each stands in `JoinHandle::join`; or record a trace, which ends with a `Park` of each
/// worker without an `Unpark`. A job that needs what another has waits for a value and not for the other's end: a channel, or a lock of
/// `brigade_pool::lock`, which does tell of a ring.
///
/// # In a forked child
///
/// The executor that has the work is the parent's. A result that was there before the fork is there in the child, too; where the handle would
/// have to wait, it gives [`Lost::Forked`].
///
/// # Cancellation
///
/// Dropping a future that awaits the handle loses nothing as long as the handle itself lives: `(&mut handle).await` may be
/// dropped and awaited again. [`cancel`](Self::cancel) is something else: it ends the work.
#[must_use = "dropping the handle detaches the work; say `drop(handle)` if that is meant"]
pub struct JoinHandle<T> {
    target: NonNull<dyn Counted<T>>,
    release: Release,
    /// Whether the result has been given out.
    taken: bool,
    // A mutex is Send and Sync exactly where a handle should be: when T is Send.
    _value: PhantomData<Mutex<T>>,
}

// SAFETY: the target is Send and Sync (supertraits of `Rendezvous`); what else moves with the handle is the result.
unsafe impl<T: Send> Send for JoinHandle<T> {}
// SAFETY: by `&JoinHandle` one can only ask and cancel, which the target, being Sync, allows from any thread.
unsafe impl<T: Send> Sync for JoinHandle<T> {}

impl<T> Unpin for JoinHandle<T> {}

impl<T> JoinHandle<T> {
    /// Makes the handle of a shared allocation.
    ///
    /// # Panics
    ///
    /// If its slot has a joiner already.
    pub fn from_arc<R: Rendezvous<T> + 'static>(target: Arc<R>) -> Self {
        assert!(target.signal().claim_joiner(), "a slot has one joiner, and this one had its own already");
        // `InArc` is laid out as what it holds.
        let target: *const dyn Counted<T> = Arc::into_raw(target).cast::<InArc<R>>();
        let target = NonNull::new(target.cast_mut()).expect("an Arc's pointer is never null");
        // SAFETY: the Arc's reference keeps the target alive until it is released, and `claim_joiner` was true.
        unsafe { Self::from_raw(target, InArc::<R>::release) }
    }

    /// Makes a handle that owns one reference to an allocation which counts its own references.
    ///
    /// # Safety
    ///
    /// The target stays valid, and may be shared with the thread that holds the handle, until the handle calls `release`
    /// with the target's address. The handle is the only joiner of the target's signal, which was made by
    /// [`Signal::joined`], or [`Slot::joined`](crate::Slot::joined).
    #[inline]
    pub unsafe fn from_raw(target: NonNull<dyn Counted<T>>, release: Release) -> Self {
        Self { target, release, taken: false, _value: PhantomData }
    }

    #[inline]
    fn target(&self) -> &dyn Counted<T> {
        // SAFETY: the reference that the handle owns keeps the target alive until `drop`.
        unsafe { self.target.as_ref() }
    }

    /// Whether the work has ended, so that joining would not wait.
    pub fn is_finished(&self) -> bool {
        self.taken || self.target().signal().is_finished()
    }

    /// Asks the work to end early; it then ends with [`JoinError::Cancelled`].
    ///
    /// A task is dropped at its next suspension at the latest; a job or a call is removed if it is still queued, and runs
    /// to its end if it is not. The handle still gives the result, whichever it is. Does nothing if the work has ended.
    pub fn cancel(&self) {
        self.target().cancel();
    }

    /// A handle that can [`cancel`](Self::cancel) the work and does not own its result: to be cloned, and sent to other threads,
    /// while this one is awaited.
    #[must_use = "dropping it does nothing"]
    pub fn cancel_handle(&self) -> CancelHandle {
        let (target, verbs) = (self.target.cast(), self.target().cancel_verbs());
        // SAFETY: the reference that this handle owns keeps the target alive; the new one is the new handle's.
        unsafe { (verbs.retain)(target) };
        // SAFETY: it has a reference of its own, and whoever implemented `Counted` answers for the verbs.
        unsafe { CancelHandle::from_raw(target, verbs) }
    }

    /// Waits for the result on this thread.
    ///
    /// An ordinary thread parks. A worker of the pool first helps: if the work waits in a queue, it runs it here. On a
    /// worker of an async executor waiting would stop every task that the worker runs, so there it is refused.
    ///
    /// # Errors
    ///
    /// [`JoinError`] if the work panicked, was cancelled or lost.
    ///
    /// # Panics
    ///
    /// On a thread whose [policy](wait::Policy) forbids blocking: use `.await` there. Also if an earlier `.await` has
    /// taken the result already.
    pub fn join(mut self) -> Result<T, JoinError> {
        wait::assert_allowed("JoinHandle::join");
        self.help();
        if !self.is_finished() {
            self.target().attend();
        }
        if self.is_finished() {
            return self.take();
        }
        wait::block("JoinHandle::join", |waker| self.poll_join(waker))
    }

    /// Takes the result.
    ///
    /// # Panics
    ///
    /// If it has been taken already.
    fn take(&mut self) -> Result<T, JoinError> {
        match self.poll_join(Waker::noop()) {
            Poll::Ready(result) => result,
            Poll::Pending => unreachable!("it is finished, so the result is there"),
        }
    }

    /// On a worker that helps: runs the work here if it waits in a queue. True if it ran.
    pub(crate) fn help(&self) -> bool {
        matches!(wait::policy(), wait::Policy::Help(_)) && !self.is_finished() && self.target().help()
    }

    /// Takes the result, or has `waker` woken when it is there.
    ///
    /// # Panics
    ///
    /// If the result has been taken already.
    #[inline]
    pub fn poll_join(&mut self, waker: &Waker) -> Poll<Result<T, JoinError>> {
        self.poll_if(waker, || true)
    }

    /// [`poll_join`](Self::poll_join), which takes a result that is there only if `may_take` says so.
    #[inline]
    fn poll_if(&mut self, waker: &Waker, may_take: impl FnOnce() -> bool) -> Poll<Result<T, JoinError>> {
        assert!(!self.taken, "a JoinHandle gives its result once, and this one has given it");
        let signal = self.target().signal();
        // SAFETY: `&mut self` is the only joiner, it has not detached, and the result has not been taken.
        if !unsafe { signal.poll(waker) } {
            if signal.is_from_before_a_fork() {
                return self.give_up();
            }
            return Poll::Pending;
        }
        if !may_take() {
            return Poll::Pending;
        }
        self.taken = true;
        // SAFETY: the signal has just said that the value is there, and `taken` lets this happen once.
        Poll::Ready(unsafe { self.target().place().take() })
    }

    /// Waits no longer, in a forked child, where nobody completes what the parent's executor has.
    #[cold]
    fn give_up(&mut self) -> Poll<Result<T, JoinError>> {
        self.taken = true;
        // SAFETY: `&mut self` is the only joiner, and `taken` lets this be the last it does with the signal.
        let heir = unsafe { self.target().signal().detach() };
        Poll::Ready(match heir {
            Heir::Completer => Err(JoinError::Lost(Lost::Forked)),
            // SAFETY: the result is there, and the joiner's: this very thread has completed it meanwhile.
            Heir::Joiner => unsafe { self.target().place().take() },
        })
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_if(cx.waker(), || budget::take(cx.waker()))
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        /// Releases even if dropping the result panics.
        struct Reference(NonNull<()>, Release);
        impl Drop for Reference {
            fn drop(&mut self) {
                // SAFETY: this is the target's address, and a handle drops once.
                unsafe { (self.1)(self.0) };
            }
        }
        let _reference = Reference(self.target.cast(), self.release);
        if !self.taken {
            // SAFETY: the handle is the only joiner, and this is the last it does with the signal.
            if unsafe { self.target().signal().detach() } == Heir::Joiner {
                // SAFETY: the result came first, so it is the joiner's, who has not taken it.
                let result = unsafe { self.target().place().take() };
                // Whether it came first is chance: so a destructor that panics has nobody to tell either way.
                contain(|| drop(result));
            }
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("finished", &self.is_finished()).finish_non_exhaustive()
    }
}
