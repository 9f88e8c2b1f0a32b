//! A channel in which each receiver gets each value, from a ring of the latest ones.
//!
//! A value stays in the ring until every receiver that existed when it was sent has seen it, or until the
//! ring is full and the value is the oldest. A receiver that is too slow is told how many values it missed
//! ([`RecvError::Lagged`]), and continues with the oldest value that is left.
//!
//! ```text
//!   ring   [ 17 | 18 | 19 ]        head = 17: the number of the value in front
//!             ▲    ▲        ▲
//!      receivers, each with the number of the value that it wants next
//! ```
//!
//! Receivers see values in order. So when the last receiver sees a value, all of them have seen the values
//! before it: the value is in front, and leaves the ring. The interface is tokio's (`sync/broadcast.rs`).
//!
//! A receiver that waits is handed the value by the sender, under the lock under which it is sent. The
//! receiver then notes without the lock that it has seen the value. So a value costs each of a thousand
//! receivers one lock, for its place in the queue. A value that was handed over stays in the ring all the
//! same: a receive that is given up finds it there, and one that comes too late has missed it.

mod channel;

use crate::{sync::wait_queue::WaitFuture, task::budget};
use channel::{BroadcastChannel, RingEntry, ValueRequest, ValueWaiter};
use std::{error, fmt, future::Future, panic::Location, sync::Arc};

/// Creates a channel that keeps up to `capacity` values for slow receivers.
///
/// ```
/// use brigade_runtime::{run, sync::broadcast};
///
/// let (sender, mut one) = broadcast::channel(16);
/// let mut other = sender.subscribe();
/// sender.send("dinner").unwrap();
/// run(async {
///     assert_eq!(one.recv().await, Ok("dinner"));
///     assert_eq!(other.recv().await, Ok("dinner"));
/// });
/// ```
///
/// # Panics
///
/// Panics in the caller if the capacity is 0: nobody could ever receive anything.
#[must_use]
#[track_caller]
pub fn channel<T: Clone>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    assert!(capacity > 0, "a broadcast channel keeps one value at least");
    let channel = Arc::new(BroadcastChannel::new(capacity));
    (Sender { channel: channel.clone() }, Receiver { channel, next: 0, ahead: Vec::new() })
}

/// Sends to all receivers of a [`channel`]. Clones send into the same channel.
///
/// ```
/// let (sender, mut receiver) = brigade_runtime::sync::broadcast::channel(16);
/// sender.clone().send("dinner").unwrap();
/// assert_eq!(receiver.try_recv(), Ok("dinner"));
/// ```
pub struct Sender<T> {
    channel: Arc<BroadcastChannel<T>>,
}

/// Receives each value of a [`channel`] that is sent while this receiver exists.
///
/// ```
/// let (sender, mut early) = brigade_runtime::sync::broadcast::channel(16);
/// sender.send("dinner").unwrap();
/// let mut late = sender.subscribe();
/// assert!(early.try_recv().is_ok() && late.try_recv().is_err());
/// ```
pub struct Receiver<T> {
    channel: Arc<BroadcastChannel<T>>,
    /// The number of the value that it wants next.
    next: u64,
    /// That value and those after it, as far as they were taken in advance. The next one is the last.
    ahead: Vec<Arc<RingEntry<T>>>,
}

// Values that were taken in advance are only dropped or passed on, as those in the ring.
impl<T> std::panic::UnwindSafe for Receiver<T> {}
impl<T> std::panic::RefUnwindSafe for Receiver<T> {}

/// How many values a receiver with a backlog takes at a time from the ring, so that it does not need the lock
/// for each of them.
const MAX_AHEAD: usize = 32;

impl<T> Sender<T> {
    /// Sends a value to all receivers. Returns how many there are. It never waits: if the ring is full, the
    /// oldest value leaves it.
    ///
    /// # Errors
    ///
    /// Returns the value in [`SendError`] if there is no receiver.
    ///
    /// ```
    /// let (sender, receiver) = brigade_runtime::sync::broadcast::channel(16);
    /// assert_eq!(sender.send("dinner"), Ok(1));
    /// drop(receiver);
    /// assert!(sender.send("supper").is_err());
    /// ```
    pub fn send(&self, value: T) -> Result<usize, SendError<T>> {
        self.channel.send(value).map_err(SendError)
    }

    /// Creates a receiver of all values that are sent from now on.
    ///
    /// ```
    /// let (sender, _receiver) = brigade_runtime::sync::broadcast::channel(16);
    /// let mut other = sender.subscribe();
    /// assert_eq!(sender.send("dinner"), Ok(2));
    /// assert_eq!(other.try_recv(), Ok("dinner"));
    /// ```
    pub fn subscribe(&self) -> Receiver<T> {
        subscribe(&self.channel)
    }

    /// Returns how many receivers there are.
    pub fn receiver_count(&self) -> usize {
        self.channel.lock().receivers
    }

    /// Returns how many values are kept for receivers that have not seen them.
    pub fn len(&self) -> usize {
        self.channel.ring().len()
    }

    /// Returns whether no values are kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn subscribe<T>(channel: &Arc<BroadcastChannel<T>>) -> Receiver<T> {
    let mut state = channel.lock();
    state.receivers += 1;
    let next = channel.end();
    drop(state);
    Receiver { channel: channel.clone(), next, ahead: Vec::new() }
}

impl<T: Clone> Receiver<T> {
    /// Waits for the next value.
    ///
    /// # Errors
    ///
    /// Returns [`RecvError::Lagged`] if this receiver missed values, and [`RecvError::Closed`] if all
    /// senders are dropped and it has seen all values.
    ///
    /// # Cancellation
    ///
    /// A future that is dropped before it is ready has received nothing.
    #[track_caller]
    pub fn recv(&mut self) -> impl Future<Output = Result<T, RecvError>> {
        self.recv_at(Location::caller())
    }

    async fn recv_at(&mut self, at: &'static Location<'static>) -> Result<T, RecvError> {
        budget::turn().await;
        loop {
            if self.channel.end() == self.next {
                // A sender hands the value over, so that the lock is taken once for each value.
                let waiter = ValueWaiter(&self.channel, self.next);
                let granted = WaitFuture::new_at(waiter, ValueRequest::new(self.next), at).await;
                if let Some(entry) = granted.entry.filter(|_| !self.channel.is_lost(self.next)) {
                    return Ok(self.see(entry));
                }
            }
            match self.try_recv() {
                Ok(value) => return Ok(value),
                Err(TryRecvError::Lagged(missed)) => return Err(RecvError::Lagged(missed)),
                Err(TryRecvError::Closed) => return Err(RecvError::Closed),
                Err(TryRecvError::Empty) => {}
            }
        }
    }

    /// Receives the next value if there is one.
    ///
    /// # Errors
    ///
    /// Returns [`TryRecvError::Empty`] if this receiver has seen all values, [`TryRecvError::Closed`] if
    /// moreover all senders are dropped, and [`TryRecvError::Lagged`] if it missed values.
    ///
    /// ```
    /// use brigade_runtime::sync::broadcast;
    ///
    /// let (sender, mut receiver) = broadcast::channel(1);
    /// sender.send("lunch").unwrap();
    /// sender.send("dinner").unwrap();
    /// assert_eq!(receiver.try_recv(), Err(broadcast::TryRecvError::Lagged(1)));
    /// assert_eq!(receiver.try_recv(), Ok("dinner"));
    /// ```
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        if self.channel.end() == self.next {
            let has_senders = self.channel.lock().senders > 0;
            // The last sender may have sent a value before it was dropped.
            if has_senders || self.channel.end() == self.next {
                return Err(if has_senders { TryRecvError::Empty } else { TryRecvError::Closed });
            }
        }
        if self.channel.is_lost(self.next) {
            self.ahead.clear();
        }
        if self.ahead.is_empty() {
            let ring = self.channel.ring();
            self.ahead.extend(ring.from(self.next, MAX_AHEAD).rev().cloned());
            if self.ahead.is_empty() {
                let missed = ring.head() - self.next;
                self.next = ring.head();
                return Err(TryRecvError::Lagged(missed));
            }
        }
        let entry = self.ahead.pop().expect("it has just been filled");
        Ok(self.see(entry))
    }

    /// Takes the next value. No lock is held: dropping and cloning values runs foreign code.
    fn see(&mut self, entry: Arc<RingEntry<T>>) -> T {
        self.next += 1;
        drop(self.channel.note_seen(&entry));
        RingEntry::into_value(entry)
    }
}

impl<T> Receiver<T> {
    /// Creates another receiver, of all values that are sent from now on.
    ///
    /// ```
    /// let (sender, receiver) = brigade_runtime::sync::broadcast::channel(16);
    /// let mut other = receiver.resubscribe();
    /// sender.send("dinner").unwrap();
    /// assert_eq!(other.try_recv(), Ok("dinner"));
    /// ```
    #[must_use]
    pub fn resubscribe(&self) -> Self {
        subscribe(&self.channel)
    }

    /// Returns how many values this receiver has not seen, including those that it missed.
    ///
    /// ```
    /// let (sender, receiver) = brigade_runtime::sync::broadcast::channel(16);
    /// sender.send("dinner").unwrap();
    /// assert_eq!(receiver.len(), 1);
    /// ```
    pub fn len(&self) -> u64 {
        self.channel.end() - self.next
    }

    /// Returns whether this receiver has seen all values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.channel.lock().senders += 1;
        Self { channel: self.channel.clone() }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = self.channel.lock();
        state.senders -= 1;
        if state.senders == 0 {
            self.channel.announce_end(state);
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        // Dropping values runs foreign code, so it comes after the lock.
        drop(self.channel.unsubscribe(self.next));
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// The error of sending without a receiver. It contains the value.
///
/// ```
/// use brigade_runtime::sync::broadcast;
///
/// let (sender, receiver) = broadcast::channel(16);
/// drop(receiver);
/// assert_eq!(sender.send("dinner"), Err(broadcast::SendError("dinner")));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<T>(pub T);

/// The error of [`Receiver::recv`].
///
/// ```
/// use brigade_runtime::{run, sync::broadcast};
///
/// let (sender, mut receiver) = broadcast::channel(1);
/// sender.send("lunch").unwrap();
/// sender.send("dinner").unwrap();
/// assert_eq!(run(receiver.recv()), Err(broadcast::RecvError::Lagged(1)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecvError {
    /// All senders are dropped, and this receiver has seen all values.
    Closed,
    /// This many values were missed. The next call returns the oldest that is left.
    Lagged(u64),
}

/// The error of [`Receiver::try_recv`].
///
/// ```
/// use brigade_runtime::sync::broadcast;
///
/// let (sender, mut receiver) = broadcast::channel::<u32>(16);
/// assert_eq!(receiver.try_recv(), Err(broadcast::TryRecvError::Empty));
/// drop(sender);
/// assert_eq!(receiver.try_recv(), Err(broadcast::TryRecvError::Closed));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TryRecvError {
    /// This receiver has seen all values.
    Empty,
    /// All senders are dropped, and this receiver has seen all values.
    Closed,
    /// This many values were missed. The next call returns the oldest that is left.
    Lagged(u64),
}

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

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the channel is closed"),
            Self::Lagged(missed) => write!(f, "{missed} values were missed"),
        }
    }
}

impl error::Error for RecvError {}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("there is no new value"),
            Self::Closed => f.write_str("the channel is closed"),
            Self::Lagged(missed) => write!(f, "{missed} values were missed"),
        }
    }
}

impl error::Error for TryRecvError {}
