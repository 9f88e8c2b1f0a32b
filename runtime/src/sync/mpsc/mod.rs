//! A channel from many senders to one receiver, in the order of sending.
//!
//! ```text
//!   senders ──push──▶ [ items ]  under one lock      [ local ]  the receiver's own ──pop──▶
//!                         └────── all at once, when local is empty ──▶┘
//! ```
//!
//! The receiver takes everything that lies there at once, so it needs the lock once for many values; and a sender wakes it
//! once for many values, since it takes the waker out when it wakes. The two buffers go back and forth: a channel that has
//! been as full as it gets allocates nothing any more.
//!
//! # Room
//!
//! In a channel with a capacity each value that was sent and not received, and each promise to a sender that has
//! [reserved](Sender::reserve), takes room:
//!
//! ```text
//!   capacity = free + promised + values sent and not received
//! ```
//!
//! The receiver makes room without the lock, by one atomic addition to the word `received`, and senders that find no room
//! count what it made (`State::refresh`). One bit of that word says that a sender stands in line:
//!
//! ```text
//!   sender, under the lock                    receiver
//!   free is 0
//!   old = received.fetch_or(WAITING)          old = received.fetch_add(1)
//!   old has more than I knew? there is room   old has WAITING? takes the lock, grants turns
//! ```
//!
//! Both are read-modify-write operations on one word, so one of them comes second and sees the other: no sender waits for
//! room that is there. The receiver's own wake-up cannot be lost because it looks for values and leaves its waker in one
//! critical section.
//!
//! Taking a batch under a lock is an old way to build a mailbox; the interface is tokio's (`sync/mpsc`).

mod channel;
mod receiver;
mod sender;
mod sink;

pub use receiver::Receiver;
pub use sender::{OwnedPermit, Permit, Sender, UnboundedSender};
pub use sink::SendSink;

use channel::MpscChannel;
use std::{error, fmt, sync::Arc};

/// Makes a channel with room for `capacity` values: who sends more waits.
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
/// If the capacity is 0: nobody could ever send anything.
#[must_use]
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    assert!(capacity > 0, "a bounded channel has room for at least one value");
    let channel = Arc::new(MpscChannel::new(Some(capacity)));
    (Sender::new(channel.clone()), Receiver::new(channel))
}

/// Makes a channel with room for any number of values: sending never waits.
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
#[must_use]
pub fn unbounded<T>() -> (UnboundedSender<T>, Receiver<T>) {
    let channel = Arc::new(MpscChannel::new(None));
    (UnboundedSender::new(channel.clone()), Receiver::new(channel))
}

/// The receiver is gone or closed. Has the value that was not sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<T>(pub T);

/// Why a value was not sent, and the value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TrySendError<T> {
    /// There is no room, or others wait for it.
    Full(T),
    /// The receiver is gone or closed.
    Closed(T),
}

impl<T> TrySendError<T> {
    /// The value.
    pub fn into_inner(self) -> T {
        let (Self::Full(value) | Self::Closed(value)) = self;
        value
    }
}

/// Why nothing was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TryRecvError {
    /// There is no value yet.
    Empty,
    /// There is none, and none will come.
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
