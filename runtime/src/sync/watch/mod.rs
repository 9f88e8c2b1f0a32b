//! A channel for the latest value, and for tasks that wait until it changes.
//!
//! The value is behind a readers-writer lock and has a *version*, which is raised with each change. A
//! receiver remembers the version that it has seen.
//!
//! ```text
//!   version  63                     1         0
//!           [  changes              | CLOSED  ]        CLOSED: all senders are gone
//! ```
//!
//! # Why no change is missed
//!
//! A sender raises the version, then takes the lock of the wait queue and grants all waiters. A receiver
//! checks the version under that lock, and joins the queue if it is the one that it has seen. If the
//! receiver took the lock first, the sender finds it in the queue. Otherwise the receiver sees the new
//! version.
//!
//! The interface is tokio's (`sync/watch.rs`).
//!
//! Long: a third of the lines are examples.

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
use brigade_trace::{Cause, Domain, Resource};
use channel::{CLOSED, NoReceiverWaiter, ONE_CHANGE, WaitQueues, WatchChannel};
use std::{error, fmt, future::Future, mem, panic::Location, sync::Arc};

/// Creates a channel for the latest value. The first value counts as seen.
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
        resource: Resource::new(Domain::Channel),
    });
    (Sender { channel: channel.clone() }, Receiver { channel, seen: 0 })
}

/// Changes the value. Clones change the same value.
///
/// ```
/// let (sender, receiver) = brigade_runtime::sync::watch::channel(1);
/// sender.send(2).unwrap();
/// assert_eq!(*receiver.borrow(), 2);
/// ```
pub struct Sender<T> {
    channel: Arc<WatchChannel<T>>,
}

/// Sees the latest value, and waits for changes. A clone has seen the same version as the original.
///
/// ```
/// let (sender, mut receiver) = brigade_runtime::sync::watch::channel(1);
/// sender.send(2).unwrap();
/// assert_eq!(receiver.has_changed(), Ok(true));
/// assert_eq!(*receiver.borrow_and_update(), 2);
/// assert_eq!(receiver.has_changed(), Ok(false));
/// ```
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
    /// Returns the new value in [`SendError`] if there is no receiver; the old one is not replaced then.
    ///
    /// ```
    /// let (sender, receiver) = brigade_runtime::sync::watch::channel(1);
    /// assert!(sender.send(2).is_ok());
    /// drop(receiver);
    /// assert!(sender.send(3).is_err());
    /// ```
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        if self.receiver_count() == 0 {
            return Err(SendError(value));
        }
        drop(self.send_replace(value));
        Ok(())
    }

    /// Replaces the value, also if there is no receiver. Returns the old one.
    ///
    /// ```
    /// let (sender, _receiver) = brigade_runtime::sync::watch::channel(1);
    /// assert_eq!(sender.send_replace(2), 1);
    /// ```
    pub fn send_replace(&self, mut value: T) -> T {
        self.send_modify(|old| mem::swap(old, &mut value));
        value
    }

    /// Changes the value in place, also if there is no receiver.
    ///
    /// # Panics
    ///
    /// Panics in the caller if `change` panics. The value is then as the panic left it, and nobody is
    /// notified.
    ///
    /// ```
    /// let (sender, receiver) = brigade_runtime::sync::watch::channel(vec!["soup"]);
    /// sender.send_modify(|menu| menu.push("pie"));
    /// assert_eq!(*receiver.borrow(), ["soup", "pie"]);
    /// ```
    pub fn send_modify(&self, change: impl FnOnce(&mut T)) {
        self.send_if_modified(|value| {
            change(value);
            true
        });
    }

    /// Changes the value in place, and notifies the receivers if `change` returns true. Returns what
    /// `change` returned.
    ///
    /// # Panics
    ///
    /// As [`send_modify`](Self::send_modify).
    ///
    /// ```
    /// let (sender, receiver) = brigade_runtime::sync::watch::channel(1);
    /// assert!(!sender.send_if_modified(|_| false));
    /// assert_eq!(receiver.has_changed(), Ok(false));
    /// ```
    pub fn send_if_modified(&self, change: impl FnOnce(&mut T) -> bool) -> bool {
        let channel = &self.channel;
        let mut value = channel.value.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        let changed = change(&mut value);
        if changed {
            // Release pairs with the Acquire of the tasks that read the version.
            channel.version.fetch_add(ONE_CHANGE, Ordering::Release);
        }
        drop(value);
        if changed {
            channel.notify();
        }
        changed
    }

    /// Borrows the value. No sender can change it meanwhile.
    pub fn borrow(&self) -> Ref<'_, T> {
        Ref { changed: false, value: self.channel.read() }
    }

    /// Creates a receiver that has seen the current value.
    ///
    /// ```
    /// let (sender, receiver) = brigade_runtime::sync::watch::channel(1);
    /// let other = sender.subscribe();
    /// assert_eq!(sender.receiver_count(), 2);
    /// ```
    pub fn subscribe(&self) -> Receiver<T> {
        // Relaxed: only the count matters.
        self.channel.receivers.fetch_add(1, Ordering::Relaxed);
        Receiver { channel: self.channel.clone(), seen: self.channel.version() & !CLOSED }
    }

    /// Returns how many receivers there are.
    pub fn receiver_count(&self) -> usize {
        self.channel.receivers.load(Ordering::Acquire)
    }

    /// Returns whether there is no receiver.
    pub fn is_closed(&self) -> bool {
        self.receiver_count() == 0
    }

    /// Waits until there is no receiver.
    ///
    /// # Cancellation
    ///
    /// Dropping the future has no effect.
    #[track_caller]
    pub fn closed(&self) -> impl Future<Output = ()> {
        let at = Location::caller();
        async move {
            budget::turn().await;
            while !self.is_closed() {
                WaitFuture::new_at(NoReceiverWaiter(&self.channel), (), at).await;
            }
        }
    }
}

impl<T> Receiver<T> {
    /// The value, without counting it as seen. No sender can change it while it is borrowed: keep it short,
    /// and not across an `.await`.
    pub fn borrow(&self) -> Ref<'_, T> {
        let value = self.channel.read();
        Ref { changed: self.channel.version() & !CLOSED != self.seen, value }
    }

    /// The value, which counts as seen from now on.
    pub fn borrow_and_update(&mut self) -> Ref<'_, T> {
        self.channel.borrow_and_update(&mut self.seen)
    }

    /// Returns whether there is a value that this receiver has not seen.
    ///
    /// # Errors
    ///
    /// Returns [`RecvError`] if there is none and none will come, because all senders are dropped.
    pub fn has_changed(&self) -> Result<bool, RecvError> {
        self.channel.has_changed(self.seen)
    }

    /// Waits for a value that it has not seen, and marks that value as seen.
    ///
    /// # Errors
    ///
    /// Returns [`RecvError`] if there is none and none will come, because all senders are dropped.
    ///
    /// # Cancellation
    ///
    /// A future that is dropped before it is ready has seen nothing.
    ///
    /// ```
    /// use brigade_runtime::{run, sync::watch};
    ///
    /// let (sender, mut receiver) = watch::channel("closed");
    /// sender.send("open").unwrap();
    /// run(receiver.changed()).unwrap();
    /// assert_eq!(*receiver.borrow(), "open");
    /// ```
    #[track_caller]
    pub fn changed(&mut self) -> impl Future<Output = Result<(), RecvError>> {
        self.channel.changed(&mut self.seen, Location::caller())
    }

    /// Waits until `is_true` returns true for the value. It does not wait if that is so now. Returns the
    /// value, which counts as seen.
    ///
    /// # Errors
    ///
    /// Returns [`RecvError`] if `is_true` returns false and all senders are dropped.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing that a new one would wait for.
    ///
    /// ```
    /// use brigade_runtime::{run, spawn, sync::watch};
    ///
    /// run(async {
    ///     let (sender, mut receiver) = watch::channel(0);
    ///     spawn(async move { (1..=3).for_each(|n| sender.send(n).unwrap()) });
    ///     assert_eq!(*receiver.wait_for(|n| *n == 3).await.unwrap(), 3);
    /// });
    /// ```
    #[track_caller]
    pub fn wait_for(
        &mut self,
        is_true: impl FnMut(&T) -> bool,
    ) -> impl Future<Output = Result<Ref<'_, T>, RecvError>> {
        self.wait_for_at(is_true, Location::caller())
    }

    async fn wait_for_at(
        &mut self,
        mut is_true: impl FnMut(&T) -> bool,
        at: &'static Location<'static>,
    ) -> Result<Ref<'_, T>, RecvError> {
        budget::turn().await;
        let Self { channel, seen } = self;
        loop {
            {
                // Dropped before the `.await`, and at the end of a block, so that the future is Send.
                let value = channel.borrow_and_update(seen);
                if is_true(&value) {
                    return Ok(value);
                }
            }
            channel.changed(seen, at).await?;
        }
    }

    /// Returns whether both see the same value.
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.channel, &other.channel)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        // Relaxed: it is made from another sender, which keeps the channel open.
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
        // AcqRel: everything that any sender did comes before the end that the last one announces.
        if self.channel.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.channel.version.fetch_or(CLOSED, Ordering::Release);
            self.channel.notify();
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        // Release pairs with the Acquire of the task that finds that there is no receiver. That task sees
        // what each receiver did, because all of them count down by a read-modify-write operation.
        if self.channel.receivers.fetch_sub(1, Ordering::Release) == 1 {
            grant_all(&NoReceiverWaiter(&self.channel), lock(&self.channel.queues), Cause::Close, |()| ());
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

/// The error of sending without a receiver. It contains the value.
///
/// ```
/// use brigade_runtime::sync::watch;
///
/// let (sender, receiver) = watch::channel(1);
/// drop(receiver);
/// assert_eq!(sender.send(2), Err(watch::SendError(2)));
/// ```
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

/// The error of waiting for a change when all senders are dropped.
///
/// ```
/// use brigade_runtime::{run, sync::watch};
///
/// let (sender, mut receiver) = watch::channel(1);
/// drop(sender);
/// let error: watch::RecvError = run(receiver.changed()).unwrap_err();
/// assert_eq!(error.to_string(), "all senders are gone");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecvError(());

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("all senders are gone")
    }
}

impl error::Error for RecvError {}
