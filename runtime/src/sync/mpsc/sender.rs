//! The sending side of a channel.

use super::{
    SendError, TrySendError,
    channel::{CloseWaiter, MpscChannel, Room, RoomWaiter, SendRequest},
};
use crate::sync::wait_queue::WaitFuture;
use std::{fmt, future::Future, mem, panic::Location, sync::Arc};

/// Sends into a channel with a capacity. Clones send into the same channel. When the last one is dropped,
/// the receiver gets the remaining values, and then `None`.
///
/// ```
/// use brigade_runtime::{run, sync::mpsc};
///
/// run(async {
///     let (sender, mut receiver) = mpsc::channel(1);
///     sender.send("soup").await.unwrap();
///     drop(sender);
///     assert_eq!((receiver.recv().await, receiver.recv().await), (Some("soup"), None));
/// });
/// ```
pub struct Sender<T> {
    channel: Arc<MpscChannel<T>>,
}

/// Sends into a channel without a capacity. Clones send into the same channel.
///
/// ```
/// let (sender, mut receiver) = brigade_runtime::sync::mpsc::unbounded();
/// sender.clone().send("soup").unwrap();
/// assert_eq!(receiver.try_recv(), Ok("soup"));
/// ```
pub struct UnboundedSender<T> {
    channel: Arc<MpscChannel<T>>,
}

impl<T> Sender<T> {
    /// Sends a value, and waits while there is no room. Senders are served in the order in which they came.
    ///
    /// # Errors
    ///
    /// Returns the value in [`SendError`] if the receiver is dropped or closed before or during the wait.
    ///
    /// # Cancellation
    ///
    /// A future that is dropped before it is ready has sent nothing, and the value is dropped with it. To
    /// keep the value, [`reserve`](Self::reserve) room first.
    #[track_caller]
    pub fn send(&self, value: T) -> impl Future<Output = Result<(), SendError<T>>> {
        let at = Location::caller();
        async move {
            let request = SendRequest { value: Some(value), closed: false };
            let request = WaitFuture::new_at(RoomWaiter(&self.channel), request, at).await;
            match request.value {
                Some(value) if request.closed => Err(SendError(value)),
                Some(value) => {
                    self.channel.send_reserved(value);
                    Ok(())
                }
                None => Ok(()),
            }
        }
    }

    /// Sends a value if there is room and no other sender waits.
    ///
    /// # Errors
    ///
    /// Returns the value in [`TrySendError::Full`] if there is no room or other senders wait, and in
    /// [`TrySendError::Closed`] if the receiver is dropped or closed.
    ///
    /// ```
    /// let (sender, _receiver) = brigade_runtime::sync::mpsc::channel(1);
    /// assert!(sender.try_send("soup").is_ok());
    /// assert!(sender.try_send("pie").is_err());
    /// ```
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        let mut value = Some(value);
        let room = self.channel.try_send(&mut value);
        match (room, value) {
            (Room::Full, Some(value)) => Err(TrySendError::Full(value)),
            (Room::Closed, Some(value)) => Err(TrySendError::Closed(value)),
            _ => Ok(()),
        }
    }

    /// Waits for room for one value, and reserves it until the permit is used or dropped.
    ///
    /// # Errors
    ///
    /// Returns [`SendError`] if the receiver is dropped or closed before or during the wait.
    ///
    /// # Cancellation
    ///
    /// Dropping the future gives up its position in the queue. Room that was meant for it goes to the next
    /// waiter.
    ///
    /// ```
    /// use brigade_runtime::{run, sync::mpsc};
    ///
    /// run(async {
    ///     let (sender, mut receiver) = mpsc::channel(1);
    ///     let permit = sender.reserve().await.unwrap();
    ///     // Sending does not wait and cannot fail now.
    ///     permit.send("soup");
    ///     assert_eq!(receiver.recv().await, Some("soup"));
    /// });
    /// ```
    #[track_caller]
    pub fn reserve(&self) -> impl Future<Output = Result<Permit<'_, T>, SendError<()>>> {
        let at = Location::caller();
        async move {
            self.reserve_room(at).await?;
            Ok(Permit { sender: self })
        }
    }

    /// Like [`reserve`](Self::reserve), for a permit that owns the sender.
    ///
    /// # Errors
    ///
    /// Returns [`SendError`] if the receiver is dropped or closed before or during the wait.
    ///
    /// # Cancellation
    ///
    /// As with [`reserve`](Self::reserve). The sender is dropped with the future.
    #[track_caller]
    pub fn reserve_owned(self) -> impl Future<Output = Result<OwnedPermit<T>, SendError<()>>> {
        let at = Location::caller();
        async move {
            self.reserve_room(at).await?;
            Ok(OwnedPermit { sender: Some(self) })
        }
    }

    /// Reserves room for one value if there is room and no other sender waits.
    ///
    /// # Errors
    ///
    /// Returns [`TrySendError::Full`] if there is no room or other senders wait, and
    /// [`TrySendError::Closed`] if the receiver is dropped or closed.
    ///
    /// ```
    /// let (sender, _receiver) = brigade_runtime::sync::mpsc::channel::<u32>(1);
    /// let permit = sender.try_reserve().unwrap();
    /// assert!(sender.try_send(1).is_err());
    /// permit.send(2);
    /// ```
    pub fn try_reserve(&self) -> Result<Permit<'_, T>, TrySendError<()>> {
        match self.channel.try_send(&mut None) {
            Room::Free => Ok(Permit { sender: self }),
            Room::Full => Err(TrySendError::Full(())),
            Room::Closed => Err(TrySendError::Closed(())),
        }
    }

    /// Like [`try_reserve`](Self::try_reserve), for a permit that owns the sender.
    ///
    /// # Errors
    ///
    /// Returns the sender in [`TrySendError::Full`] if there is no room or other senders wait, and in
    /// [`TrySendError::Closed`] if the receiver is dropped or closed.
    pub fn try_reserve_owned(self) -> Result<OwnedPermit<T>, TrySendError<Self>> {
        match self.channel.try_send(&mut None) {
            Room::Free => Ok(OwnedPermit { sender: Some(self) }),
            Room::Full => Err(TrySendError::Full(self)),
            Room::Closed => Err(TrySendError::Closed(self)),
        }
    }

    async fn reserve_room(&self, at: &'static Location<'static>) -> Result<(), SendError<()>> {
        let request = SendRequest { value: None, closed: false };
        let request = WaitFuture::new_at(RoomWaiter(&self.channel), request, at).await;
        if request.closed { Err(SendError(())) } else { Ok(()) }
    }

    /// Returns how many more values could be sent now.
    ///
    /// ```
    /// let (sender, _receiver) = brigade_runtime::sync::mpsc::channel(2);
    /// sender.try_send("soup").unwrap();
    /// assert_eq!((sender.capacity(), sender.max_capacity()), (1, 2));
    /// ```
    pub fn capacity(&self) -> usize {
        self.channel.free()
    }

    /// Returns how many values the channel has room for.
    pub fn max_capacity(&self) -> usize {
        self.channel.capacity.expect("a `Sender` has a channel with a capacity")
    }
}

impl<T> UnboundedSender<T> {
    /// Sends a value. It never waits.
    ///
    /// # Errors
    ///
    /// Returns the value in [`SendError`] if the receiver is dropped or closed.
    ///
    /// ```
    /// let (sender, mut receiver) = brigade_runtime::sync::mpsc::unbounded();
    /// sender.send("soup").unwrap();
    /// assert_eq!(receiver.try_recv(), Ok("soup"));
    /// ```
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        let mut value = Some(value);
        self.channel.try_send(&mut value);
        value.map_or(Ok(()), |value| Err(SendError(value)))
    }
}

/// The methods of both kinds of senders.
macro_rules! sender {
    ($name:ident) => {
        impl<T> $name<T> {
            pub(super) fn new(channel: Arc<MpscChannel<T>>) -> Self {
                channel.join();
                Self { channel }
            }

            /// Returns whether the receiver is dropped or closed, so that a value would be refused.
            pub fn is_closed(&self) -> bool {
                self.channel.is_closed()
            }

            /// Waits until the receiver is dropped or closed.
            ///
            /// # Cancellation
            ///
            /// Dropping the future has no effect.
            #[track_caller]
            pub fn closed(&self) -> impl Future<Output = ()> {
                WaitFuture::new(CloseWaiter(&self.channel), ())
            }

            /// Returns whether both send into the same channel.
            pub fn same_channel(&self, other: &Self) -> bool {
                Arc::ptr_eq(&self.channel, &other.channel)
            }
        }

        impl<T> Clone for $name<T> {
            fn clone(&self) -> Self {
                Self::new(self.channel.clone())
            }
        }

        impl<T> Drop for $name<T> {
            fn drop(&mut self) {
                self.channel.leave();
            }
        }

        impl<T> fmt::Debug for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field("closed", &self.is_closed()).finish_non_exhaustive()
            }
        }
    };
}
sender!(Sender);
sender!(UnboundedSender);

/// Room for one value, from [`Sender::reserve`]. Dropping it gives the room to the next sender that waits.
///
/// ```
/// let (sender, mut receiver) = brigade_runtime::sync::mpsc::channel(1);
/// drop(sender.try_reserve().unwrap());
/// sender.try_reserve().unwrap().send("soup");
/// assert_eq!(receiver.try_recv(), Ok("soup"));
/// ```
#[must_use = "the room is free again as soon as the permit is dropped"]
pub struct Permit<'a, T> {
    sender: &'a Sender<T>,
}

impl<T> Permit<'_, T> {
    /// Sends the value. A receiver that is merely closed still gets it. If the receiver is dropped, so is
    /// the value.
    pub fn send(self, value: T) {
        self.sender.channel.send_reserved(value);
        mem::forget(self);
    }
}

impl<T> Drop for Permit<'_, T> {
    fn drop(&mut self) {
        self.sender.channel.release_reserved();
    }
}

/// Room for one value, from [`Sender::reserve_owned`], together with the sender. Dropping it gives the room
/// to the next sender that waits.
///
/// ```
/// use brigade_runtime::{run, spawn, sync::mpsc};
///
/// run(async {
///     let (sender, mut receiver) = mpsc::channel(1);
///     let permit = sender.reserve_owned().await.unwrap();
///     // The permit moves into the task.
///     spawn(async move { permit.send("soup") }).await.unwrap();
///     assert_eq!(receiver.recv().await, Some("soup"));
/// });
/// ```
#[must_use = "the room is free again as soon as the permit is dropped"]
pub struct OwnedPermit<T> {
    /// `None` once the permit is used.
    sender: Option<Sender<T>>,
}

impl<T> OwnedPermit<T> {
    /// Sends the value, and returns the sender. A receiver that is merely closed still gets the value. If
    /// the receiver is dropped, so is the value.
    pub fn send(mut self, value: T) -> Sender<T> {
        let sender = self.sender.take().expect("a permit is used once");
        sender.channel.send_reserved(value);
        sender
    }

    /// Returns the room to the channel, and the sender to the caller.
    ///
    /// ```
    /// let (sender, _receiver) = brigade_runtime::sync::mpsc::channel::<u32>(1);
    /// let permit = sender.try_reserve_owned().unwrap();
    /// assert_eq!(permit.release().capacity(), 1);
    /// ```
    pub fn release(mut self) -> Sender<T> {
        let sender = self.sender.take().expect("a permit is used once");
        sender.channel.release_reserved();
        sender
    }
}

impl<T> Drop for OwnedPermit<T> {
    fn drop(&mut self) {
        if let Some(sender) = &self.sender {
            sender.channel.release_reserved();
        }
    }
}

impl<T> fmt::Debug for Permit<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for OwnedPermit<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedPermit").finish_non_exhaustive()
    }
}
