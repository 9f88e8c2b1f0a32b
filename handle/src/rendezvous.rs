//! The rendezvous: an executor's allocation as its handles see it.
//!
//! An allocation is either in an `Arc`, or counts its references itself. Both reach a handle as a
//! [`Counted`].

use crate::{Id, Place, Signal, cancel_handle::CancelVerbs};
use std::{ptr::NonNull, sync::Arc};

/// An executor's allocation, as the handle that joins it sees it.
///
/// Safe code cannot implement it, because a handle reads the place when the signal says so:
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
/// 1. `signal` returns the same signal each time, and `place` the place in which the completer of that
///    signal stores the result: normally both of one [`Slot`](crate::Slot).
/// 2. The result stays there until the handle takes it. After the signal was completed, no other code
///    touches the result, unless the signal made the completer its [`Heir`](crate::Heir).
/// 3. The thread that completes the signal has its own reference to the allocation until that call has
///    returned, because the handle gives up its reference as soon as it sees the result.
pub unsafe trait Rendezvous<T>: Send + Sync {
    /// Returns the state of the work and the handle: normally the [`signal`](crate::Slot::signal) of a
    /// slot.
    fn signal(&self) -> &Signal;

    /// Returns the place of the result: normally the [`place`](crate::Slot::place) of a slot. The handle
    /// calls this when the signal says that the result is there.
    fn place(&self) -> Place<'_, T>;

    /// Asks the work to end early. Its slot is then completed with
    /// [`JoinError::Cancelled`](crate::JoinError::Cancelled), unless the work has ended or can no longer be
    /// stopped.
    fn cancel(&self);

    /// Runs the work on the calling thread if it has not been started. Returns whether it ran.
    /// [`JoinHandle::join`](crate::JoinHandle::join), [`as_completed`](crate::as_completed) and
    /// [`wait_for`](crate::wait_for) call this on threads whose policy is
    /// [`wait::Policy::Help`](crate::wait::Policy::Help).
    fn help(&self) -> bool {
        false
    }

    /// Attends to the work for a few microseconds, because a thread waits for it that would otherwise
    /// sleep. An executor that has to fetch its answers fetches them here.
    /// [`JoinHandle::join`](crate::JoinHandle::join) calls this before it parks.
    fn attend(&self) {}

    /// Returns the id by which a trace and the errors name the work.
    fn id(&self) -> Id {
        Id::NONE
    }
}

/// An allocation that counts its own references, so that
/// [`JoinHandle::from_raw`](crate::JoinHandle::from_raw) can make a handle of it.
///
/// # Safety
///
/// The verbs are as [`CancelHandle::from_raw`](crate::CancelHandle::from_raw) demands for the address of
/// `self`, for as long as the caller has a reference.
pub unsafe trait Counted<T>: Rendezvous<T> {
    /// Returns the operations of a [`CancelHandle`](crate::CancelHandle) on this allocation, whose address
    /// is the handle's target.
    fn cancel_verbs(&self) -> &'static CancelVerbs;
}

/// A rendezvous in an `Arc`, which counts the references.
#[repr(transparent)]
pub(crate) struct InArc<R>(R);

impl<R> InArc<R> {
    /// Adds a reference.
    ///
    /// # Safety
    ///
    /// The pointer is that of an `Arc<R>`, and the caller has a reference to it.
    unsafe fn retain(target: NonNull<()>) {
        // SAFETY: the caller has a reference to this Arc.
        unsafe { Arc::increment_strong_count(target.cast::<R>().as_ptr()) };
    }

    /// Gives a reference back.
    ///
    /// # Safety
    ///
    /// As for [`Release`], and the pointer is that of an `Arc<R>`.
    pub(crate) unsafe fn release(target: NonNull<()>) {
        // SAFETY: the pointer is an Arc's, and it is this reference that is given back.
        drop(unsafe { Arc::from_raw(target.cast::<R>().as_ptr()) });
    }

    /// Cancels the work, for a cancel handle.
    ///
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

    /// Returns whether the work has ended, for a cancel handle.
    ///
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

    /// Returns the id of the work, for a cancel handle.
    ///
    /// # Safety
    ///
    /// As for `retain`.
    unsafe fn id<T>(target: NonNull<()>) -> Id
    where
        R: Rendezvous<T>,
    {
        // SAFETY: as in `cancel`.
        unsafe { target.cast::<R>().as_ref() }.id()
    }
}

// SAFETY: the implementation for `R` follows the rules, and this passes its answers on.
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

    fn id(&self) -> Id {
        self.0.id()
    }
}

// SAFETY: an `InArc` lies only in an Arc (`from_arc`), whose references the verbs count.
unsafe impl<T, R: Rendezvous<T>> Counted<T> for InArc<R> {
    fn cancel_verbs(&self) -> &'static CancelVerbs {
        &CancelVerbs {
            cancel: Self::cancel::<T>,
            is_finished: Self::is_finished::<T>,
            id: Self::id::<T>,
            look: None,
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
