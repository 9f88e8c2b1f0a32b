//! A channel for one value.
//!
//! Both sides share one allocation, with one byte that holds their progress:
//!
//! ```text
//!   bit 0  DONE           the sender has finished: it sent the value, or none   set by the sender, once
//!   bit 1  CLOSED         the receiver does not want a value any more           set by the receiver, once
//!   bit 2  SENDER_GONE    the sender does not access the channel any more       set by the sender, once
//!   bit 3  RECEIVER_GONE  nor does the receiver; implies CLOSED                 set by the receiver, once
//!   bit 4  RECEIVER_WAITS the receiver's waker is stored                        set, cleared by the receiver
//!   bit 5  SENDER_WAITS   the sender's waker is stored, for `closed`            set, cleared by the sender
//! ```
//!
//! # Access rules
//!
//! 1. The value belongs to the sender until DONE, and to the receiver from DONE on. DONE is not set after
//!    CLOSED: in that case the sender keeps the value, and finishes by setting SENDER_GONE.
//! 2. A waker belongs to its own side while its WAITS bit is not set. The receiver clears its WAITS bit
//!    only while DONE is not set, and the sender only while CLOSED is not set.
//! 3. If the operation that set DONE found RECEIVER_WAITS, the sender may take the receiver's waker, until
//!    SENDER_GONE. If the operation that set CLOSED found SENDER_WAITS and not DONE, the receiver may take
//!    the sender's waker, until RECEIVER_GONE.
//! 4. The side that sets the second of the two GONE bits frees the channel, with everything in it.
//!
//! # Why no wake-up is lost
//!
//! The argument is that of the slot of `brigade-handle`: the value and DONE, the waker and WAITS are each
//! stored first and then announced by a read-modify-write operation on one byte. So one of the two
//! operations comes second and sees the other's bit. The same holds for CLOSED and the sender's waker.
//!
//! After tokio's `sync/oneshot.rs`. The idea that the last side frees the channel by the same byte, without
//! a reference count, comes from the crate `oneshot`.
//!
//! Long: both sides follow one set of rules on one byte, which must not be spread over files.

use crate::{
    shim::{AtomicU8, Ordering, UnsafeCell},
    sync::wakers::wake,
    task::budget,
};
use brigade_trace::{Cause, Domain, Resource, Wait};
use std::{
    error, fmt,
    future::{Future, poll_fn},
    panic::Location,
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

/// Creates a channel for one value.
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
        resource: Resource::new(Domain::Channel),
        value: UnsafeCell::new(None),
        receiver: UnsafeCell::new(None),
        sender: UnsafeCell::new(None),
    };
    let channel = NonNull::from(Box::leak(Box::new(channel)));
    (Sender(Side(channel)), Receiver(Side(channel), Wait::NONE))
}

struct OneshotChannel<T> {
    state: AtomicU8,
    resource: Resource,
    // --- belongs to the sender until DONE, then to the receiver (rule 1) ---
    value: UnsafeCell<Option<T>>,
    // --- rules 2 and 3 ---
    receiver: UnsafeCell<Option<Waker>>,
    sender: UnsafeCell<Option<Waker>>,
}

/// One side's reference, which is valid until that side sets its GONE bit.
struct Side<T>(NonNull<OneshotChannel<T>>);

impl<T> Side<T> {
    #[inline]
    fn channel(&self) -> &OneshotChannel<T> {
        // SAFETY: this side's GONE bit is not set while this reference is in use, so the channel is not
        // freed (rule 4).
        unsafe { self.0.as_ref() }
    }

    /// Takes the value, if there is one. The caller has seen DONE by an Acquire load.
    #[inline]
    fn take(&self) -> Option<T> {
        // SAFETY: DONE is set, so the value is ours (rule 1).
        self.channel().value.with_mut(|value| unsafe { (*value).take() })
    }

    /// Frees the channel.
    ///
    /// # Safety
    ///
    /// The caller has seen the other side's GONE bit by an Acquire load, and has set its own or is about
    /// to.
    #[inline]
    unsafe fn free(&self) {
        // Loom does not see that a cell is dropped, only that it is accessed.
        #[cfg(loom)]
        {
            let channel = self.channel();
            channel.value.with_mut(drop);
            channel.receiver.with_mut(drop);
            channel.sender.with_mut(drop);
        }
        // SAFETY: the pointer came from a box, and only we access the channel from here on (rule 4).
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

/// Takes the waker out of its cell.
///
/// # Safety
///
/// The caller may take the waker (rule 3) or replace it (rule 2).
unsafe fn take_waker(cell: &UnsafeCell<Option<Waker>>) -> Option<Waker> {
    // SAFETY: the caller promises it.
    cell.with_mut(|waker| unsafe { (*waker).take() })
}

/// Stores the caller's waker and announces it by `bit`, unless a bit of `end` was set first. Returns
/// whether the caller has to wait.
///
/// # Safety
///
/// The caller is the one side that owns this cell and this bit, and the other side sets `end` before it
/// takes the waker.
unsafe fn register(
    state: &AtomicU8,
    cell: &UnsafeCell<Option<Waker>>,
    bit: u8,
    end: u8,
    waker: &Waker,
) -> bool {
    // Cloning runs foreign code, so it comes before any change.
    let waker = waker.clone();
    if state.load(Ordering::Relaxed) & bit != 0 {
        // Takes the waker back (rule 2), which publishes nothing. Acquire on failure pairs with the Release
        // of the side that set `end`.
        let back = |now| (now & end == 0).then_some(now & !bit);
        if state.fetch_update(Ordering::Relaxed, Ordering::Acquire, back).is_err() {
            return false;
        }
    }
    // SAFETY: the bit is not set, so the waker is the caller's own (rule 2).
    let old = cell.with_mut(|cell| unsafe { (*cell).replace(waker) });
    // Release publishes the waker; Acquire pairs with the Release of the side that set `end`, if that came
    // first.
    let waits = state.fetch_or(bit, Ordering::AcqRel) & end == 0;
    // Dropped last: the destructor of a waker is foreign code, which must not find the channel between two
    // states.
    drop(old);
    waits
}

/// Sends the value of a [`channel`]. Dropping it without a value tells the receiver that none will come.
///
/// ```
/// use brigade_runtime::{run, sync::oneshot};
///
/// let (sender, receiver) = oneshot::channel::<u32>();
/// drop(sender);
/// assert!(run(receiver).is_err());
/// ```
pub struct Sender<T>(Side<T>);

/// Receives the value of a [`channel`]: this is a future of the value. Dropping it, or calling
/// [`close`](Self::close), tells the sender that no value is wanted.
///
/// # Cancellation
///
/// When polled by reference (`(&mut receiver).await`), nothing is lost if the poll ends without a value.
///
/// ```
/// use brigade_runtime::{run, sync::oneshot};
///
/// let (sender, receiver) = oneshot::channel();
/// sender.send("soup").unwrap();
/// assert_eq!(run(receiver), Ok("soup"));
/// ```
#[must_use = "futures do nothing unless awaited"]
pub struct Receiver<T>(Side<T>, Wait);

// SAFETY: the sides share the channel by the rules above, from any threads. The value goes from one thread
// to the other, so T must be Send; so do wakers, which are Send.
unsafe impl<T: Send> Send for Sender<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Receiver<T> {}
// SAFETY: a shared reference only allows reading the state byte.
unsafe impl<T: Send> Sync for Sender<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Receiver<T> {}

// A value is sent or not, and a panic of a waker or a destructor comes before or after. A shared reference
// reaches no value.
impl<T> std::panic::UnwindSafe for Sender<T> {}
impl<T> std::panic::RefUnwindSafe for Sender<T> {}
impl<T> std::panic::UnwindSafe for Receiver<T> {}
impl<T> std::panic::RefUnwindSafe for Receiver<T> {}

impl<T> Sender<T> {
    /// Sends the value.
    ///
    /// # Errors
    ///
    /// Returns the value if the receiver is dropped or closed.
    ///
    /// ```
    /// let (sender, receiver) = brigade_runtime::sync::oneshot::channel();
    /// drop(receiver);
    /// assert_eq!(sender.send("soup"), Err("soup"));
    /// ```
    pub fn send(self, value: T) -> Result<(), T> {
        let channel = self.0.channel();
        // SAFETY: DONE is not set, so the value is ours (rule 1).
        channel.value.with_mut(|cell| unsafe { *cell = Some(value) });
        if self.finish(Cause::Item) {
            std::mem::forget(self);
            return Ok(());
        }
        // SAFETY: DONE was not set because the channel is closed, so the value stays ours (rule 1).
        let value = channel.value.with_mut(|cell| unsafe { (*cell).take() });
        Err(value.expect("it was stored above"))
    }

    /// Sets DONE. Returns false if the receiver has closed: then nothing is done. If it returns true, the
    /// channel may be gone.
    #[inline]
    fn finish(&self, cause: Cause) -> bool {
        let channel = self.0.channel();
        let last = |now: u8| {
            // If there is no receiver to wake, the channel need not be accessed again.
            let gone = if now & RECEIVER_WAITS == 0 { SENDER_GONE } else { 0 };
            (now & CLOSED == 0).then_some(now | DONE | gone)
        };
        // Release publishes the value; Acquire pairs with the Release of the receiver when it stored its
        // waker, or closed.
        let Ok(old) = channel.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, last) else {
            return false;
        };
        if old & RECEIVER_WAITS != 0 {
            // SAFETY: the operation that set DONE found RECEIVER_WAITS (rule 3).
            let waker = unsafe { take_waker(&channel.receiver) };
            self.release();
            wake(cause, waker);
        }
        true
    }

    /// Sets SENDER_GONE, and frees the channel if that is the second GONE bit.
    fn release(&self) {
        // Release orders our accesses before what the other side does; Acquire orders the other side's
        // before our freeing.
        if self.0.channel().state.fetch_or(SENDER_GONE, Ordering::AcqRel) & RECEIVER_GONE != 0 {
            // SAFETY: the other side's GONE bit was seen by an Acquire load, and ours is set.
            unsafe { self.0.free() };
        }
    }

    /// Returns whether the receiver is dropped or closed, so that a value would be refused.
    ///
    /// ```
    /// let (sender, mut receiver) = brigade_runtime::sync::oneshot::channel::<u32>();
    /// assert!(!sender.is_closed());
    /// receiver.close();
    /// assert!(sender.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.0.channel().state.load(Ordering::Acquire) & CLOSED != 0
    }

    /// Waits until the receiver is dropped or closed.
    ///
    /// # Cancellation
    ///
    /// Dropping the future has no effect.
    ///
    /// ```
    /// use brigade_runtime::{run, sync::oneshot};
    ///
    /// let (mut sender, receiver) = oneshot::channel::<u32>();
    /// drop(receiver);
    /// run(sender.closed());
    /// ```
    #[track_caller]
    pub fn closed(&mut self) -> impl Future<Output = ()> {
        let at = Location::caller();
        async move {
            let mut wait = Wait::NONE;
            poll_fn(|cx| {
                let poll = self.poll_closed(cx);
                match poll {
                    Poll::Pending => wait.begun(|| self.0.channel().resource.id(), Cause::Close, at),
                    Poll::Ready(()) => wait.ended(Cause::Close),
                }
                poll
            })
            .await;
        }
    }

    /// Polls [`closed`](Self::closed) once.
    pub fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        ready!(budget::poll(cx));
        let channel = self.0.channel();
        let waits = !self.is_closed()
            // SAFETY: this is the sender's cell and bit, and the receiver sets CLOSED before it takes the
            // waker.
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
        if !self.finish(Cause::Close) {
            self.release();
        }
    }
}

impl<T> Receiver<T> {
    /// Takes the value if it has been sent.
    ///
    /// # Errors
    ///
    /// Returns [`TryRecvError::Empty`] if a value may still come. Returns [`TryRecvError::Closed`] if none
    /// will: the sender was dropped, the receiver closed, or the value was taken.
    ///
    /// ```
    /// use brigade_runtime::sync::oneshot;
    ///
    /// let (sender, mut receiver) = oneshot::channel();
    /// assert_eq!(receiver.try_recv(), Err(oneshot::TryRecvError::Empty));
    /// sender.send("soup").unwrap();
    /// assert_eq!(receiver.try_recv(), Ok("soup"));
    /// ```
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        // Acquire pairs with the Release in `finish`.
        let state = self.0.channel().state.load(Ordering::Acquire);
        if state & (DONE | CLOSED) == 0 {
            return Err(TryRecvError::Empty);
        }
        // A channel that was closed first has no value that is ours.
        let value = if state & DONE != 0 { self.0.take() } else { None };
        // An earlier poll may have begun a wait.
        self.1.ended(if value.is_some() { Cause::Item } else { Cause::Close });
        value.ok_or(TryRecvError::Closed)
    }

    /// Tells the sender that no value is wanted any more. A value that was sent before can still be
    /// received.
    pub fn close(&mut self) {
        let state = &self.0.channel().state;
        // Release and Acquire pair with those of the sender when it stored its waker.
        let old = state.fetch_or(CLOSED, Ordering::AcqRel);
        self.wake_sender(old);
    }

    /// Wakes the sender if it waits for the receiver to close. The caller's operation that set CLOSED found
    /// the state `old`.
    fn wake_sender(&self, old: u8) {
        if old & (CLOSED | DONE | SENDER_WAITS) == SENDER_WAITS {
            // SAFETY: the operation that set CLOSED found SENDER_WAITS and not DONE (rule 3).
            let waker = unsafe { take_waker(&self.0.channel().sender) };
            wake(Cause::Close, waker);
        }
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, RecvError>;

    #[inline]
    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, RecvError>> {
        ready!(budget::poll(cx));
        let Self(side, wait) = &mut *self;
        let channel = side.channel();
        // Acquire pairs with the Release in `finish`.
        let state = channel.state.load(Ordering::Acquire);
        if state & (DONE | CLOSED) == 0 {
            wait.begun(|| channel.resource.id(), Cause::Item, Location::caller());
        }
        let waits = state & (DONE | CLOSED) == 0
            // SAFETY: this is the receiver's cell and bit, and the sender sets DONE before it takes the
            // waker.
            && unsafe { register(&channel.state, &channel.receiver, RECEIVER_WAITS, DONE, cx.waker()) };
        if waits {
            return Poll::Pending;
        }
        budget::spend();
        // The channel was closed before there was a value: none will come, and the value is not ours.
        let value = if state & CLOSED != 0 && state & DONE == 0 { None } else { side.take() };
        wait.ended(if value.is_some() { Cause::Item } else { Cause::Close });
        Poll::Ready(value.ok_or(RecvError(())))
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let state = &self.0.channel().state;
        // Dropping a value runs foreign code, so it comes last: by then the sender may have freed the
        // channel, or we have.
        let mut _value = None;
        // Acquire pairs with the Release of the sender's last operation.
        let mut old = state.load(Ordering::Acquire);
        if old & SENDER_GONE == 0 {
            if old & DONE == 0 {
                // As in `close`.
                old = state.fetch_or(CLOSED, Ordering::AcqRel);
                self.wake_sender(old);
            }
            if old & DONE != 0 {
                _value = self.0.take();
            }
            // Release orders our accesses before what the other side does; Acquire orders the other side's
            // before our freeing.
            old = state.fetch_or(RECEIVER_GONE | CLOSED, Ordering::AcqRel);
            if old & SENDER_GONE == 0 {
                return;
            }
        }
        // SAFETY: the other side's GONE bit was seen by an Acquire load, and ours is as good as set.
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

/// The error of a [`Receiver`] that gets no value: the sender was dropped, the receiver closed, or the
/// value was taken.
///
/// ```
/// use brigade_runtime::{run, sync::oneshot};
///
/// let (sender, receiver) = oneshot::channel::<u32>();
/// drop(sender);
/// let error: oneshot::RecvError = run(receiver).unwrap_err();
/// assert_eq!(error.to_string(), "the channel is closed, and there is no value in it");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecvError(());

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the channel is closed, and there is no value in it")
    }
}

impl error::Error for RecvError {}

/// The error of [`Receiver::try_recv`].
///
/// ```
/// use brigade_runtime::sync::oneshot;
///
/// let (sender, mut receiver) = oneshot::channel::<u32>();
/// assert_eq!(receiver.try_recv(), Err(oneshot::TryRecvError::Empty));
/// drop(sender);
/// assert_eq!(receiver.try_recv(), Err(oneshot::TryRecvError::Closed));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TryRecvError {
    /// There is no value yet.
    Empty,
    /// There is no value, and none will come.
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
