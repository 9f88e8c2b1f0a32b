//! A slot in an allocation of its own: the simplest rendezvous, for executors whose work lives elsewhere.

use crate::{JoinError, JoinHandle, Lost, Rendezvous, Slot};
use std::{fmt, sync::Arc};

/// The completing side of a [`pair`]. Dropping it without completing tells the joiner that the work was
/// [`Abandoned`](Lost::Abandoned), so that nobody waits for ever.
#[must_use = "dropping the completer fails the handle"]
pub struct Completer<T> {
    shared: Arc<dyn Rendezvous<T>>,
}

struct Shared<T, C> {
    slot: Slot<T>,
    on_cancel: C,
}

impl<T: Send, C: Fn() + Send + Sync> Rendezvous<T> for Shared<T, C> {
    fn slot(&self) -> &Slot<T> {
        &self.slot
    }

    fn cancel(&self) {
        (self.on_cancel)();
    }
}

/// A completer and the handle that waits for it. `cancel` on the handle completes it with [`JoinError::Cancelled`]; the
/// completer can see that by [`Completer::is_finished`].
///
/// ```
/// let (completer, handle) = brigade_handle::pair();
/// completer.complete(Ok("done"));
/// assert_eq!(handle.join().unwrap(), "done");
/// ```
pub fn pair<T: Send + 'static>() -> (Completer<T>, JoinHandle<T>) {
    struct Cancellable<T>(Slot<T>);
    impl<T: Send> Rendezvous<T> for Cancellable<T> {
        fn slot(&self) -> &Slot<T> {
            &self.0
        }

        fn cancel(&self) {
            self.0.complete(Err(JoinError::Cancelled));
        }
    }
    let shared = Arc::new(Cancellable(Slot::new()));
    (Completer { shared: shared.clone() }, JoinHandle::from_arc(shared))
}

/// [`pair`] with its own idea of what `cancel` does: `on_cancel` is called each time, on the caller's thread.
pub fn pair_with<T, C>(on_cancel: C) -> (Completer<T>, JoinHandle<T>)
where
    T: Send + 'static,
    C: Fn() + Send + Sync + 'static,
{
    let shared = Arc::new(Shared { slot: Slot::new(), on_cancel });
    (Completer { shared: shared.clone() }, JoinHandle::from_arc(shared))
}

impl<T> Completer<T> {
    /// Stores the result and wakes the joiner. False if the slot was completed already, by a cancel.
    pub fn complete(self, result: Result<T, JoinError>) -> bool {
        self.shared.slot().complete(result)
    }

    /// Whether a result is there already, because the handle was cancelled.
    pub fn is_finished(&self) -> bool {
        self.shared.slot().is_finished()
    }

    /// Whether the handle is gone, so that nobody will see the result.
    pub fn is_detached(&self) -> bool {
        self.shared.slot().is_detached()
    }
}

impl<T> Drop for Completer<T> {
    fn drop(&mut self) {
        if !self.is_finished() {
            self.shared.slot().complete(Err(JoinError::Lost(Lost::Abandoned)));
        }
    }
}

impl<T> fmt::Debug for Completer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completer").field("finished", &self.is_finished()).finish_non_exhaustive()
    }
}
