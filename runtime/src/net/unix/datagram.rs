//! A Unix socket for datagrams.

use crate::{
    driver::{
        registration::{Registered, as_fd},
        source::{Direction, Initially},
    },
    io::backoff,
};
use std::{io, net::Shutdown, os::unix::net as os, path::Path};

/// A Unix socket for datagrams within one machine. No datagram is lost: a sender waits while the receiver's
/// queue is full.
///
/// All methods take `&self`, so two tasks that share it in an [`Arc`](std::sync::Arc) send and receive at
/// once.
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
    /// Makes a socket at a path, where it creates the file.
    ///
    /// # Errors
    ///
    /// * `AddrInUse` if there is a file at the path.
    /// * `InvalidInput` if the path is too long for a socket (about 100 bytes).
    /// * `NotFound` or `PermissionDenied` if the file cannot be created.
    ///
    /// # Panics
    ///
    /// Panics outside of a runtime.
    ///
    /// ```
    /// use brigade_runtime::{net::unix::UnixDatagram, run};
    ///
    /// run(async {
    ///     let path = std::env::temp_dir().join(format!("brigade-datagram-{}", std::process::id()));
    ///     let receiver = UnixDatagram::bind(&path)?;
    ///     UnixDatagram::unbound()?.send_to(b"hello", &path).await?;
    ///     let mut buffer = [0; 16];
    ///     let (len, _) = receiver.recv_from(&mut buffer).await?;
    ///     assert_eq!(&buffer[..len], b"hello");
    ///     std::fs::remove_file(path)
    /// })
    /// # .unwrap();
    /// ```
    #[track_caller]
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::register(mio::net::UnixDatagram::bind(path)?)
    }

    /// Makes a socket without a path. It can send, but nobody can reply to it.
    ///
    /// # Errors
    ///
    /// The operating system's error, if it refuses a descriptor.
    ///
    /// # Panics
    ///
    /// Panics outside of a runtime.
    #[track_caller]
    pub fn unbound() -> io::Result<Self> {
        Self::register(mio::net::UnixDatagram::unbound()?)
    }

    /// Makes two sockets that are connected to each other.
    ///
    /// # Errors
    ///
    /// The operating system's error, if it refuses descriptors.
    ///
    /// # Panics
    ///
    /// Panics outside of a runtime.
    ///
    /// ```
    /// # brigade_runtime::run(async {
    /// let (one, other) = brigade_runtime::net::unix::UnixDatagram::pair()?;
    /// one.send(b"hello").await?;
    /// assert_eq!(other.recv(&mut [0; 16]).await?, 5);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = mio::net::UnixDatagram::pair()?;
        Ok((Self::register(one)?, Self::register(other)?))
    }

    /// Takes over a socket of the standard library.
    ///
    /// # Errors
    ///
    /// The operating system's error, if the descriptor cannot be set to non-blocking or registered.
    ///
    /// # Panics
    ///
    /// Panics outside of a runtime.
    ///
    /// ```
    /// # brigade_runtime::run(async {
    /// let (one, _other) = std::os::unix::net::UnixDatagram::pair()?;
    /// brigade_runtime::net::unix::UnixDatagram::from_std(one)?.send(b"hello").await?;
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn from_std(socket: os::UnixDatagram) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Self::register(mio::net::UnixDatagram::from_std(socket))
    }

    #[track_caller]
    fn register(socket: mio::net::UnixDatagram) -> io::Result<Self> {
        Ok(Self { socket: Registered::here("UnixDatagram", socket, Initially::Ready)? })
    }

    /// Sets the peer that [`send`](Self::send) sends to.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no file at the path, `ConnectionRefused` if no socket has it open.
    pub fn connect(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.socket.io().connect(path)
    }

    /// Sends one datagram to the connected peer, and returns its length in bytes.
    ///
    /// # Errors
    ///
    /// * `NotConnected` if the socket is not connected.
    /// * `ConnectionRefused` or `ConnectionReset` if the peer is gone.
    /// * `EMSGSIZE` (a kind without a name) if the datagram is too long.
    /// * `Other` if the runtime has ended.
    pub async fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.io_among(Direction::Write, |socket| socket.send(bytes)).await
    }

    /// Receives one datagram, and returns its length in bytes. Bytes that do not fit into the buffer are
    /// lost.
    ///
    /// # Errors
    ///
    /// The operating system's error, or `Other` if the runtime has ended.
    pub async fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.io_among(Direction::Read, |socket| socket.recv(buffer)).await
    }

    /// Sends one datagram to the socket at a path, and returns its length in bytes.
    ///
    /// # Errors
    ///
    /// * `NotFound` if there is no file at the path, `ConnectionRefused` if no socket has it open.
    /// * `EMSGSIZE` (a kind without a name) if the datagram is too long.
    /// * `Other` if the runtime has ended.
    ///
    /// ```
    /// # use brigade_runtime::net::unix::UnixDatagram;
    /// # brigade_runtime::run(async {
    /// let missing = UnixDatagram::unbound()?.send_to(b"hello", "/no/such/socket").await;
    /// assert_eq!(missing.unwrap_err().kind(), std::io::ErrorKind::NotFound);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub async fn send_to(&self, bytes: &[u8], path: impl AsRef<Path>) -> io::Result<usize> {
        let path = path.as_ref();
        let send = |socket: &mio::net::UnixDatagram| socket.send_to(bytes, path);
        // Other senders may have filled the receiver's queue. Only a receiver that this socket is connected
        // to reports when it has room again.
        backoff::wait_or_retry(self.socket.io_among(Direction::Write, send), || send(self.socket.io())).await
    }

    /// Receives one datagram, and returns its length in bytes and its sender. Bytes that do not fit into
    /// the buffer are lost.
    ///
    /// # Errors
    ///
    /// The operating system's error, or `Other` if the runtime has ended.
    ///
    /// ```
    /// # use brigade_runtime::net::unix::UnixDatagram;
    /// # brigade_runtime::run(async {
    /// let (one, other) = UnixDatagram::pair()?;
    /// one.send(b"hello").await?;
    /// let mut buffer = [0; 16];
    /// let (len, from) = other.recv_from(&mut buffer).await?;
    /// assert_eq!(&buffer[..len], b"hello");
    /// assert!(from.is_unnamed());
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub async fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, os::SocketAddr)> {
        self.socket.io_among(Direction::Read, |socket| socket.recv_from(buffer)).await
    }

    /// Returns the address of this socket. It has no path unless the socket was bound to one.
    ///
    /// # Errors
    ///
    /// The operating system's error.
    pub fn local_addr(&self) -> io::Result<os::SocketAddr> {
        self.socket.io().local_addr()
    }

    /// Returns the address of the connected peer.
    ///
    /// # Errors
    ///
    /// `NotConnected` if the socket is not connected.
    pub fn peer_addr(&self) -> io::Result<os::SocketAddr> {
        self.socket.io().peer_addr()
    }

    /// Closes one direction or both, at once.
    ///
    /// # Errors
    ///
    /// The operating system's error, such as `NotConnected` if the socket is not connected.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket.io().shutdown(how)
    }
}

as_fd!(UnixDatagram);
