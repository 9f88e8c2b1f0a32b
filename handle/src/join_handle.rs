//! The waiting side: a future that a thread can also join.
//!
//! Awaiting and joining are the same poll of the signal. They differ in the waker: an await registers the
//! waker of a task, and a join registers the waker of a parked thread.
//!
//! A [`JoinHandle`] owns one reference to the executor's allocation for the work: an `Arc`
//! ([`JoinHandle::from_arc`]), or an allocation that counts its references itself
//! ([`JoinHandle::from_raw`]). Either way the signal and the place of the result lie inside the executor's
//! own allocation, so spawning costs one allocation and not two.
//!
//! Long: each method has its example here, and all share the rules of one slot.

use crate::{
    Id, JoinError, Lost, budget,
    cancel_handle::CancelHandle,
    contain, note_unseen,
    observe::{self, WaitOutcome},
    rendezvous::{Counted, InArc, Release, Rendezvous},
    signal::Heir,
    wait,
};
use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    panic::{Location, RefUnwindSafe, UnwindSafe},
    pin::Pin,
    ptr::NonNull,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

/// Waits for spawned work: `.await` it on any executor, or [`join`](Self::join) it from a thread.
///
/// Dropping the handle *detaches*: the work goes on, and its result is dropped when it is there. If the
/// result's destructor panics then, the panic is ignored.
///
/// ```
/// let (completer, mut handle) = brigade_handle::pair::<u32>();
/// assert!(!handle.is_finished());
/// completer.complete(Ok(42));
/// assert_eq!(handle.join().unwrap(), 42);
/// ```
///
/// # Deadlocks
///
/// Work that joins a handle waits for it, whatever else it needs. So two jobs that join each other's
/// handles wait for ever, and so does a job that joins its own, on a pool of one thread as on a pool of
/// many. No error reports it: the threads are parked, and use no CPU. To find such a cycle, look at the
/// stacks of the threads in a debugger, where each is in `JoinHandle::join`. Or record a trace, which
/// ends with a `Park` of each worker without an `Unpark`. A job that needs something another job has
/// should wait for the value and not for the other job's end: through a channel, or a lock of
/// `brigade_pool::lock`, which does report such a cycle.
///
/// # In a forked child
///
/// The executor that has the work is the parent's. A result that was there before the fork is there in
/// the child, too. Where the handle would have to wait, it returns [`Lost::Forked`].
///
/// # Cancellation
///
/// Dropping a future that awaits the handle loses nothing as long as the handle itself lives: `(&mut
/// handle).await` may be dropped and awaited again. [`cancel`](Self::cancel) is different: it ends the
/// work.
#[doc(alias("Future", "AsyncResult"))]
#[must_use = "dropping the handle detaches the work; say `drop(handle)` if that is meant"]
pub struct JoinHandle<T> {
    target: NonNull<dyn Counted<T>>,
    release: Release,
    progress: Progress,
    // A mutex is Send and Sync exactly where a handle should be: when T is Send.
    _value: PhantomData<Mutex<T>>,
}

/// How far a handle is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// It has its result still to give, and no trace knows of a wait.
    Fresh,
    /// As above, and a trace knows of a wait.
    Recorded,
    /// It has returned its result.
    Taken,
}

// SAFETY: the target is Send and Sync (supertraits of `Rendezvous`); the result moves with the handle.
unsafe impl<T: Send> Send for JoinHandle<T> {}
// SAFETY: `&JoinHandle` only allows asking and cancelling, which the target, being Sync, allows from any
// thread.
unsafe impl<T: Send> Sync for JoinHandle<T> {}

impl<T> Unpin for JoinHandle<T> {}

// A panic of the work is a result, and a panic of this side leaves the handle with or without its result,
// never in between. So a handle is as good after `catch_unwind` as before.
impl<T> UnwindSafe for JoinHandle<T> {}
impl<T> RefUnwindSafe for JoinHandle<T> {}

impl<T> JoinHandle<T> {
    /// Makes the handle of a shared allocation.
    ///
    /// # Panics
    ///
    /// Panics if its slot has a joiner already.
    #[track_caller]
    pub fn from_arc<R: Rendezvous<T> + 'static>(target: Arc<R>) -> Self {
        assert!(target.signal().claim_joiner(), "a slot has one joiner, and this one had its own already");
        // `InArc` has the layout of its content.
        let target: *const dyn Counted<T> = Arc::into_raw(target).cast::<InArc<R>>();
        let target = NonNull::new(target.cast_mut()).expect("an Arc's pointer is never null");
        // SAFETY: the Arc's reference keeps the target alive until it is released, and `claim_joiner` was
        // true.
        unsafe { Self::from_raw(target, InArc::<R>::release) }
    }

    /// Makes a handle that owns one reference to an allocation which counts its own references.
    ///
    /// # Safety
    ///
    /// The target stays valid, and may be shared with the thread that holds the handle, until the handle
    /// calls `release` with the target's address. The handle is the only joiner of the target's signal,
    /// which was made by [`Signal::joined`](crate::Signal::joined) or [`Slot::joined`](crate::Slot::joined).
    #[inline]
    pub unsafe fn from_raw(target: NonNull<dyn Counted<T>>, release: Release) -> Self {
        Self { target, release, progress: Progress::Fresh, _value: PhantomData }
    }

    #[inline]
    pub(crate) fn target(&self) -> &dyn Counted<T> {
        // SAFETY: the reference that the handle owns keeps the target alive until `drop`.
        unsafe { self.target.as_ref() }
    }

    /// Returns whether the work has ended, so that joining would not wait.
    ///
    /// ```
    /// let (completer, handle) = brigade_handle::pair();
    /// assert!(!handle.is_finished());
    /// completer.complete(Ok("served"));
    /// assert!(handle.is_finished());
    /// ```
    #[doc(alias("done", "ready"))]
    pub fn is_finished(&self) -> bool {
        self.is_taken() || self.target().signal().is_finished()
    }

    /// Returns the work's id, by which a trace and the [errors](JoinError::subject) of the work name it. It
    /// is [`Id::NONE`] if no trace recorded when the work was spawned: drawing an id would cost each spawn
    /// an atomic operation.
    ///
    /// ```
    /// let (_completer, handle) = brigade_handle::pair::<u32>();
    /// // No executor has spawned this.
    /// assert_eq!(handle.id(), brigade_handle::Id::NONE);
    /// ```
    pub fn id(&self) -> Id {
        self.target().id()
    }

    /// Asks the work to end early; it then ends with [`JoinError::Cancelled`].
    ///
    /// A task is dropped at its next suspension at the latest. A job or a call is removed if it is still
    /// queued, and runs to its end if it is not. The handle still returns the result, whichever it is.
    /// This does nothing if the work has ended.
    ///
    /// ```
    /// use brigade_handle::JoinError;
    ///
    /// let (completer, handle) = brigade_handle::pair::<u32>();
    /// handle.cancel();
    /// assert!(!completer.complete(Ok(7)));
    /// assert!(matches!(handle.join(), Err(JoinError::Cancelled(_))));
    /// ```
    #[doc(alias = "abort")]
    pub fn cancel(&self) {
        self.target().cancel();
    }

    /// Returns a handle that can [`cancel`](Self::cancel) the work and does not own its result. It can be
    /// cloned, and sent to other threads, while this handle is awaited.
    ///
    /// ```
    /// let (_completer, handle) = brigade_handle::pair::<u32>();
    /// let cancel = handle.cancel_handle();
    /// std::thread::spawn(move || cancel.cancel());
    /// assert!(handle.join().is_err());
    /// ```
    #[doc(alias = "abort_handle")]
    #[must_use = "dropping it does nothing"]
    pub fn cancel_handle(&self) -> CancelHandle {
        let (target, verbs) = (self.target.cast(), self.target().cancel_verbs());
        // SAFETY: the reference that this handle owns keeps the target alive; the new reference belongs
        // to the new handle.
        unsafe { (verbs.retain)(target) };
        // SAFETY: it has a reference of its own, and the implementation of `Counted` guarantees the rules
        // of the verbs.
        unsafe { CancelHandle::from_raw(target, verbs) }
    }

    /// Waits for the result on this thread.
    ///
    /// An ordinary thread parks. A worker of the pool helps first: if the work waits in a queue, the
    /// worker runs it here. On a worker of an async executor, waiting would stop every task that the
    /// worker runs, so there it is refused.
    ///
    /// ```
    /// let (completer, handle) = brigade_handle::pair();
    /// std::thread::spawn(move || completer.complete(Ok("served")));
    /// assert_eq!(handle.join().unwrap(), "served");
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`JoinError::Panicked`] if the work panicked, [`JoinError::Cancelled`] if it was
    /// cancelled, and [`JoinError::Lost`] if its result was lost.
    ///
    /// # Panics
    ///
    /// Panics on a thread whose [policy](wait::Policy) forbids blocking: use `.await` there. Panics if an
    /// earlier `.await` has taken the result already.
    #[doc(alias("result", "get"))]
    #[track_caller]
    pub fn join(mut self) -> Result<T, JoinError> {
        wait::assert_allowed("JoinHandle::join");
        self.assert_untaken();
        self.help();
        if !self.is_finished() {
            self.target().attend();
        }
        if self.is_finished() {
            return self.take();
        }
        let _blocking = observe::blocking();
        self.begin_wait(None, Location::caller());
        wait::block("JoinHandle::join", |waker| self.poll_join(waker))
    }

    #[inline]
    fn is_taken(&self) -> bool {
        self.progress == Progress::Taken
    }

    /// Tells the trace that somebody waits for the work, if there is one.
    #[inline]
    fn begin_wait(&mut self, waker: Option<&Waker>, at: &'static Location<'static>) {
        if observe::on() {
            self.progress = Progress::Recorded;
            observe::join_begin(self.target.addr().get(), self.id(), waker, at);
        }
    }

    /// Marks the result as taken. A trace that knows of the wait hears of its end.
    #[inline]
    fn mark_taken(&mut self) {
        self.end_wait(WaitOutcome::Served);
        self.progress = Progress::Taken;
    }

    #[inline]
    fn end_wait(&self, outcome: WaitOutcome) {
        if self.progress == Progress::Recorded {
            observe::join_end(self.target.addr().get(), self.id(), outcome);
        }
    }

    /// Takes the result. Panics if it has been taken already.
    #[track_caller]
    fn take(&mut self) -> Result<T, JoinError> {
        match self.poll_join(Waker::noop()) {
            Poll::Ready(result) => result,
            Poll::Pending => unreachable!("it is finished, so the result is there"),
        }
    }

    /// Runs the work here if it waits in a queue and this thread is a worker that helps. Returns whether
    /// it ran.
    pub(crate) fn help(&self) -> bool {
        matches!(wait::policy(), wait::Policy::Help(_)) && !self.is_finished() && self.target().help()
    }

    /// Takes the result, or makes `waker` wake the caller when the result is there.
    ///
    /// ```
    /// use std::task::Waker;
    ///
    /// let (completer, mut handle) = brigade_handle::pair();
    /// assert!(handle.poll_join(Waker::noop()).is_pending());
    /// completer.complete(Ok(42));
    /// assert!(handle.poll_join(Waker::noop()).is_ready());
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if the result has been taken already.
    #[inline]
    #[track_caller]
    pub fn poll_join(&mut self, waker: &Waker) -> Poll<Result<T, JoinError>> {
        self.poll_if(waker, || true, Location::caller())
    }

    /// Polls as an await does, for a future that awaits the handle on behalf of others: a trace shows the
    /// wait at this place.
    ///
    /// ```
    /// use std::{panic::Location, task::{Context, Waker}};
    ///
    /// let (completer, mut handle) = brigade_handle::pair();
    /// completer.complete(Ok(42));
    /// let mut context = Context::from_waker(Waker::noop());
    /// assert!(handle.poll_at(&mut context, Location::caller()).is_ready());
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if the result has been taken already.
    #[inline]
    #[track_caller]
    pub fn poll_at(
        &mut self,
        cx: &mut Context<'_>,
        at: &'static Location<'static>,
    ) -> Poll<Result<T, JoinError>> {
        // An await spends from the budget of its task, so that a task that awaits one finished handle after
        // another still lets others run.
        self.poll_if(cx.waker(), || budget::take(cx.waker()), at)
    }

    #[inline]
    #[track_caller]
    pub(crate) fn assert_untaken(&self) {
        assert!(!self.is_taken(), "a JoinHandle gives its result once, and this one has given it");
    }

    /// Polls like [`poll_join`](Self::poll_join), but takes a stored result only if `may_take` returns true.
    /// A `may_take` that returns false has woken `waker`, so that the caller polls again.
    #[inline]
    #[track_caller]
    fn poll_if(
        &mut self,
        waker: &Waker,
        may_take: impl FnOnce() -> bool,
        at: &'static Location<'static>,
    ) -> Poll<Result<T, JoinError>> {
        self.assert_untaken();
        let signal = self.target().signal();
        // SAFETY: `&mut self` is the only joiner, it has not detached, and the result has not been taken.
        if !unsafe { signal.poll(waker) } {
            if signal.is_from_before_a_fork() {
                return self.give_up();
            }
            self.begin_wait(Some(waker), at);
            return Poll::Pending;
        }
        if !may_take() {
            return Poll::Pending;
        }
        self.mark_taken();
        // SAFETY: the signal has just said that the value is there, and `mark_taken` lets this happen once.
        Poll::Ready(unsafe { self.target().place().take() })
    }

    /// Stops waiting in a forked child, where no thread completes the work of the parent's executor.
    #[cold]
    fn give_up(&mut self) -> Poll<Result<T, JoinError>> {
        self.mark_taken();
        // SAFETY: `&mut self` is the only joiner, and `mark_taken` makes this its last access to the signal.
        let heir = unsafe { self.target().signal().detach() };
        Poll::Ready(match heir {
            Heir::Completer => Err(JoinError::lost(Lost::Forked)),
            // SAFETY: the result is there, and the joiner's: this very thread has completed it meanwhile.
            Heir::Joiner => unsafe { self.target().place().take() },
        })
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    #[inline]
    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_at(cx, Location::caller())
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        /// Releases the reference even if dropping the result panics.
        struct Reference(NonNull<()>, Release);
        impl Drop for Reference {
            fn drop(&mut self) {
                // SAFETY: this is the target's address, and a handle drops once.
                unsafe { (self.1)(self.0) };
            }
        }
        let _reference = Reference(self.target.cast(), self.release);
        if !self.is_taken() {
            self.end_wait(WaitOutcome::GivenUp);
            // SAFETY: the handle is the only joiner, and this is its last access to the signal.
            if unsafe { self.target().signal().detach() } == Heir::Joiner {
                // SAFETY: the result came first, so it is the joiner's, which has not taken it.
                let result = unsafe { self.target().place().take() };
                note_unseen(&result);
                // Which side drops the result is chance. So a panic of its destructor is ignored on
                // either side.
                contain(|| drop(result));
            }
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("JoinHandle");
        shown.field("id", &self.id()).field("finished", &self.is_finished()).finish_non_exhaustive()
    }
}
