//! The receiving side of a channel.

use super::{TryRecvError, channel::MpscChannel};
use crate::{shim::lock, task::budget};
use brigade_trace::{Cause, Wait};
use futures_core::Stream;
use std::{
    collections::VecDeque,
    fmt,
    future::{Future, poll_fn},
    mem,
    panic::Location,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

/// The largest buffer that is kept when it is empty, in values. A larger one is freed, unless it could be
/// needed again at once.
const MAX_KEPT_CAPACITY: usize = 1024;

/// Receives from a channel, and is a `Stream` of the values. Dropping it closes the channel and drops the
/// values in it.
///
/// ```
/// use brigade_runtime::{run, sync::mpsc};
/// use futures_util::StreamExt;
///
/// let (sender, receiver) = mpsc::unbounded();
/// sender.send("soup").unwrap();
/// sender.send("pie").unwrap();
/// drop(sender);
/// assert_eq!(run(receiver.collect::<Vec<_>>()), ["soup", "pie"]);
/// ```
pub struct Receiver<T> {
    channel: Arc<MpscChannel<T>>,
    /// Values that were taken out of the channel and not received yet.
    local: VecDeque<T>,
    /// A waker that was cloned and not needed. It is kept for the next wait.
    spare: Option<Waker>,
    /// The wait for a value that a trace knows of.
    wait: Wait,
}

// No foreign code runs while the channel is half changed, and a shared reference reaches no value.
impl<T> std::panic::UnwindSafe for Receiver<T> {}
impl<T> std::panic::RefUnwindSafe for Receiver<T> {}

// The values are moved, never pinned.
impl<T> Unpin for Receiver<T> {}

impl<T> Receiver<T> {
    pub(super) fn new(channel: Arc<MpscChannel<T>>) -> Self {
        Self { channel, local: VecDeque::new(), spare: None, wait: Wait::NONE }
    }

    /// Waits for the next value. Returns `None` if no value is left, and all senders are dropped or the
    /// receiver is [closed](Self::close).
    ///
    /// # Cancellation
    ///
    /// A future that is dropped before it is ready has received nothing, so no value is lost.
    ///
    /// ```
    /// use brigade_runtime::{run, sync::mpsc};
    ///
    /// run(async {
    ///     let (sender, mut receiver) = mpsc::channel(1);
    ///     sender.send("soup").await.unwrap();
    ///     assert_eq!(receiver.recv().await, Some("soup"));
    /// });
    /// ```
    #[track_caller]
    pub fn recv(&mut self) -> impl Future<Output = Option<T>> {
        let at = Location::caller();
        async move {
            let receipt = Receipt(self);
            poll_fn(|cx| receipt.0.poll_recv_at(cx, at)).await
        }
    }

    /// Polls [`recv`](Self::recv) once.
    #[inline]
    #[track_caller]
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.poll_recv_at(cx, Location::caller())
    }

    #[inline]
    fn poll_recv_at(&mut self, cx: &mut Context<'_>, at: &'static Location<'static>) -> Poll<Option<T>> {
        ready!(budget::poll(cx));
        if self.local.is_empty() && ready!(self.poll_batch(cx, at)).is_none() {
            budget::spend();
            return Poll::Ready(None);
        }
        let value = self.local.pop_front();
        self.channel.make_room(1);
        budget::spend();
        Poll::Ready(value)
    }

    /// Waits for values, and appends up to `limit` of them to `buffer`. Returns how many: 0 only at the end
    /// of the channel, or if `limit` is 0.
    ///
    /// # Cancellation
    ///
    /// A future that is dropped before it is ready has received nothing, so no value is lost.
    ///
    /// ```
    /// use brigade_runtime::{run, sync::mpsc};
    ///
    /// let (sender, mut receiver) = mpsc::unbounded();
    /// (0..5).for_each(|n| sender.send(n).unwrap());
    /// let mut batch = Vec::new();
    /// assert_eq!(run(receiver.recv_many(&mut batch, 3)), 3);
    /// assert_eq!(batch, [0, 1, 2]);
    /// ```
    #[track_caller]
    pub fn recv_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> impl Future<Output = usize> {
        let at = Location::caller();
        async move {
            let receipt = Receipt(self);
            poll_fn(|cx| receipt.0.poll_recv_many_at(cx, buffer, limit, at)).await
        }
    }

    /// Polls [`recv_many`](Self::recv_many) once.
    #[track_caller]
    pub fn poll_recv_many(&mut self, cx: &mut Context<'_>, buffer: &mut Vec<T>, limit: usize) -> Poll<usize> {
        self.poll_recv_many_at(cx, buffer, limit, Location::caller())
    }

    fn poll_recv_many_at(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut Vec<T>,
        limit: usize,
        at: &'static Location<'static>,
    ) -> Poll<usize> {
        ready!(budget::poll(cx));
        let is_over = limit > 0 && self.local.is_empty() && ready!(self.poll_batch(cx, at)).is_none();
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

    /// Receives the next value if there is one.
    ///
    /// # Errors
    ///
    /// Returns [`TryRecvError::Empty`] if a value may still come, and [`TryRecvError::Closed`] if none
    /// will.
    ///
    /// ```
    /// let (sender, mut receiver) = brigade_runtime::sync::mpsc::unbounded();
    /// sender.send("soup").unwrap();
    /// assert_eq!(receiver.try_recv(), Ok("soup"));
    /// ```
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

    /// Takes all waiting values, at least one. Returns `None` at the end of the channel.
    #[inline(never)]
    fn poll_batch(&mut self, cx: &mut Context<'_>, at: &'static Location<'static>) -> Poll<Option<()>> {
        // Cloning runs foreign code, so it comes before the lock.
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
            self.wait.ended(Cause::Item);
            return Poll::Ready(Some(()));
        }
        if state.is_over() {
            drop(state);
            self.wait.ended(Cause::Close);
            return Poll::Ready(None);
        }
        let old = state.receiver.replace(waker);
        // Still under the lock: a trace shows the begin of the wait before what ends it.
        self.wait.begun(|| self.channel.resource.id(), Cause::Item, at);
        drop(state);
        drop(old);
        Poll::Pending
    }

    /// Refuses further values. Values that were sent can still be received, and so can those for which a
    /// sender has a permit. After them comes `None`.
    ///
    /// ```
    /// use brigade_runtime::{run, sync::mpsc};
    ///
    /// let (sender, mut receiver) = mpsc::unbounded();
    /// sender.send("soup").unwrap();
    /// receiver.close();
    /// assert!(sender.send("pie").is_err());
    /// assert_eq!(run(receiver.recv()), Some("soup"));
    /// assert_eq!(run(receiver.recv()), None);
    /// ```
    pub fn close(&mut self) {
        self.channel.close();
    }

    /// Returns whether this was closed, or all senders are dropped.
    pub fn is_closed(&self) -> bool {
        let state = lock(&self.channel.state);
        state.closed || state.finished
    }

    /// Returns how many values wait to be received.
    ///
    /// ```
    /// let (sender, receiver) = brigade_runtime::sync::mpsc::unbounded();
    /// sender.send("soup").unwrap();
    /// assert_eq!(receiver.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.local.len() + lock(&self.channel.state).items.len()
    }

    /// Returns whether no value waits to be received.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns how many more values could be sent now, or `None` if there is no limit.
    pub fn capacity(&self) -> Option<usize> {
        self.channel.capacity.map(|_| self.channel.free())
    }

    /// Returns how many values the channel has room for, or `None` if there is no limit.
    pub fn max_capacity(&self) -> Option<usize> {
        self.channel.capacity
    }
}

/// The receipt of a value, under way. If its future is dropped, the wait is given up.
struct Receipt<'a, T>(&'a mut Receiver<T>);

impl<T> Drop for Receipt<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.0.wait.ended(Cause::Cancel);
    }
}

impl<T> Stream for Receiver<T> {
    type Item = T;

    #[track_caller]
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
        // Dropping these runs foreign code, so it comes after the lock.
        drop((waker, left));
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("len", &self.len()).finish_non_exhaustive()
    }
}
