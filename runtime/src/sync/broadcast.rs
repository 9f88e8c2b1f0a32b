//! A channel in which each receiver gets each value: a ring of the latest ones.
//!
//! A value lies in the ring until every receiver that was there when it was sent has seen it, or until the ring is full and
//! it is the oldest. A receiver that is that slow hears how many it missed ([`RecvError::Lagged`]), and goes on with the
//! oldest that there is.
//!
//! ```text
//!   ring   [ 17 | 18 | 19 ]        head = 17: the number of the value in front
//!             ▲    ▲        ▲
//!      receivers, each with the number of the value that it wants next
//! ```
//!
//! Receivers see values in their order. So when the last one sees a value, all have seen those before it: the value is in
//! front, and leaves the ring. The interface is tokio's (`sync/broadcast.rs`).

use super::{
    wait_queue::{WaitFuture, WaitQueue},
    waiter::{Attempt, Waiter},
    wakers::grant_all,
};
use crate::{
    shim::{self, lock},
    task::budget,
};
use brigade_trace::Cause;
use std::{collections::VecDeque, error, fmt, sync::Arc};

/// Makes a channel that keeps `capacity` values for receivers that are slow.
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
/// If the capacity is 0: nobody could ever receive anything.
#[must_use]
pub fn channel<T: Clone>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    assert!(capacity > 0, "a broadcast channel keeps one value at least");
    let state = State { ring: VecDeque::new(), head: 0, receivers: 1, senders: 1, queue: WaitQueue::new() };
    let channel = Arc::new(BroadcastChannel { capacity, state: shim::Mutex::new(state) });
    (Sender { channel: channel.clone() }, Receiver { channel, next: 0 })
}

struct BroadcastChannel<T> {
    capacity: usize,
    state: shim::Mutex<State<T>>,
}

struct State<T> {
    ring: VecDeque<RingEntry<T>>,
    /// The number of the value in front, or of the next one.
    head: u64,
    receivers: usize,
    senders: usize,
    queue: WaitQueue<()>,
}

struct RingEntry<T> {
    /// Shared, so that it is cloned outside of the lock.
    value: Arc<T>,
    /// How many receivers have not seen it.
    unseen: usize,
}

impl<T> State<T> {
    /// The number of the next value to be sent.
    fn end(&self) -> u64 {
        self.head + self.ring.len() as u64
    }

    /// Where the value of this number lies. It is in the ring.
    fn index(&self, number: u64) -> usize {
        usize::try_from(number - self.head).expect("a ring has places that can be counted")
    }

    fn pop(&mut self) -> Option<RingEntry<T>> {
        self.head += 1;
        self.ring.pop_front()
    }

    /// Whether a receiver that wants the value of this number next need not wait.
    fn has(&self, next: u64) -> bool {
        next < self.end() || self.senders == 0
    }
}

/// Sends to all receivers of a [`channel`]. Clones send into the same one.
pub struct Sender<T> {
    channel: Arc<BroadcastChannel<T>>,
}

/// Receives each value of a [`channel`] that is sent while it is there.
pub struct Receiver<T> {
    channel: Arc<BroadcastChannel<T>>,
    /// The number of the value that it wants next.
    next: u64,
}

impl<T> Sender<T> {
    /// Sends a value to all receivers; how many they are. It never waits: if the ring is full, the oldest value leaves it.
    ///
    /// # Errors
    ///
    /// [`SendError`], with the value, if there is no receiver.
    pub fn send(&self, value: T) -> Result<usize, SendError<T>> {
        let mut state = lock(&self.channel.state);
        let unseen = state.receivers;
        if unseen == 0 {
            return Err(SendError(value));
        }
        let oldest = if state.ring.len() == self.channel.capacity { state.pop() } else { None };
        state.ring.push_back(RingEntry { value: Arc::new(value), unseen });
        grant_all(&ValueWaiter(&self.channel, 0), state, Cause::Queue, |()| ());
        // Foreign code, outside of the lock.
        drop(oldest);
        Ok(unseen)
    }

    /// A receiver of all that is sent from now on.
    pub fn subscribe(&self) -> Receiver<T> {
        subscribe(&self.channel)
    }

    /// How many receivers there are.
    pub fn receiver_count(&self) -> usize {
        lock(&self.channel.state).receivers
    }

    /// How many values are kept for receivers that have not seen them.
    pub fn len(&self) -> usize {
        lock(&self.channel.state).ring.len()
    }

    /// Whether none are.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn subscribe<T>(channel: &Arc<BroadcastChannel<T>>) -> Receiver<T> {
    let mut state = lock(&channel.state);
    state.receivers += 1;
    let next = state.end();
    drop(state);
    Receiver { channel: channel.clone(), next }
}

impl<T: Clone> Receiver<T> {
    /// The next value.
    ///
    /// # Errors
    ///
    /// [`RecvError`] if values were missed, or if all senders are gone and all values seen.
    ///
    /// # Cancellation
    ///
    /// A future that is dropped before it is ready has received nothing.
    pub async fn recv(&mut self) -> Result<T, RecvError> {
        budget::turn().await;
        loop {
            match self.try_recv() {
                Ok(value) => return Ok(value),
                Err(TryRecvError::Lagged(missed)) => return Err(RecvError::Lagged(missed)),
                Err(TryRecvError::Closed) => return Err(RecvError::Closed),
                Err(TryRecvError::Empty) => WaitFuture::new(ValueWaiter(&self.channel, self.next), ()).await,
            }
        }
    }

    /// The next value, if there is one.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`] says why not.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        let mut state = lock(&self.channel.state);
        if self.next < state.head {
            let missed = state.head - self.next;
            self.next = state.head;
            return Err(TryRecvError::Lagged(missed));
        }
        if self.next == state.end() {
            return Err(if state.senders == 0 { TryRecvError::Closed } else { TryRecvError::Empty });
        }
        let index = state.index(self.next);
        let entry = &mut state.ring[index];
        let value = entry.value.clone();
        entry.unseen -= 1;
        // Then it is in front: see the head of the file.
        let seen = if entry.unseen == 0 { state.pop() } else { None };
        drop(state);
        self.next += 1;
        drop(seen);
        // Foreign code, outside of the lock; none if nobody else has the value.
        Ok(Arc::unwrap_or_clone(value))
    }
}

impl<T> Receiver<T> {
    /// Another receiver, of all that is sent from now on.
    #[must_use]
    pub fn resubscribe(&self) -> Self {
        subscribe(&self.channel)
    }

    /// How many values there are that it has not seen, missed ones among them.
    pub fn len(&self) -> u64 {
        lock(&self.channel.state).end() - self.next
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One who waits for the value of this number, or a later one.
struct ValueWaiter<'a, T>(&'a BroadcastChannel<T>, u64);

impl<T> Waiter for ValueWaiter<'_, T> {
    type State = State<T>;
    type Request = ();

    fn lock(&self) -> &shim::Mutex<State<T>> {
        &self.0.state
    }

    fn queue(state: &mut State<T>) -> &mut WaitQueue<()> {
        &mut state.queue
    }

    fn try_fast(&self, (): &mut ()) -> Attempt {
        Attempt::Wait
    }

    fn try_locked(&self, state: &mut State<T>, (): &mut ()) -> Attempt {
        Attempt::done_if(state.has(self.1))
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        lock(&self.channel.state).senders += 1;
        Self { channel: self.channel.clone() }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = lock(&self.channel.state);
        state.senders -= 1;
        if state.senders == 0 {
            grant_all(&ValueWaiter(&self.channel, 0), state, Cause::Queue, |()| ());
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = lock(&self.channel.state);
        state.receivers -= 1;
        let mut seen = Vec::new();
        for number in self.next.max(state.head)..state.end() {
            let index = state.index(number);
            let entry = &mut state.ring[index];
            entry.unseen -= 1;
            if entry.unseen == 0 {
                seen.extend(state.pop());
            }
        }
        drop(state);
        // Foreign code, outside of the lock.
        drop(seen);
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

/// There is no receiver. Has the value that was not sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<T>(pub T);

/// Why there is no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecvError {
    /// All senders are gone, and all values were seen.
    Closed,
    /// So many values were missed. The next call gives the oldest that is left.
    Lagged(u64),
}

/// Why there is no value now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TryRecvError {
    /// All values were seen.
    Empty,
    /// All senders are gone, and all values were seen.
    Closed,
    /// So many values were missed. The next call gives the oldest that is left.
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
