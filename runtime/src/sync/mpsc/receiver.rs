//! The receiving side of a channel.

use super::{TryRecvError, channel::MpscChannel};
use crate::{shim::lock, task::budget};
use futures_core::Stream;
use std::{
    collections::VecDeque,
    fmt,
    future::poll_fn,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

/// A buffer that has grown beyond this many values is not kept when it is empty, unless it could be needed again at once.
const MAX_KEPT_CAPACITY: usize = 1024;

/// Receives from a channel: a `Stream` of the values. Dropping it closes the channel and drops what is in it.
pub struct Receiver<T> {
    channel: Arc<MpscChannel<T>>,
    /// Taken out of the channel and not received yet.
    local: VecDeque<T>,
    /// A waker that was cloned in vain: kept, for the next time.
    spare: Option<Waker>,
}

// The values are moved, never pinned.
impl<T> Unpin for Receiver<T> {}

impl<T> Receiver<T> {
    pub(super) fn new(channel: Arc<MpscChannel<T>>) -> Self {
        Self { channel, local: VecDeque::new(), spare: None }
    }

    /// The next value; `None` if all senders are gone, or the receiver is [closed](Self::close), and no value is left.
    ///
    /// # Cancellation
    ///
    /// A future that is dropped before it is ready has received nothing: nothing is lost.
    pub async fn recv(&mut self) -> Option<T> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// [`recv`](Self::recv), as one poll of it.
    #[inline]
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        ready!(budget::poll(cx));
        if self.local.is_empty() && ready!(self.poll_batch(cx)).is_none() {
            budget::spend();
            return Poll::Ready(None);
        }
        let value = self.local.pop_front();
        self.channel.make_room(1);
        budget::spend();
        Poll::Ready(value)
    }

    /// Receives up to `limit` values at once, and adds them to the buffer; waits while there is none. How many they were: 0
    /// only at the end of the channel, or if the limit is 0.
    ///
    /// # Cancellation
    ///
    /// A future that is dropped before it is ready has received nothing: nothing is lost.
    pub async fn recv_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> usize {
        poll_fn(|cx| self.poll_recv_many(cx, buffer, limit)).await
    }

    /// [`recv_many`](Self::recv_many), as one poll of it.
    pub fn poll_recv_many(&mut self, cx: &mut Context<'_>, buffer: &mut Vec<T>, limit: usize) -> Poll<usize> {
        ready!(budget::poll(cx));
        let is_over = limit > 0 && self.local.is_empty() && ready!(self.poll_batch(cx)).is_none();
        if limit == 0 || is_over {
            budget::spend();
            return Poll::Ready(0);
        }
        let count = limit.min(self.local.len());
        buffer.extend(self.local.drain(..count));
        self.channel.make_room(count);
        budget::spend();
        Poll::Ready(count)
    }

    /// The next value if there is one.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`] says whether one may still come.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        if self.local.is_empty() {
            let mut state = lock(&self.channel.state);
            if state.items.is_empty() {
                return Err(if state.is_over() { TryRecvError::Closed } else { TryRecvError::Empty });
            }
            mem::swap(&mut self.local, &mut state.items);
        }
        let value = self.local.pop_front().ok_or(TryRecvError::Empty);
        self.channel.make_room(1);
        value
    }

    /// Takes what lies there, of which there is at least one; `None` at the end.
    #[inline(never)]
    fn poll_batch(&mut self, cx: &mut Context<'_>) -> Poll<Option<()>> {
        // Foreign code, so before the lock.
        let waker = self.spare.take().filter(|spare| spare.will_wake(cx.waker()));
        let waker = waker.unwrap_or_else(|| cx.waker().clone());
        if self.local.capacity() > MAX_KEPT_CAPACITY {
            self.local = VecDeque::new();
        }
        let mut state = lock(&self.channel.state);
        if !state.items.is_empty() {
            mem::swap(&mut self.local, &mut state.items);
            drop(state);
            self.spare = Some(waker);
            return Poll::Ready(Some(()));
        }
        if state.is_over() {
            return Poll::Ready(None);
        }
        let old = state.receiver.replace(waker);
        drop(state);
        drop(old);
        Poll::Pending
    }

    /// Says that no more values are wanted. Those that were sent, and those for which a sender has a permit, can still be
    /// received; then comes `None`.
    pub fn close(&mut self) {
        self.channel.close();
    }

    /// Whether it was closed, or all senders are gone.
    pub fn is_closed(&self) -> bool {
        let state = lock(&self.channel.state);
        state.closed || state.finished
    }

    /// How many values wait to be received.
    pub fn len(&self) -> usize {
        self.local.len() + lock(&self.channel.state).items.len()
    }

    /// Whether none do.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many more values could be sent now; `None` if there is no limit.
    pub fn capacity(&self) -> Option<usize> {
        self.channel.capacity.map(|_| self.channel.free())
    }

    /// How many values the channel has room for; `None` if there is no limit.
    pub fn max_capacity(&self) -> Option<usize> {
        self.channel.capacity
    }
}

impl<T> Stream for Receiver<T> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.get_mut().poll_recv(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.local.len(), None)
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.channel.close();
        let mut state = lock(&self.channel.state);
        state.abandoned = true;
        let left = mem::take(&mut state.items);
        let waker = state.receiver.take();
        drop(state);
        // Foreign code, outside of the lock.
        drop((waker, left));
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("len", &self.len()).finish_non_exhaustive()
    }
}
