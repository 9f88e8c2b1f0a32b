//! A channel for one value.
//!
//! One allocation for both sides, and one byte that says how far they are:
//!
//! ```text
//!   bit 0  DONE           the sender has said its last word: the value, or none     set by the sender, once
//!   bit 1  CLOSED         the receiver wants no value any more                      set by the receiver, once
//!   bit 2  SENDER_GONE    the sender does not touch the channel any more            set by the sender, once
//!   bit 3  RECEIVER_GONE  nor does the receiver; implies CLOSED                     set by the receiver, once
//!   bit 4  RECEIVER_WAITS its waker is stored                                       set and cleared by the receiver
//!   bit 5  SENDER_WAITS   its waker is stored, for `closed`                         set and cleared by the sender
//! ```
//!
//! # Who may touch what, and when
//!
//! 1. Until DONE the value is the sender's, from DONE on the receiver's. DONE is not set after CLOSED: then the sender keeps
//!    the value, and SENDER_GONE is its last word.
//! 2. A waker is its own side's while its WAITS is not set. The receiver clears its WAITS only while DONE is not set, the
//!    sender only while CLOSED is not set.
//! 3. If the operation that set DONE found RECEIVER_WAITS, the receiver's waker is the sender's to take, until SENDER_GONE.
//!    If the operation that set CLOSED found SENDER_WAITS and not DONE, the sender's waker is the receiver's to take, until
//!    RECEIVER_GONE.
//! 4. Whoever sets the second of the two GONE bits frees the channel, with all that is in it.
//!
//! # Why no wake-up is lost
//!
//! As in the slot of `brigade-handle`: the value and DONE, the waker and WAITS are each stored and then announced by a
//! read-modify-write operation on one byte, so that one of the two comes second and sees the other's bit. The same holds
//! for CLOSED and the sender's waker.
//!
//! After tokio's `sync/oneshot.rs`; that the last one frees by the same byte, without a count of references, is an idea of
//! the crate `oneshot`.

use crate::{
    shim::{AtomicU8, Ordering, UnsafeCell},
    sync::wakers::wake,
    task::budget,
};
use brigade_trace::Cause;
use std::{
    error, fmt,
    future::{Future, poll_fn},
    pin::Pin,
    ptr::NonNull,
    task::{Context, Poll, Waker, ready},
};

const DONE: u8 = 1 << 0;
const CLOSED: u8 = 1 << 1;
const SENDER_GONE: u8 = 1 << 2;
const RECEIVER_GONE: u8 = 1 << 3;
const RECEIVER_WAITS: u8 = 1 << 4;
const SENDER_WAITS: u8 = 1 << 5;

/// Makes a channel for one value.
///
/// ```
/// use brigade_runtime::{run, spawn, sync::oneshot};
///
/// run(async {
///     let (sender, receiver) = oneshot::channel();
///     spawn(async move { sender.send(6 * 7) });
///     assert_eq!(receiver.await, Ok(42));
/// });
/// ```
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let channel = OneshotChannel {
        state: AtomicU8::new(0),
        value: UnsafeCell::new(None),
        receiver: UnsafeCell::new(None),
        sender: UnsafeCell::new(None),
    };
    let channel = NonNull::from(Box::leak(Box::new(channel)));
    (Sender(Side(channel)), Receiver(Side(channel)))
}

struct OneshotChannel<T> {
    state: AtomicU8,
    // --- the sender's until DONE, then the receiver's (rule 1) ---
    value: UnsafeCell<Option<T>>,
    // --- rules 2 and 3 ---
    receiver: UnsafeCell<Option<Waker>>,
    sender: UnsafeCell<Option<Waker>>,
}

/// One side's reference, good until it sets its GONE bit.
struct Side<T>(NonNull<OneshotChannel<T>>);

impl<T> Side<T> {
    #[inline]
    fn channel(&self) -> &OneshotChannel<T> {
        // SAFETY: this side's GONE bit is not set while somebody has this, so the channel is not freed (rule 4).
        unsafe { self.0.as_ref() }
    }

    /// Frees the channel.
    ///
    /// # Safety
    ///
    /// The caller saw the other side's GONE bit by an Acquire and has set its own, or would now.
    #[inline]
    unsafe fn free(&self) {
        // Loom does not see that a cell is dropped, only that it is used.
        #[cfg(loom)]
        {
            let channel = self.channel();
            channel.value.with_mut(drop);
            channel.receiver.with_mut(drop);
            channel.sender.with_mut(drop);
        }
        // SAFETY: it came from a box, and nobody but us touches it any more (rule 4).
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

/// Takes the waker out of its cell.
///
/// # Safety
///
/// It is the caller's to take (rule 3), or to replace (rule 2).
unsafe fn take_waker(cell: &UnsafeCell<Option<Waker>>) -> Option<Waker> {
    // SAFETY: the caller promises it.
    cell.with_mut(|waker| unsafe { (*waker).take() })
}

/// Stores one's own waker and says so by `bit`, unless a bit of `end` came first. Whether it waits now.
///
/// # Safety
///
/// The caller is the one side whose cell and whose bit these are, and `end` is what the other side sets before it takes
/// the waker.
unsafe fn register(
    state: &AtomicU8,
    cell: &UnsafeCell<Option<Waker>>,
    bit: u8,
    end: u8,
    waker: &Waker,
) -> bool {
    // Foreign code, so before anything is changed.
    let waker = waker.clone();
    if state.load(Ordering::Relaxed) & bit != 0 {
        // Takes the waker back (rule 2), which publishes nothing. Acquire on failure pairs with the Release of who set `end`.
        let back = |now| (now & end == 0).then_some(now & !bit);
        if state.fetch_update(Ordering::Relaxed, Ordering::Acquire, back).is_err() {
            return false;
        }
    }
    // SAFETY: the bit is not set, so the waker is the caller's own (rule 2).
    let old = cell.with_mut(|cell| unsafe { (*cell).replace(waker) });
    // Release publishes the waker; Acquire pairs with the Release of who set `end`, if that came first.
    let waits = state.fetch_or(bit, Ordering::AcqRel) & end == 0;
    // Dropped last: a waker's destructor is foreign code, which must not find the channel between two states.
    drop(old);
    waits
}

/// Sends the value of a [`channel`]. Dropping it says that none will come.
pub struct Sender<T>(Side<T>);

/// Awaits the value of a [`channel`]: it is the future. Dropping it, or [`close`](Self::close), says that it is not wanted.
///
/// # Cancellation
///
/// Polled by reference (`(&mut receiver).await`), nothing is lost when the poll ends without a value.
#[must_use = "futures do nothing unless awaited"]
pub struct Receiver<T>(Side<T>);

// SAFETY: the sides share the channel by the rules above, from any threads; the value goes from one thread to the other, so
// T must be Send, and so do wakers, which are.
unsafe impl<T: Send> Send for Sender<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Receiver<T> {}
// SAFETY: what a shared reference allows is to read the state byte.
unsafe impl<T: Send> Sync for Sender<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Receiver<T> {}

impl<T> Sender<T> {
    /// Sends the value.
    ///
    /// # Errors
    ///
    /// The value, if the receiver is gone or closed.
    pub fn send(self, value: T) -> Result<(), T> {
        let channel = self.0.channel();
        // SAFETY: DONE is not set, so the value is ours (rule 1).
        channel.value.with_mut(|cell| unsafe { *cell = Some(value) });
        if self.finish() {
            std::mem::forget(self);
            return Ok(());
        }
        // SAFETY: DONE was not set because the channel is closed, so the value stays ours (rule 1).
        let value = channel.value.with_mut(|cell| unsafe { (*cell).take() });
        Err(value.expect("it was stored above"))
    }

    /// Says the last word. False if the receiver has closed: then nothing is done. If true, the channel may be gone.
    #[inline]
    fn finish(&self) -> bool {
        let channel = self.0.channel();
        let last = |now: u8| {
            // Whom nobody has to wake need not be touched again.
            let gone = if now & RECEIVER_WAITS == 0 { SENDER_GONE } else { 0 };
            (now & CLOSED == 0).then_some(now | DONE | gone)
        };
        // Release publishes the value; Acquire pairs with the receiver's when it stored its waker, or closed.
        let Ok(old) = channel.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, last) else {
            return false;
        };
        if old & RECEIVER_WAITS != 0 {
            // SAFETY: the operation that set DONE found RECEIVER_WAITS (rule 3).
            let waker = unsafe { take_waker(&channel.receiver) };
            self.release();
            wake(Cause::Queue, waker);
        }
        true
    }

    /// Sets SENDER_GONE, and frees the channel if it is the second.
    fn release(&self) {
        // Release puts our accesses before what the other does; Acquire puts its before our freeing.
        if self.0.channel().state.fetch_or(SENDER_GONE, Ordering::AcqRel) & RECEIVER_GONE != 0 {
            // SAFETY: the other's GONE was seen by an Acquire, and ours is set.
            unsafe { self.0.free() };
        }
    }

    /// Whether the receiver is gone or closed, so that a value would be refused.
    pub fn is_closed(&self) -> bool {
        self.0.channel().state.load(Ordering::Acquire) & CLOSED != 0
    }

    /// Waits until the receiver is gone or closed.
    ///
    /// # Cancellation
    ///
    /// Dropping the future has no effect.
    pub async fn closed(&mut self) {
        poll_fn(|cx| self.poll_closed(cx)).await;
    }

    /// [`closed`](Self::closed), as one poll of it.
    pub fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        ready!(budget::poll(cx));
        let channel = self.0.channel();
        let waits = !self.is_closed()
            // SAFETY: these are the sender's cell and bit, and the receiver sets CLOSED before it takes the waker.
            && unsafe { register(&channel.state, &channel.sender, SENDER_WAITS, CLOSED, cx.waker()) };
        if waits {
            return Poll::Pending;
        }
        budget::spend();
        Poll::Ready(())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if !self.finish() {
            self.release();
        }
    }
}

impl<T> Receiver<T> {
    /// Takes the value if it is there.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`] says whether one may still come.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        // Acquire pairs with the Release in `finish`.
        let state = self.0.channel().state.load(Ordering::Acquire);
        if state & DONE != 0 {
            self.take().ok_or(TryRecvError::Closed)
        } else if state & CLOSED != 0 {
            Err(TryRecvError::Closed)
        } else {
            Err(TryRecvError::Empty)
        }
    }

    /// The value, if there is one. DONE was seen by an Acquire.
    #[inline]
    fn take(&self) -> Option<T> {
        // SAFETY: DONE is set, so the value is ours (rule 1).
        self.0.channel().value.with_mut(|value| unsafe { (*value).take() })
    }

    /// Says that no value is wanted any more. One that was sent before can still be taken.
    pub fn close(&mut self) {
        let state = &self.0.channel().state;
        // Release and Acquire pair with the sender's when it stored its waker.
        let old = state.fetch_or(CLOSED, Ordering::AcqRel);
        self.wake_sender(old);
    }

    /// Wakes the sender if it waits for the closing, which found the state to be `old`.
    fn wake_sender(&self, old: u8) {
        if old & (CLOSED | DONE | SENDER_WAITS) == SENDER_WAITS {
            // SAFETY: the operation that set CLOSED found SENDER_WAITS and not DONE (rule 3).
            let waker = unsafe { take_waker(&self.0.channel().sender) };
            wake(Cause::Notify, waker);
        }
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, RecvError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, RecvError>> {
        ready!(budget::poll(cx));
        let channel = self.0.channel();
        // Acquire pairs with the Release in `finish`.
        let state = channel.state.load(Ordering::Acquire);
        let waits = state & (DONE | CLOSED) == 0
            // SAFETY: these are the receiver's cell and bit, and the sender sets DONE before it takes the waker.
            && unsafe { register(&channel.state, &channel.receiver, RECEIVER_WAITS, DONE, cx.waker()) };
        if waits {
            return Poll::Pending;
        }
        budget::spend();
        // Closed before there was a value: there will be none, and the value is not ours.
        let value = if state & CLOSED != 0 && state & DONE == 0 { None } else { self.take() };
        Poll::Ready(value.ok_or(RecvError(())))
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let state = &self.0.channel().state;
        // Foreign code, so dropped last: the sender may free the channel meanwhile, or we have.
        let mut _value = None;
        // Acquire pairs with the Release of the sender's last word.
        let mut old = state.load(Ordering::Acquire);
        if old & SENDER_GONE == 0 {
            if old & DONE == 0 {
                // As in `close`.
                old = state.fetch_or(CLOSED, Ordering::AcqRel);
                self.wake_sender(old);
            }
            if old & DONE != 0 {
                _value = self.take();
            }
            // Release puts our accesses before what the other does; Acquire puts its before our freeing.
            old = state.fetch_or(RECEIVER_GONE | CLOSED, Ordering::AcqRel);
            if old & SENDER_GONE == 0 {
                return;
            }
        }
        // SAFETY: the other's GONE was seen by an Acquire, and ours is as good as set.
        unsafe { self.0.free() };
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("closed", &self.is_closed()).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let done = self.0.channel().state.load(Ordering::Relaxed) & DONE != 0;
        f.debug_struct("Receiver").field("done", &done).finish_non_exhaustive()
    }
}

/// There is no value, and none will come: the sender was dropped, or the receiver closed, or it was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecvError(());

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the channel is closed, and there is no value in it")
    }
}

impl error::Error for RecvError {}

/// Why there is no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TryRecvError {
    /// One may still come.
    Empty,
    /// None will come.
    Closed,
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "there is no value yet",
            Self::Closed => "the channel is closed, and there is no value in it",
        })
    }
}

impl error::Error for TryRecvError {}
