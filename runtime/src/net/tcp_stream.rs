//! A TCP connection.

use super::{
    ToAddresses,
    split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf},
};
use crate::{
    context,
    reactor::Registered,
    source::{Direction, Initially},
};
use futures_io::{AsyncRead, AsyncWrite};
use std::{
    fmt,
    io::{self, IoSlice, IoSliceMut, Read, Write},
    net::{Shutdown, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

/// A TCP connection, to read and write by the traits of `futures-io`.
///
/// Dropping it closes the connection. Both directions may be used at once, by [`split`](Self::split) in one task and by
/// [`into_split`](Self::into_split) in two.
///
/// # Cancellation
///
/// A read or write that is dropped while it is pending has done nothing.
pub struct TcpStream {
    socket: Registered<mio::net::TcpStream>,
}

impl TcpStream {
    /// Connects to the first of the addresses that answers. A host name is resolved on the blocking pool.
    ///
    /// # Errors
    ///
    /// If the name cannot be resolved, or the last address refuses.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    ///
    /// # Cancellation
    ///
    /// Dropping the future gives the attempt up.
    pub async fn connect(addresses: impl ToAddresses) -> io::Result<Self> {
        let mut last = None;
        for address in addresses.resolve().await? {
            match Self::connect_one(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(super::resolve::no_address))
    }

    async fn connect_one(address: SocketAddr) -> io::Result<Self> {
        let stream = Self::register(mio::net::TcpStream::connect(address)?, Initially::Pending)?;
        // The socket becomes writable when the attempt has ended, either way.
        let connected = |socket: &mio::net::TcpStream| {
            if let Some(error) = socket.take_error()? {
                return Err(error);
            }
            match socket.peer_addr() {
                Ok(_) => Ok(()),
                Err(error) if error.kind() == io::ErrorKind::NotConnected => {
                    Err(io::ErrorKind::WouldBlock.into())
                }
                Err(error) => Err(error),
            }
        };
        stream.socket.io_among(Direction::Write, connected).await?;
        Ok(stream)
    }

    /// Takes over a connection of the standard library.
    ///
    /// # Errors
    ///
    /// If the descriptor cannot be set to non-blocking or registered.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Self::register(mio::net::TcpStream::from_std(stream), Initially::Ready)
    }

    #[track_caller]
    pub(super) fn register(socket: mio::net::TcpStream, initially: Initially) -> io::Result<Self> {
        let scheduler = context::scheduler("TcpStream");
        Ok(Self { socket: scheduler.driver().reactor.register(socket, initially)? })
    }

    /// Our address.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.io().local_addr()
    }

    /// The other side's address.
    ///
    /// # Errors
    ///
    /// If the connection is closed.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.io().peer_addr()
    }

    /// Whether small writes are sent at once (true) or gathered into full packets (false, as it begins).
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.socket.io().set_nodelay(nodelay)
    }

    /// Whether small writes are sent at once.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.socket.io().nodelay()
    }

    /// Closes one direction, or both, at once.
    ///
    /// # Errors
    ///
    /// If the connection is closed.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket.io().shutdown(how)
    }

    /// Two halves that borrow the connection, to read and write at once within one task.
    pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        (ReadHalf(self), WriteHalf(self))
    }

    /// Two halves that own the connection together, to read and write in two tasks. Dropping the writing half closes that
    /// direction; dropping both closes the connection.
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        let stream = Arc::new(self);
        (OwnedReadHalf(stream.clone()), OwnedWriteHalf(stream))
    }

    #[inline]
    pub(super) fn poll_read_from(&self, cx: &mut Context<'_>, bytes: &mut [u8]) -> Poll<io::Result<usize>> {
        let len = bytes.len();
        self.socket.poll_bytes(cx, Direction::Read, len, |mut socket| socket.read(bytes))
    }

    pub(super) fn poll_read_vectored_from(
        &self,
        cx: &mut Context<'_>,
        bytes: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let len = bytes.iter().map(|slice| slice.len()).sum();
        self.socket.poll_bytes(cx, Direction::Read, len, |mut socket| socket.read_vectored(bytes))
    }

    #[inline]
    pub(super) fn poll_write_to(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.socket.poll_bytes(cx, Direction::Write, bytes.len(), |mut socket| socket.write(bytes))
    }

    pub(super) fn poll_write_vectored_to(
        &self,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let len = bytes.iter().map(|slice| slice.len()).sum();
        self.socket.poll_bytes(cx, Direction::Write, len, |mut socket| socket.write_vectored(bytes))
    }

    pub(super) fn close_writing(&self) -> io::Result<()> {
        match self.shutdown(Shutdown::Write) {
            // The other side was faster.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            result => result,
        }
    }
}

/// Implements the traits of `futures-io` for a type by a function that gets at its `&TcpStream`.
macro_rules! by_stream {
    (read: $type:ty) => {
        impl AsyncRead for $type {
            #[inline]
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bytes: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                self.stream().poll_read_from(cx, bytes)
            }

            fn poll_read_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bytes: &mut [IoSliceMut<'_>],
            ) -> Poll<io::Result<usize>> {
                self.stream().poll_read_vectored_from(cx, bytes)
            }
        }
    };
    (write: $type:ty) => {
        impl AsyncWrite for $type {
            #[inline]
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                self.stream().poll_write_to(cx, bytes)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bytes: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                self.stream().poll_write_vectored_to(cx, bytes)
            }

            /// Does nothing: what was written is with the operating system.
            fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            /// Closes the writing direction: the other side reads to the end.
            fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(self.stream().close_writing())
            }
        }
    };
}
pub(super) use by_stream;

impl TcpStream {
    fn stream(&self) -> &Self {
        self
    }
}

by_stream!(read: TcpStream);
by_stream!(write: TcpStream);

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.socket.io(), f)
    }
}
