//! A Unix socket for datagrams.

use crate::{
    driver::{
        conversion::{as_fd, conversions},
        registration::Registered,
        source::{Direction, Initially},
        watched_fd::WatchedFd,
    },
    executor::blocking::place,
    io::backoff,
    shim::OsDatagram,
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
    pub(super) socket: Registered<WatchedFd<OsDatagram>>,
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
        Self::register(OsDatagram::bind(path)?)
    }

    /// Makes a socket at an address of the standard library, such as an [abstract](super::abstract_address)
    /// one.
    ///
    /// # Errors
    ///
    /// * `AddrInUse` if another socket has the address.
    /// * `NotFound` or `PermissionDenied` if it is a path and the file cannot be created.
    ///
    /// # Panics
    ///
    /// Panics outside of a runtime.
    ///
    /// ```
    /// # #[cfg(target_os = "linux")]
    /// # brigade_runtime::run(async {
    /// use brigade_runtime::net::unix::{UnixDatagram, abstract_address};
    ///
    /// let kitchen = abstract_address(format!("kitchen-{}", std::process::id()))?;
    /// let receiver = UnixDatagram::bind_addr(&kitchen)?;
    /// UnixDatagram::unbound()?.send_to_addr(b"soup", &kitchen).await?;
    /// assert_eq!(receiver.recv(&mut [0; 16]).await?, 4);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn bind_addr(address: &os::SocketAddr) -> io::Result<Self> {
        Self::register(OsDatagram::bind_addr(address)?)
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
        Self::register(OsDatagram::unbound()?)
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
        let (one, other) = OsDatagram::pair()?;
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
    #[allow(clippy::useless_conversion, reason = "another type with the feature `explore`")]
    #[track_caller]
    pub fn from_std(socket: os::UnixDatagram) -> io::Result<Self> {
        Self::register(socket.into())
    }

    #[track_caller]
    fn register(socket: OsDatagram) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { socket: Registered::here("UnixDatagram", WatchedFd(socket), Initially::Ready)? })
    }

    /// Ends the registration and returns the socket as one of the standard library, set to blocking.
    /// Datagrams that nobody has received yet stay with it.
    ///
    /// # Errors
    ///
    /// The operating system's error, if the descriptor cannot be set to blocking. It is closed then.
    ///
    /// ```
    /// # brigade_runtime::run(async {
    /// let (one, other) = brigade_runtime::net::unix::UnixDatagram::pair()?;
    /// one.send(b"hello").await?;
    /// let other: std::os::unix::net::UnixDatagram = other.into_std()?;
    /// assert_eq!(other.recv(&mut [0; 16])?, 5);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[allow(clippy::useless_conversion, reason = "another type with the feature `explore`")]
    pub fn into_std(self) -> io::Result<os::UnixDatagram> {
        let std = os::UnixDatagram::from(self.socket.into_io().0);
        std.set_nonblocking(false)?;
        Ok(std)
    }

    /// Sets the peer that [`send`](Self::send) sends to.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no file at the path, `ConnectionRefused` if no socket has it open.
    pub fn connect(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.socket.io().0.connect(path)
    }

    /// Does the same as [`connect`](Self::connect), for an address of the standard library, such as an
    /// [abstract](super::abstract_address) one.
    ///
    /// # Errors
    ///
    /// `ConnectionRefused` if no socket has the address.
    pub fn connect_addr(&self, address: &os::SocketAddr) -> io::Result<()> {
        self.socket.io().0.connect_addr(address)
    }

    /// Sends one datagram to the connected peer, and returns its length in bytes.
    ///
    /// # Errors
    ///
    /// * `NotConnected` if the socket is not connected.
    /// * `ConnectionRefused` or `ConnectionReset` if the peer is gone.
    /// * `EMSGSIZE` (a kind without a name) if the datagram is too long.
    /// * `Other` if the runtime has ended.
    #[track_caller]
    pub fn send(&self, bytes: &[u8]) -> impl Future<Output = io::Result<usize>> {
        self.socket.io_among(Direction::Write, |socket| socket.0.send(bytes))
    }

    /// Receives one datagram, and returns its length in bytes. Bytes that do not fit into the buffer are
    /// lost.
    ///
    /// # Errors
    ///
    /// The operating system's error, or `Other` if the runtime has ended.
    #[track_caller]
    pub fn recv(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<usize>> {
        self.socket.io_among(Direction::Read, |socket| socket.0.recv(buffer))
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
        self.send_by(|socket| socket.send_to(bytes, path)).await
    }

    /// Does the same as [`send_to`](Self::send_to), for an address of the standard library: an
    /// [abstract](super::abstract_address) one, or the sender of a datagram.
    ///
    /// # Errors
    ///
    /// * `ConnectionRefused` if no socket has the address.
    /// * Those of [`send_to`](Self::send_to).
    ///
    /// ```
    /// # #[cfg(target_os = "linux")]
    /// # brigade_runtime::run(async {
    /// # use brigade_runtime::net::unix::{UnixDatagram, abstract_address};
    /// # let name = |who: &str| abstract_address(format!("{who}-{}", std::process::id()));
    /// let waiter = UnixDatagram::bind_addr(&name("waiter")?)?;
    /// let kitchen = UnixDatagram::bind_addr(&name("kitchen")?)?;
    /// waiter.send_to_addr(b"soup?", &kitchen.local_addr()?).await?;
    /// let (_, from) = kitchen.recv_from(&mut [0; 16]).await?;
    /// kitchen.send_to_addr(b"yes", &from).await?;
    /// assert_eq!(waiter.recv(&mut [0; 16]).await?, 3);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub async fn send_to_addr(&self, bytes: &[u8], address: &os::SocketAddr) -> io::Result<usize> {
        self.send_by(|socket| socket.send_to_addr(bytes, address)).await
    }

    async fn send_by(&self, send: impl Fn(&OsDatagram) -> io::Result<usize>) -> io::Result<usize> {
        // Other senders may have filled the receiver's queue. Only a receiver that this socket is connected
        // to reports when it has room again.
        let waiting = self.socket.io_among_at(Direction::Write, |socket| send(&socket.0), place());
        backoff::wait_or_retry(waiting, || send(&self.socket.io().0)).await
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
    #[track_caller]
    pub fn recv_from(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<(usize, os::SocketAddr)>> {
        self.socket.io_among(Direction::Read, |socket| socket.0.recv_from(buffer))
    }

    /// Returns the address of this socket. It has no path unless the socket was bound to one.
    ///
    /// # Errors
    ///
    /// The operating system's error.
    pub fn local_addr(&self) -> io::Result<os::SocketAddr> {
        self.socket.io().0.local_addr()
    }

    /// Returns the address of the connected peer.
    ///
    /// # Errors
    ///
    /// `NotConnected` if the socket is not connected.
    pub fn peer_addr(&self) -> io::Result<os::SocketAddr> {
        self.socket.io().0.peer_addr()
    }

    /// Closes one direction or both, at once.
    ///
    /// # Errors
    ///
    /// The operating system's error, such as `NotConnected` if the socket is not connected.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket.io().0.shutdown(how)
    }
}

as_fd!(UnixDatagram, |this| this.socket.io().0.as_fd());

conversions!(UnixDatagram, os::UnixDatagram);
