//! A slot in an allocation of its own: the simplest rendezvous, for executors whose work lives elsewhere.
//!
//! The two sides share one `Arc`. The completer sees it as a `Whole`, which is the slot, and the handle sees
//! it as a [`Rendezvous`]. `pair` and `pair_with` differ in what `cancel` does.

use crate::{Id, JoinError, JoinHandle, Lost, Place, Rendezvous, Signal, Slot};
use std::{
    fmt,
    panic::{RefUnwindSafe, UnwindSafe},
    sync::Arc,
};

/// The completing side of a [`pair`]. Dropping it without completing tells the joiner that the work was
/// [`Abandoned`](Lost::Abandoned), so that no joiner waits for ever.
///
/// ```
/// let (completer, handle) = brigade_handle::pair::<u32>();
/// drop(completer);
/// assert!(handle.join().is_err());
/// ```
#[doc(alias = "Promise")]
#[must_use = "dropping the completer fails the handle"]
pub struct Completer<T> {
    shared: Arc<dyn Whole<T>>,
}

struct Shared<T, C> {
    slot: Slot<T>,
    on_cancel: C,
}

/// The allocation of both sides, as the completer sees it.
trait Whole<T>: Send + Sync {
    fn whole(&self) -> &Slot<T>;
}

impl<T: Send, C: Fn() + Send + Sync> Whole<T> for Shared<T, C> {
    fn whole(&self) -> &Slot<T> {
        &self.slot
    }
}

// SAFETY: signal and place are those of the one slot. A thread that borrows the Arc completes it.
unsafe impl<T: Send, C: Fn() + Send + Sync> Rendezvous<T> for Shared<T, C> {
    fn signal(&self) -> &Signal {
        self.slot.signal()
    }

    fn place(&self) -> Place<'_, T> {
        self.slot.place()
    }

    fn cancel(&self) {
        (self.on_cancel)();
    }
}

/// Makes a completer and the handle that waits for it. `cancel` on the handle completes it with
/// [`JoinError::Cancelled`]; the completer can check that by [`Completer::is_finished`].
///
/// ```
/// let (completer, handle) = brigade_handle::pair();
/// completer.complete(Ok("done"));
/// assert_eq!(handle.join().unwrap(), "done");
/// ```
#[doc(alias = "oneshot")]
pub fn pair<T: Send + 'static>() -> (Completer<T>, JoinHandle<T>) {
    pair_of(Id::NONE)
}

/// Makes a [`pair`] whose handle names this work, in a trace and in errors.
///
/// ```
/// use brigade_handle::{Domain, Id};
///
/// let job = Id::new(Domain::Job, 1);
/// let (_completer, handle) = brigade_handle::pair_of::<u32>(job);
/// assert_eq!(handle.id(), job);
/// ```
pub fn pair_of<T: Send + 'static>(id: Id) -> (Completer<T>, JoinHandle<T>) {
    struct Cancellable<T>(Slot<T>, Id);
    impl<T: Send> Whole<T> for Cancellable<T> {
        fn whole(&self) -> &Slot<T> {
            &self.0
        }
    }
    // SAFETY: signal and place are those of the one slot. A thread that borrows the Arc completes it.
    unsafe impl<T: Send> Rendezvous<T> for Cancellable<T> {
        fn signal(&self) -> &Signal {
            self.0.signal()
        }

        fn place(&self) -> Place<'_, T> {
            self.0.place()
        }

        fn cancel(&self) {
            self.0.complete(Err(JoinError::cancelled()));
        }

        fn id(&self) -> Id {
            self.1
        }
    }
    let shared = Arc::new(Cancellable(Slot::new(), id));
    (Completer { shared: shared.clone() }, JoinHandle::from_arc(shared))
}

/// Makes a [`pair`] whose handle calls `on_cancel` at each `cancel`, on the caller's thread.
///
/// ```
/// let (send, receive) = std::sync::mpsc::channel();
/// let (completer, handle) = brigade_handle::pair_with(move || send.send("stop").unwrap());
/// handle.cancel();
/// assert_eq!(receive.try_recv(), Ok("stop"));
/// completer.complete(Ok("stopped"));
/// assert_eq!(handle.join().unwrap(), "stopped");
/// ```
pub fn pair_with<T, C>(on_cancel: C) -> (Completer<T>, JoinHandle<T>)
where
    T: Send + 'static,
    C: Fn() + Send + Sync + 'static,
{
    let shared = Arc::new(Shared { slot: Slot::new(), on_cancel });
    (Completer { shared: shared.clone() }, JoinHandle::from_arc(shared))
}

impl<T> Completer<T> {
    /// Stores the result and wakes the joiner. Returns false if a cancel had completed the slot already.
    ///
    /// ```
    /// let (completer, handle) = brigade_handle::pair::<u32>();
    /// assert!(completer.complete(Ok(42)));
    /// assert_eq!(handle.join().unwrap(), 42);
    /// ```
    pub fn complete(self, result: Result<T, JoinError>) -> bool {
        self.shared.whole().complete(result)
    }

    /// Returns whether a result is there already, because the handle was cancelled.
    ///
    /// ```
    /// let (completer, handle) = brigade_handle::pair::<u32>();
    /// assert!(!completer.is_finished());
    /// handle.cancel();
    /// assert!(completer.is_finished());
    /// ```
    pub fn is_finished(&self) -> bool {
        self.shared.whole().is_finished()
    }

    /// Returns whether the handle is gone, so that the result will not be used.
    ///
    /// ```
    /// let (completer, handle) = brigade_handle::pair::<u32>();
    /// assert!(!completer.is_detached());
    /// drop(handle);
    /// assert!(completer.is_detached());
    /// ```
    pub fn is_detached(&self) -> bool {
        self.shared.whole().is_detached()
    }
}

// It stores a result once or not at all, and a panic leaves it with either.
impl<T> UnwindSafe for Completer<T> {}
impl<T> RefUnwindSafe for Completer<T> {}

impl<T> Drop for Completer<T> {
    fn drop(&mut self) {
        if !self.is_finished() {
            self.shared.whole().complete(Err(JoinError::lost(Lost::Abandoned)));
        }
    }
}

impl<T> fmt::Debug for Completer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completer").field("finished", &self.is_finished()).finish_non_exhaustive()
    }
}
