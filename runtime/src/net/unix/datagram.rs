//! A Unix socket for datagrams.

use crate::{
    io::backoff,
    registered::{Registered, as_fd},
    source::{Direction, Initially},
};
use std::{io, net::Shutdown, os::unix::net as os, path::Path};

/// A socket for datagrams within one machine. None is lost: a sender waits while the receiver's queue is full.
///
/// All methods take `&self`, so two tasks that share it in an [`Arc`](std::sync::Arc) send and receive at once.
///
/// # Cancellation
///
/// A send that is dropped while it is pending has sent nothing; a receive has taken nothing.
///
/// # Example
///
/// ```
/// use brigade_runtime::{net::unix::UnixDatagram, run};
///
/// run(async {
///     let (one, other) = UnixDatagram::pair()?;
///     one.send(b"hello").await?;
///     let mut buffer = [0; 16];
///     let len = other.recv(&mut buffer).await?;
///     assert_eq!(&buffer[..len], b"hello");
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
#[derive(Debug)]
pub struct UnixDatagram {
    socket: Registered<mio::net::UnixDatagram>,
}

impl UnixDatagram {
    /// A socket at a path, where it makes the file.
    ///
    /// # Errors
    ///
    /// If there is something at the path, or it is too long for a socket (about 100 bytes).
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::register(mio::net::UnixDatagram::bind(path)?)
    }

    /// A socket without a path: it can send, and nobody can answer it.
    ///
    /// # Errors
    ///
    /// If the operating system refuses a descriptor.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn unbound() -> io::Result<Self> {
        Self::register(mio::net::UnixDatagram::unbound()?)
    }

    /// Two sockets that are connected to each other.
    ///
    /// # Errors
    ///
    /// If the operating system refuses descriptors.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = mio::net::UnixDatagram::pair()?;
        Ok((Self::register(one)?, Self::register(other)?))
    }

    /// Takes over a socket of the standard library.
    ///
    /// # Errors
    ///
    /// If the descriptor cannot be set to non-blocking or registered.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn from_std(socket: os::UnixDatagram) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Self::register(mio::net::UnixDatagram::from_std(socket))
    }

    #[track_caller]
    fn register(socket: mio::net::UnixDatagram) -> io::Result<Self> {
        Ok(Self { socket: Registered::here("UnixDatagram", socket, Initially::Ready)? })
    }

    /// Says whom [`send`](Self::send) sends to.
    ///
    /// # Errors
    ///
    /// If there is no socket at the path.
    pub fn connect(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.socket.io().connect(path)
    }

    /// Sends one datagram to whom it is connected.
    ///
    /// # Errors
    ///
    /// If it is not connected, the other side is gone, or the datagram is too long.
    pub async fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.io_among(Direction::Write, |socket| socket.send(bytes)).await
    }

    /// Receives one datagram. What does not fit into the buffer is lost.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub async fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.io_among(Direction::Read, |socket| socket.recv(buffer)).await
    }

    /// Sends one datagram to the socket at a path.
    ///
    /// # Errors
    ///
    /// If there is no socket at the path, or the datagram is too long.
    pub async fn send_to(&self, bytes: &[u8], path: impl AsRef<Path>) -> io::Result<usize> {
        let path = path.as_ref();
        let send = |socket: &mio::net::UnixDatagram| socket.send_to(bytes, path);
        // The receiver's queue may be full of what others have sent, and only one that this socket is connected to says when it has room.
        backoff::wait_or_retry(self.socket.io_among(Direction::Write, send), || send(self.socket.io())).await
    }

    /// Receives one datagram, and tells from whom. What does not fit into the buffer is lost.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub async fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, os::SocketAddr)> {
        self.socket.io_among(Direction::Read, |socket| socket.recv_from(buffer)).await
    }

    /// Our address, which has no path unless it was bound to one.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn local_addr(&self) -> io::Result<os::SocketAddr> {
        self.socket.io().local_addr()
    }

    /// The address that it is connected to.
    ///
    /// # Errors
    ///
    /// If it is not connected.
    pub fn peer_addr(&self) -> io::Result<os::SocketAddr> {
        self.socket.io().peer_addr()
    }

    /// Closes one direction, or both, at once.
    ///
    /// # Errors
    ///
    /// If it is not connected.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket.io().shutdown(how)
    }
}

as_fd!(UnixDatagram);
