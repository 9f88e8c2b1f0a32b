//! The sending side of a channel.

use super::{
    SendError, TrySendError,
    channel::{CloseWaiter, MpscChannel, Room, RoomWaiter, SendRequest},
};
use crate::sync::wait_queue::WaitFuture;
use std::{fmt, mem, sync::Arc};

/// Sends into a channel with a capacity. Clones send into the same one; when the last is gone, the receiver gets what is
/// there, and then `None`.
pub struct Sender<T> {
    channel: Arc<MpscChannel<T>>,
}

/// Sends into a channel without a capacity.
pub struct UnboundedSender<T> {
    channel: Arc<MpscChannel<T>>,
}

impl<T> Sender<T> {
    /// Sends a value; waits while there is no room, in the order in which senders came.
    ///
    /// # Errors
    ///
    /// [`SendError`], with the value, if the receiver is gone or closed, before or meanwhile.
    ///
    /// # Cancellation
    ///
    /// A future that is dropped before it is ready has sent nothing, and the value is dropped with it. To keep the value,
    /// [`reserve`](Self::reserve) first.
    pub async fn send(&self, value: T) -> Result<(), SendError<T>> {
        let request =
            WaitFuture::new(RoomWaiter(&self.channel), SendRequest { value: Some(value), closed: false })
                .await;
        match request.value {
            Some(value) if request.closed => Err(SendError(value)),
            Some(value) => {
                self.channel.send_reserved(value);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Sends a value if there is room and nobody waits for it.
    ///
    /// # Errors
    ///
    /// [`TrySendError`] says why not, and has the value.
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        let mut value = Some(value);
        let room = self.channel.try_send(&mut value);
        match (room, value) {
            (Room::Full, Some(value)) => Err(TrySendError::Full(value)),
            (Room::Closed, Some(value)) => Err(TrySendError::Closed(value)),
            _ => Ok(()),
        }
    }

    /// Waits for room for one value, and keeps it until the permit is used or dropped.
    ///
    /// # Errors
    ///
    /// [`SendError`] if the receiver is gone or closed, before or meanwhile.
    ///
    /// # Cancellation
    ///
    /// Dropping the future gives up the place in line; room that was meant for it goes to the next.
    pub async fn reserve(&self) -> Result<Permit<'_, T>, SendError<()>> {
        self.reserve_room().await?;
        Ok(Permit { sender: self })
    }

    /// [`reserve`](Self::reserve), for a permit that owns the sender.
    ///
    /// # Errors
    ///
    /// [`SendError`] if the receiver is gone or closed, before or meanwhile.
    ///
    /// # Cancellation
    ///
    /// As with [`reserve`](Self::reserve); the sender is dropped with the future.
    pub async fn reserve_owned(self) -> Result<OwnedPermit<T>, SendError<()>> {
        self.reserve_room().await?;
        Ok(OwnedPermit { sender: Some(self) })
    }

    /// Has room for one value if there is some and nobody waits for it.
    ///
    /// # Errors
    ///
    /// [`TrySendError`] says why not.
    pub fn try_reserve(&self) -> Result<Permit<'_, T>, TrySendError<()>> {
        match self.channel.try_send(&mut None) {
            Room::Free => Ok(Permit { sender: self }),
            Room::Full => Err(TrySendError::Full(())),
            Room::Closed => Err(TrySendError::Closed(())),
        }
    }

    /// [`try_reserve`](Self::try_reserve), for a permit that owns the sender.
    ///
    /// # Errors
    ///
    /// [`TrySendError`] says why not, and has the sender.
    pub fn try_reserve_owned(self) -> Result<OwnedPermit<T>, TrySendError<Self>> {
        match self.channel.try_send(&mut None) {
            Room::Free => Ok(OwnedPermit { sender: Some(self) }),
            Room::Full => Err(TrySendError::Full(self)),
            Room::Closed => Err(TrySendError::Closed(self)),
        }
    }

    async fn reserve_room(&self) -> Result<(), SendError<()>> {
        let request =
            WaitFuture::new(RoomWaiter(&self.channel), SendRequest { value: None, closed: false }).await;
        if request.closed { Err(SendError(())) } else { Ok(()) }
    }

    /// How many more values could be sent now.
    pub fn capacity(&self) -> usize {
        self.channel.free()
    }

    /// How many values the channel has room for.
    pub fn max_capacity(&self) -> usize {
        self.channel.capacity.expect("a `Sender` has a channel with a capacity")
    }
}

impl<T> UnboundedSender<T> {
    /// Sends a value.
    ///
    /// # Errors
    ///
    /// [`SendError`], with the value, if the receiver is gone or closed.
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        let mut value = Some(value);
        self.channel.try_send(&mut value);
        value.map_or(Ok(()), |value| Err(SendError(value)))
    }
}

/// What both kinds of senders can do.
macro_rules! sender {
    ($name:ident) => {
        impl<T> $name<T> {
            pub(super) fn new(channel: Arc<MpscChannel<T>>) -> Self {
                channel.join();
                Self { channel }
            }

            /// Whether the receiver is gone or closed, so that a value would be refused.
            pub fn is_closed(&self) -> bool {
                self.channel.is_closed()
            }

            /// Waits until the receiver is gone or closed.
            ///
            /// # Cancellation
            ///
            /// Dropping the future has no effect.
            pub async fn closed(&self) {
                WaitFuture::new(CloseWaiter(&self.channel), ()).await;
            }

            /// Whether both send into the same channel.
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

/// Room for one value, from [`Sender::reserve`]. Dropping it gives the room to the next who waits.
#[must_use = "the room is free again as soon as the permit is dropped"]
pub struct Permit<'a, T> {
    sender: &'a Sender<T>,
}

impl<T> Permit<'_, T> {
    /// Sends the value. If the receiver is gone, the value is dropped; one that is merely closed still gets it.
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

/// Room for one value, from [`Sender::reserve_owned`], with the sender. Dropping it gives the room to the next who waits.
#[must_use = "the room is free again as soon as the permit is dropped"]
pub struct OwnedPermit<T> {
    /// None once it is used.
    sender: Option<Sender<T>>,
}

impl<T> OwnedPermit<T> {
    /// Sends the value, and gives the sender back. If the receiver is gone, the value is dropped.
    pub fn send(mut self, value: T) -> Sender<T> {
        let sender = self.sender.take().expect("a permit is used once");
        sender.channel.send_reserved(value);
        sender
    }

    /// Gives the room back, and the sender.
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
