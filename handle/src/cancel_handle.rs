//! The cancelling side: a reference to the work that can only end it early, and say whether it has ended.
//!
//! A [`CancelHandle`] owns a reference to the executor's allocation, as a
//! [`JoinHandle`](crate::JoinHandle) does, and never touches the result. So it is `Send` and `Sync`
//! whatever the result is, may be cloned, and delays only the freeing of that allocation. A `JoinHandle`
//! makes it on request; work without a cancel handle pays nothing.

use crate::Id;
use std::{fmt, ptr::NonNull};

/// The operations of a [`CancelHandle`] on the allocation that it was made from. Each of them gets the
/// handle's target.
#[derive(Debug)]
pub struct CancelVerbs {
    /// Asks the work to end early: `Rendezvous::cancel`. The caller has a reference.
    pub cancel: unsafe fn(NonNull<()>),
    /// Returns whether the work has ended. The caller has a reference.
    pub is_finished: unsafe fn(NonNull<()>) -> bool,
    /// Returns the id of the work: `Rendezvous::id`. The caller has a reference.
    pub id: unsafe fn(NonNull<()>) -> Id,
    /// Shows the state of the work, if it is of a kind that waits. The caller has a reference.
    pub look: Option<unsafe fn(NonNull<()>) -> Look>,
    /// Adds a reference. The caller has one.
    pub retain: unsafe fn(NonNull<()>),
    /// Gives back one reference, which is the caller's.
    pub release: unsafe fn(NonNull<()>),
}

/// The state of spawned work that waits, as others see it.
///
/// ```
/// let (_completer, handle) = brigade_handle::pair::<u32>();
/// // This is no task, which could wait.
/// assert_eq!(handle.cancel_handle().look(), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Whether it waits: it is neither in a queue nor running.
    pub is_idle: bool,
    /// How many references exist by which others could wake or cancel it: wakers, and cancel handles. The
    /// one that looks is among them.
    pub wakers: usize,
    /// Whether its [`JoinHandle`](crate::JoinHandle) exists, which could cancel it.
    pub has_handle: bool,
}

/// Cancels spawned work without owning its result.
/// [`JoinHandle::cancel_handle`](crate::JoinHandle::cancel_handle) makes it.
///
/// It can be cloned and sent to any thread, even if the result must not leave its thread. The work's
/// result, and everything that the work holds, are dropped when they would be without it. Only the memory
/// that they lay in is kept until the last of these handles is gone.
///
/// # Cancellation
///
/// Dropping the handle does nothing to the work.
///
/// ```
/// let (completer, handle) = brigade_handle::pair::<u32>();
/// let cancel = handle.cancel_handle();
/// std::thread::spawn(move || cancel.cancel()).join().unwrap();
/// assert!(completer.is_finished());
/// assert!(matches!(handle.join(), Err(brigade_handle::JoinError::Cancelled(_))));
/// ```
#[doc(alias = "AbortHandle")]
pub struct CancelHandle {
    target: NonNull<()>,
    verbs: &'static CancelVerbs,
}

// SAFETY: the handle only calls the verbs, which a caller of `from_raw` allows on any thread.
unsafe impl Send for CancelHandle {}
// SAFETY: as above.
unsafe impl Sync for CancelHandle {}

impl CancelHandle {
    /// Makes a handle that owns one reference to an allocation.
    ///
    /// # Safety
    ///
    /// The target stays valid until the handle, and all its clones, have called `release`, each once. Any
    /// thread may call any of the verbs with the target, `release` as well.
    #[inline]
    pub unsafe fn from_raw(target: NonNull<()>, verbs: &'static CancelVerbs) -> Self {
        Self { target, verbs }
    }

    /// Asks the work to end early, as [`JoinHandle::cancel`](crate::JoinHandle::cancel) does: its handle
    /// then returns [`JoinError::Cancelled`](crate::JoinError::Cancelled). This does nothing if the work
    /// has ended.
    ///
    /// ```
    /// let (_completer, handle) = brigade_handle::pair::<u32>();
    /// handle.cancel_handle().cancel();
    /// assert!(handle.join().is_err());
    /// ```
    pub fn cancel(&self) {
        // SAFETY: this handle's reference keeps the target alive.
        unsafe { (self.verbs.cancel)(self.target) };
    }

    /// Returns whether the work has ended: its result is there, or has been taken or dropped.
    ///
    /// ```
    /// let (completer, handle) = brigade_handle::pair();
    /// let cancel = handle.cancel_handle();
    /// assert!(!cancel.is_finished());
    /// completer.complete(Ok(42));
    /// assert!(cancel.is_finished());
    /// assert_eq!(handle.join().unwrap(), 42);
    /// ```
    pub fn is_finished(&self) -> bool {
        // SAFETY: as in `cancel`.
        unsafe { (self.verbs.is_finished)(self.target) }
    }

    /// Returns the work's id, as [`JoinHandle::id`](crate::JoinHandle::id) does.
    ///
    /// ```
    /// let (_completer, handle) = brigade_handle::pair::<u32>();
    /// assert_eq!(handle.cancel_handle().id(), handle.id());
    /// ```
    pub fn id(&self) -> Id {
        // SAFETY: as in `cancel`.
        unsafe { (self.verbs.id)(self.target) }
    }

    /// Returns whether a waker with this [data](std::task::Waker::data) belongs to the task.
    ///
    /// ```
    /// let (_completer, handle) = brigade_handle::pair::<u32>();
    /// assert!(!handle.cancel_handle().is_woken_by(std::ptr::null()));
    /// ```
    pub fn is_woken_by(&self, data: *const ()) -> bool {
        self.verbs.look.is_some() && self.target.as_ptr().cast_const() == data
    }

    /// Shows the state of a task. Other work is of no kind that waits to be woken: for it this is `None`.
    /// [`Look`] has an example.
    pub fn look(&self) -> Option<Look> {
        // SAFETY: as in `cancel`.
        self.verbs.look.map(|look| unsafe { look(self.target) })
    }
}

impl Clone for CancelHandle {
    fn clone(&self) -> Self {
        // SAFETY: as in `cancel`; the added reference belongs to the new handle.
        unsafe { (self.verbs.retain)(self.target) };
        Self { target: self.target, verbs: self.verbs }
    }
}

impl Drop for CancelHandle {
    fn drop(&mut self) {
        // SAFETY: this handle gives back its own reference, and drops once.
        unsafe { (self.verbs.release)(self.target) };
    }
}

impl fmt::Debug for CancelHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("CancelHandle");
        shown.field("id", &self.id()).field("finished", &self.is_finished()).finish_non_exhaustive()
    }
}
