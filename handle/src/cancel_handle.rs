//! The cancelling side: a reference to the work that can only end it early, and say whether it has ended.
//!
//! A [`CancelHandle`] owns a reference to the executor's allocation, as a [`JoinHandle`](crate::JoinHandle) does, and never touches the
//! result: so it is `Send` and `Sync` whatever the result is, may be cloned, and delays nothing but the freeing of that allocation. It
//! is made from a `JoinHandle` when somebody asks for it; who does not ask pays nothing.

use std::{fmt, ptr::NonNull};

/// What a [`CancelHandle`] does with the allocation that it was made from. Each is called with the handle's target.
#[derive(Debug)]
pub struct CancelVerbs {
    /// Asks the work to end early: `Rendezvous::cancel`. The caller has a reference.
    pub cancel: unsafe fn(NonNull<()>),
    /// Whether the work has ended. The caller has a reference.
    pub is_finished: unsafe fn(NonNull<()>) -> bool,
    /// Takes one more reference. The caller has one.
    pub retain: unsafe fn(NonNull<()>),
    /// Gives one reference back, which is the caller's.
    pub release: unsafe fn(NonNull<()>),
}

/// Cancels spawned work without owning its result: [`JoinHandle::cancel_handle`](crate::JoinHandle::cancel_handle) makes it.
///
/// It can be cloned and sent to any thread, also if the result may not leave its own. The work's result, and what the work holds, are
/// dropped when they would be without it; only the memory that they lay in is kept until the last of these handles is gone.
///
/// # Cancellation
///
/// Dropping it does nothing to the work.
///
/// ```
/// let (completer, handle) = brigade_handle::pair::<u32>();
/// let cancel = handle.cancel_handle();
/// std::thread::spawn(move || cancel.cancel()).join().unwrap();
/// assert!(completer.is_finished());
/// assert!(matches!(handle.join(), Err(brigade_handle::JoinError::Cancelled)));
/// ```
pub struct CancelHandle {
    target: NonNull<()>,
    verbs: &'static CancelVerbs,
}

// SAFETY: all that can be done by it are the verbs, which whoever calls `from_raw` allows any thread.
unsafe impl Send for CancelHandle {}
// SAFETY: as above.
unsafe impl Sync for CancelHandle {}

impl CancelHandle {
    /// Makes a handle that owns one reference to an allocation.
    ///
    /// # Safety
    ///
    /// The target stays valid until the handle, and all that were cloned from it, have called `release`, each once. All verbs may be called with it from any
    /// thread, `release` as well.
    #[inline]
    pub unsafe fn from_raw(target: NonNull<()>, verbs: &'static CancelVerbs) -> Self {
        Self { target, verbs }
    }

    /// Asks the work to end early, as [`JoinHandle::cancel`](crate::JoinHandle::cancel) does: its handle then gives
    /// [`JoinError::Cancelled`](crate::JoinError::Cancelled). Does nothing if the work has ended.
    pub fn cancel(&self) {
        // SAFETY: this handle's reference keeps the target alive.
        unsafe { (self.verbs.cancel)(self.target) };
    }

    /// Whether the work has ended: its result is there, or has been taken or dropped.
    pub fn is_finished(&self) -> bool {
        // SAFETY: as in `cancel`.
        unsafe { (self.verbs.is_finished)(self.target) }
    }
}

impl Clone for CancelHandle {
    fn clone(&self) -> Self {
        // SAFETY: as in `cancel`; the reference is the new handle's.
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
        f.debug_struct("CancelHandle").field("finished", &self.is_finished()).finish_non_exhaustive()
    }
}
