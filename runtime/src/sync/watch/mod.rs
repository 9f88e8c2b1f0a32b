//! The latest value, for all who want to know when it changes.
//!
//! The value lies behind a lock for readers and writers, and has a *version*, which is raised with each change. A receiver
//! remembers the version that it has seen.
//!
//! ```text
//!   version  63                     1         0
//!           [  changes              | CLOSED  ]        CLOSED: all senders are gone
//! ```
//!
//! # Why no change is missed
//!
//! A sender raises the version, then takes the lock of the line and grants turns. A receiver looks at the version under that
//! lock, and stands if it is the one that it has seen. If the receiver's lock came first, the sender finds it in line; else
//! the receiver sees the new version.
//!
//! The interface is tokio's (`sync/watch.rs`).

mod channel;

pub use channel::Ref;

use crate::{
    shim::{self, AtomicUsize, Ordering, RwLock, lock},
    sync::{
        wait_queue::{WaitFuture, WaitQueue},
        wakers::grant_all,
    },
    task::budget,
};
use brigade_trace::Cause;
use channel::{CLOSED, NoReceiverWaiter, ONE_CHANGE, WaitQueues, WatchChannel};
use std::{error, fmt, mem, sync::Arc};

/// Makes a channel for the latest value. Its first one counts as seen.
///
/// ```
/// use brigade_runtime::{run, spawn, sync::watch};
///
/// run(async {
///     let (sender, mut receiver) = watch::channel("closed");
///     let waiter = spawn(async move {
///         receiver.changed().await.unwrap();
///         *receiver.borrow_and_update()
///     });
///     sender.send("open").unwrap();
///     assert_eq!(waiter.await.unwrap(), "open");
/// });
/// ```
pub fn channel<T>(value: T) -> (Sender<T>, Receiver<T>) {
    let channel = Arc::new(WatchChannel {
        value: RwLock::new(value),
        version: AtomicUsize::new(0),
        senders: AtomicUsize::new(1),
        receivers: AtomicUsize::new(1),
        queues: shim::Mutex::new(WaitQueues { changed: WaitQueue::new(), closed: WaitQueue::new() }),
    });
    (Sender { channel: channel.clone() }, Receiver { channel, seen: 0 })
}

/// Changes the value. Clones change the same one.
pub struct Sender<T> {
    channel: Arc<WatchChannel<T>>,
}

/// Sees the latest value, and waits for changes. Clones have seen what the original has.
pub struct Receiver<T> {
    channel: Arc<WatchChannel<T>>,
    /// The version that it has seen, without CLOSED.
    seen: usize,
}

impl<T> Sender<T> {
    /// Replaces the value.
    ///
    /// # Errors
    ///
    /// [`SendError`], with the value, if there is no receiver; the value is not replaced then.
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        if self.receiver_count() == 0 {
            return Err(SendError(value));
        }
        drop(self.send_replace(value));
        Ok(())
    }

    /// Replaces the value, also if there is no receiver; the old one.
    pub fn send_replace(&self, mut value: T) -> T {
        self.send_modify(|old| mem::swap(old, &mut value));
        value
    }

    /// Changes the value in place, also if there is no receiver.
    ///
    /// # Panics
    ///
    /// If `change` does: then the value is as the panic left it, and nobody is notified.
    pub fn send_modify(&self, change: impl FnOnce(&mut T)) {
        self.send_if_modified(|value| {
            change(value);
            true
        });
    }

    /// Changes the value in place, and notifies if `change` says that it did. What it said.
    ///
    /// # Panics
    ///
    /// As [`send_modify`](Self::send_modify).
    pub fn send_if_modified(&self, change: impl FnOnce(&mut T) -> bool) -> bool {
        let channel = &self.channel;
        let mut value = channel.value.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        let changed = change(&mut value);
        if changed {
            // Release pairs with the Acquire of who looks at it.
            channel.version.fetch_add(ONE_CHANGE, Ordering::Release);
        }
        drop(value);
        if changed {
            channel.notify();
        }
        changed
    }

    /// The value. No sender can change it while it is borrowed.
    pub fn borrow(&self) -> Ref<'_, T> {
        Ref { changed: false, value: self.channel.read() }
    }

    /// A receiver that has seen the value that there is now.
    pub fn subscribe(&self) -> Receiver<T> {
        // Relaxed: only the count matters.
        self.channel.receivers.fetch_add(1, Ordering::Relaxed);
        Receiver { channel: self.channel.clone(), seen: self.channel.version() & !CLOSED }
    }

    /// How many receivers there are.
    pub fn receiver_count(&self) -> usize {
        self.channel.receivers.load(Ordering::Acquire)
    }

    /// Whether there is no receiver.
    pub fn is_closed(&self) -> bool {
        self.receiver_count() == 0
    }

    /// Waits until there is no receiver.
    ///
    /// # Cancellation
    ///
    /// Dropping the future has no effect.
    pub async fn closed(&self) {
        budget::turn().await;
        while !self.is_closed() {
            WaitFuture::new(NoReceiverWaiter(&self.channel), ()).await;
        }
    }
}

impl<T> Receiver<T> {
    /// The value, without counting it as seen. No sender can change it while it is borrowed: keep it short, and not across
    /// an `.await`.
    pub fn borrow(&self) -> Ref<'_, T> {
        let value = self.channel.read();
        Ref { changed: self.channel.version() & !CLOSED != self.seen, value }
    }

    /// The value, which counts as seen from now on.
    pub fn borrow_and_update(&mut self) -> Ref<'_, T> {
        self.channel.borrow_and_update(&mut self.seen)
    }

    /// Whether there is a value that it has not seen.
    ///
    /// # Errors
    ///
    /// [`RecvError`] if there is none, and none will come: all senders are gone.
    pub fn has_changed(&self) -> Result<bool, RecvError> {
        self.channel.has_changed(self.seen)
    }

    /// Waits for a value that it has not seen, which counts as seen from now on.
    ///
    /// # Errors
    ///
    /// [`RecvError`] if there is none, and none will come: all senders are gone.
    ///
    /// # Cancellation
    ///
    /// A future that is dropped before it is ready has seen nothing.
    pub async fn changed(&mut self) -> Result<(), RecvError> {
        self.channel.changed(&mut self.seen).await
    }

    /// Waits until `is_true` of the value; not at all if it is so now. The value, which counts as seen.
    ///
    /// # Errors
    ///
    /// [`RecvError`] if it is not so, and all senders are gone.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing that a new one would wait for.
    pub async fn wait_for(&mut self, mut is_true: impl FnMut(&T) -> bool) -> Result<Ref<'_, T>, RecvError> {
        budget::turn().await;
        let Self { channel, seen } = self;
        loop {
            {
                // Gone before the `.await`, and by the end of a block: so the future may be sent.
                let value = channel.borrow_and_update(seen);
                if is_true(&value) {
                    return Ok(value);
                }
            }
            channel.changed(seen).await?;
        }
    }

    /// Whether both see the same value.
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.channel, &other.channel)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        // Relaxed: it comes from a sender, which keeps the channel open.
        self.channel.senders.fetch_add(1, Ordering::Relaxed);
        Self { channel: self.channel.clone() }
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.channel.receivers.fetch_add(1, Ordering::Relaxed);
        Self { channel: self.channel.clone(), seen: self.seen }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        // AcqRel: what any sender did comes before the end that the last one says.
        if self.channel.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.channel.version.fetch_or(CLOSED, Ordering::Release);
            self.channel.notify();
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        // Release pairs with the Acquire of who finds that there is no receiver, which sees what each one did: all of them write by a
        // read-modify-write operation.
        if self.channel.receivers.fetch_sub(1, Ordering::Release) == 1 {
            grant_all(&NoReceiverWaiter(&self.channel), lock(&self.channel.queues), Cause::Notify, |()| ());
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("receivers", &self.receiver_count()).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("has_changed", &self.has_changed()).finish_non_exhaustive()
    }
}

/// There is no receiver. Has the value that was not sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<T>(pub T);

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SendError(..)")
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no receiver")
    }
}

impl<T> error::Error for SendError<T> {}

/// All senders are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecvError(());

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("all senders are gone")
    }
}

impl error::Error for RecvError {}
