//! The state that the senders and receivers share, and how a receiver waits for another version.

use super::RecvError;
use crate::{
    shim::{self, AtomicUsize, Ordering, RwLock, RwLockReadGuard, lock},
    sync::{
        wait_queue::{WaitFuture, WaitQueue},
        waiter::{Attempt, Waiter},
        wakers::grant_all,
    },
    task::budget,
};
use brigade_trace::{Cause, Resource};
use std::{fmt, mem, ops::Deref, panic::Location};

pub(super) const CLOSED: usize = 1 << 0;
pub(super) const ONE_CHANGE: usize = 1 << 1;

pub(super) struct WatchChannel<T> {
    pub(super) value: RwLock<T>,
    /// Raised while the value is locked for writing.
    pub(super) version: AtomicUsize,
    pub(super) senders: AtomicUsize,
    pub(super) receivers: AtomicUsize,
    pub(super) queues: shim::Mutex<WaitQueues>,
    pub(super) resource: Resource,
}

pub(super) struct WaitQueues {
    /// Receivers that wait for a change.
    pub(super) changed: WaitQueue<()>,
    /// Senders that wait until no receiver is left.
    pub(super) closed: WaitQueue<()>,
}

impl<T> WatchChannel<T> {
    pub(super) fn version(&self) -> usize {
        // Acquire pairs with the Release of the sender that raised it.
        self.version.load(Ordering::Acquire)
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, T> {
        self.value.read().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Borrows the value for a receiver that has seen the version `seen`, and marks it as seen.
    pub(super) fn borrow_and_update(&self, seen: &mut usize) -> Ref<'_, T> {
        let value = self.read();
        // This is the version of this very value, because it is raised while the value is locked for
        // writing.
        let version = self.version() & !CLOSED;
        Ref { changed: mem::replace(seen, version) != version, value }
    }

    /// Whether there is another version than `seen`. Returns an error if there is none and none will come.
    pub(super) fn has_changed(&self, seen: usize) -> Result<bool, RecvError> {
        let version = self.version();
        match (version & !CLOSED != seen, version & CLOSED != 0) {
            (true, _) => Ok(true),
            (false, false) => Ok(false),
            (false, true) => Err(RecvError(())),
        }
    }

    /// Waits for another version than `seen`, and marks it as seen.
    pub(super) async fn changed(
        &self,
        seen: &mut usize,
        at: &'static Location<'static>,
    ) -> Result<(), RecvError> {
        budget::turn().await;
        while !self.has_changed(*seen)? {
            WaitFuture::new_at(ChangeWaiter { channel: self, seen: *seen }, (), at).await;
        }
        *seen = self.version() & !CLOSED;
        Ok(())
    }

    /// Wakes the receivers that wait, after the version was raised.
    pub(super) fn notify(&self) {
        grant_all(&ChangeWaiter { channel: self, seen: 0 }, lock(&self.queues), Cause::Item, |()| ());
    }
}

/// The value of a channel, borrowed. No sender can change it meanwhile.
///
/// ```
/// let (sender, receiver) = brigade_runtime::sync::watch::channel("closed");
/// let value = receiver.borrow();
/// assert_eq!((*value, value.has_changed()), ("closed", false));
/// ```
pub struct Ref<'a, T> {
    pub(super) changed: bool,
    pub(super) value: RwLockReadGuard<'a, T>,
}

impl<T> Ref<'_, T> {
    /// Returns whether the receiver had not seen this value before.
    pub fn has_changed(&self) -> bool {
        self.changed
    }
}

impl<T> Deref for Ref<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// A receiver that waits for another version than `seen`.
pub(super) struct ChangeWaiter<'a, T> {
    channel: &'a WatchChannel<T>,
    seen: usize,
}

impl<T> Waiter for ChangeWaiter<'_, T> {
    type State = WaitQueues;
    type Request = ();

    fn lock(&self) -> &shim::Mutex<WaitQueues> {
        &self.channel.queues
    }

    fn queue(state: &mut WaitQueues) -> &mut WaitQueue<()> {
        &mut state.changed
    }

    fn resource(&self) -> &Resource {
        &self.channel.resource
    }

    fn cause(&self) -> Cause {
        Cause::Item
    }

    fn outcome(&self, (): &()) -> Cause {
        if self.channel.version() & CLOSED != 0 { Cause::Close } else { Cause::Item }
    }

    fn try_fast(&self, (): &mut ()) -> Attempt {
        // Another version, or the end.
        Attempt::done_if(self.channel.version() != self.seen)
    }

    fn try_locked(&self, _: &mut WaitQueues, (): &mut ()) -> Attempt {
        self.try_fast(&mut ())
    }
}

/// A sender that waits until no receiver is left.
pub(super) struct NoReceiverWaiter<'a, T>(pub(super) &'a WatchChannel<T>);

impl<T> Waiter for NoReceiverWaiter<'_, T> {
    type State = WaitQueues;
    type Request = ();

    fn lock(&self) -> &shim::Mutex<WaitQueues> {
        &self.0.queues
    }

    fn queue(state: &mut WaitQueues) -> &mut WaitQueue<()> {
        &mut state.closed
    }

    fn resource(&self) -> &Resource {
        &self.0.resource
    }

    fn cause(&self) -> Cause {
        Cause::Close
    }

    fn try_fast(&self, (): &mut ()) -> Attempt {
        // Relaxed: a task that need not wait looks again, by an Acquire load. The lock of the wait queue
        // orders it with the grants of the last receiver.
        Attempt::done_if(self.0.receivers.load(Ordering::Relaxed) == 0)
    }

    fn try_locked(&self, _: &mut WaitQueues, (): &mut ()) -> Attempt {
        self.try_fast(&mut ())
    }
}

impl<T: fmt::Debug> fmt::Debug for Ref<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
