//! A channel from many senders to one receiver, in the order of sending.
//!
//! ```text
//!   senders ──push──▶ [ items ]  under one lock      [ local ]  the receiver's own ──pop──▶
//!                         └────── all at once, when local is empty ──▶┘
//! ```
//!
//! The receiver takes all waiting values at once, so it needs the lock once for many values. A sender wakes
//! the receiver once for many values, since waking takes the waker out. The two buffers are swapped back
//! and forth: once a channel has been as full as it gets, it does not allocate any more.
//!
//! # Room
//!
//! In a channel with a capacity, each value that was sent and not received takes room, and so does each
//! reservation of a sender ([`reserve`](Sender::reserve)):
//!
//! ```text
//!   capacity = free + reserved + values sent and not received
//! ```
//!
//! The receiver makes room without the lock, by one atomic addition to the word `received`. Senders that
//! find no room count what it made (`ChannelState::refresh`). One bit of that word says that a sender is
//! queued:
//!
//! ```text
//!   sender, under the lock                    receiver
//!   free is 0
//!   old = received.fetch_or(WAITING)          old = received.fetch_add(1)
//!   old has more than I knew? there is room   old has WAITING? takes the lock, grants room
//! ```
//!
//! Both are read-modify-write operations on one word, so one of them comes second and sees the other: no
//! sender waits for room that is there. The receiver's own wake-up cannot be lost, because it looks for
//! values and stores its waker in one critical section.
//!
//! Taking a batch under a lock is an old way to build a mailbox. The interface is tokio's (`sync/mpsc`).

mod channel;
mod receiver;
mod sender;
mod sink;

pub use receiver::Receiver;
pub use sender::{OwnedPermit, Permit, Sender, UnboundedSender};
pub use sink::SendSink;

use channel::MpscChannel;
use std::{error, fmt, sync::Arc};

/// Creates a channel with room for `capacity` values. A sender waits while it is full.
///
/// ```
/// use brigade_runtime::{run, spawn, sync::mpsc};
///
/// run(async {
///     let (sender, mut receiver) = mpsc::channel(2);
///     for n in 0..3 {
///         let sender = sender.clone();
///         spawn(async move { sender.send(n).await });
///     }
///     drop(sender);
///     let mut sum = 0;
///     while let Some(n) = receiver.recv().await {
///         sum += n;
///     }
///     assert_eq!(sum, 3);
/// });
/// ```
///
/// # Panics
///
/// Panics in the caller if the capacity is 0: nobody could ever send anything.
#[must_use]
#[track_caller]
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    assert!(capacity > 0, "a bounded channel has room for at least one value");
    let channel = Arc::new(MpscChannel::new(Some(capacity)));
    (Sender::new(channel.clone()), Receiver::new(channel))
}

/// Creates a channel with room for any number of values: sending never waits.
///
/// ```
/// use brigade_runtime::{run, sync::mpsc};
///
/// let (sender, mut receiver) = mpsc::unbounded();
/// sender.send("soup").unwrap();
/// drop(sender);
/// run(async {
///     assert_eq!(receiver.recv().await, Some("soup"));
///     assert_eq!(receiver.recv().await, None);
/// });
/// ```
#[doc(alias = "unbounded_channel")]
#[must_use]
pub fn unbounded<T>() -> (UnboundedSender<T>, Receiver<T>) {
    let channel = Arc::new(MpscChannel::new(None));
    (UnboundedSender::new(channel.clone()), Receiver::new(channel))
}

/// The error of sending to a receiver that is dropped or closed. It contains the value.
///
/// ```
/// use brigade_runtime::sync::mpsc;
///
/// let (sender, receiver) = mpsc::unbounded();
/// drop(receiver);
/// assert_eq!(sender.send("soup"), Err(mpsc::SendError("soup")));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<T>(pub T);

/// The error of sending without waiting. It contains the value.
///
/// ```
/// use brigade_runtime::sync::mpsc;
///
/// let (sender, receiver) = mpsc::channel(1);
/// assert_eq!(sender.try_send("soup"), Ok(()));
/// assert_eq!(sender.try_send("pie"), Err(mpsc::TrySendError::Full("pie")));
/// drop(receiver);
/// assert_eq!(sender.try_send("pie"), Err(mpsc::TrySendError::Closed("pie")));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TrySendError<T> {
    /// There is no room, or other senders wait for it.
    Full(T),
    /// The receiver is dropped or closed.
    Closed(T),
}

impl<T> TrySendError<T> {
    /// Returns the value that was not sent.
    ///
    /// ```
    /// use brigade_runtime::sync::mpsc;
    ///
    /// let (sender, _receiver) = mpsc::channel(1);
    /// sender.try_send("soup").unwrap();
    /// assert_eq!(sender.try_send("pie").unwrap_err().into_inner(), "pie");
    /// ```
    pub fn into_inner(self) -> T {
        let (Self::Full(value) | Self::Closed(value)) = self;
        value
    }
}

/// The error of receiving without waiting.
///
/// ```
/// use brigade_runtime::sync::mpsc;
///
/// let (sender, mut receiver) = mpsc::unbounded::<u32>();
/// assert_eq!(receiver.try_recv(), Err(mpsc::TryRecvError::Empty));
/// drop(sender);
/// assert_eq!(receiver.try_recv(), Err(mpsc::TryRecvError::Closed));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TryRecvError {
    /// There is no value yet.
    Empty,
    /// There is no value, and none will come.
    Closed,
}

const CLOSED: &str = "the channel is closed";

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SendError(..)")
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(CLOSED)
    }
}

impl<T> error::Error for SendError<T> {}

impl<T> fmt::Debug for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if matches!(self, Self::Full(_)) { "Full(..)" } else { "Closed(..)" })
    }
}

impl<T> fmt::Display for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if matches!(self, Self::Full(_)) { "the channel is full" } else { CLOSED })
    }
}

impl<T> error::Error for TrySendError<T> {}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Empty { "the channel is empty" } else { CLOSED })
    }
}

impl error::Error for TryRecvError {}
