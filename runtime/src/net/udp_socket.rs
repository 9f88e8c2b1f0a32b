//! A UDP socket.

use super::{ToAddresses, lookup_host};
use crate::{
    driver::{
        conversion::{as_fd, conversions},
        registration::Registered,
        source::{Direction, Initially},
    },
    executor::blocking::place,
};
use std::{io, net::SocketAddr, os::fd::OwnedFd};

/// A UDP socket: it sends and receives datagrams, each of which arrives whole or not at all.
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
/// use brigade_runtime::{net::UdpSocket, run};
///
/// run(async {
///     let (one, other) = (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
///     one.send_to(b"hello", other.local_addr()?).await?;
///     let mut buffer = [0; 16];
///     let (len, from) = other.recv_from(&mut buffer).await?;
///     assert_eq!((&buffer[..len], from), (&b"hello"[..], one.local_addr()?));
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
#[derive(Debug)]
pub struct UdpSocket {
    pub(super) socket: Registered<mio::net::UdpSocket>,
}

impl UdpSocket {
    /// Makes a socket on the first of the addresses that is available. Port 0 takes any free port.
    ///
    /// # Errors
    ///
    /// * Those of [`lookup_host`], if the name cannot be resolved.
    /// * `InvalidInput` if the name resolves to no address.
    /// * Otherwise the error of the last address: `AddrInUse` if another socket has it, `AddrNotAvailable`
    ///   if it is not one of this machine, `PermissionDenied` if the port is reserved.
    ///
    /// # Panics
    ///
    /// Panics outside of a runtime.
    ///
    /// ```
    /// # brigade_runtime::run(async {
    /// let socket = brigade_runtime::net::UdpSocket::bind(("127.0.0.1", 0)).await?;
    /// assert_ne!(socket.local_addr()?.port(), 0);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub async fn bind(addresses: impl ToAddresses) -> io::Result<Self> {
        let mut last = None;
        for address in lookup_host(addresses).await? {
            match mio::net::UdpSocket::bind(address) {
                Ok(socket) => return Self::register(socket),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(super::resolve::no_address))
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
    /// # use brigade_runtime::net::UdpSocket;
    /// # brigade_runtime::run(async {
    /// let socket = UdpSocket::from_std(std::net::UdpSocket::bind("127.0.0.1:0")?)?;
    /// # drop(socket);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn from_std(socket: std::net::UdpSocket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Self::register(mio::net::UdpSocket::from_std(socket))
    }

    /// Ends the registration and returns the socket as one of the standard library, set to blocking.
    /// Datagrams that nobody has received yet stay with it.
    ///
    /// # Errors
    ///
    /// The operating system's error, if the descriptor cannot be set to blocking. It is closed then.
    ///
    /// ```
    /// # use brigade_runtime::net::UdpSocket;
    /// # brigade_runtime::run(async {
    /// let (one, other) = (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
    /// one.send_to(b"hello", other.local_addr()?).await?;
    /// let other: std::net::UdpSocket = other.into_std()?;
    /// assert_eq!(other.recv(&mut [0; 16])?, 5);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn into_std(self) -> io::Result<std::net::UdpSocket> {
        let std = std::net::UdpSocket::from(OwnedFd::from(self.socket.into_io()));
        std.set_nonblocking(false)?;
        Ok(std)
    }

    #[track_caller]
    fn register(socket: mio::net::UdpSocket) -> io::Result<Self> {
        Ok(Self { socket: Registered::here("UdpSocket", socket, Initially::Ready)? })
    }

    /// Sets the peer that [`send`](Self::send) sends to and [`recv`](Self::recv) receives from: the first
    /// of the addresses that the operating system accepts. This sends nothing.
    ///
    /// # Errors
    ///
    /// * Those of [`lookup_host`], if the name cannot be resolved.
    /// * `InvalidInput` if the name resolves to no address.
    /// * Otherwise the error of the last address, such as `NetworkUnreachable` if there is no route to it.
    ///
    /// # Panics
    ///
    /// Panics outside of a runtime, if there is a host name to resolve.
    ///
    /// ```
    /// # use brigade_runtime::net::UdpSocket;
    /// # brigade_runtime::run(async {
    /// let (client, server) = (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
    /// client.connect(server.local_addr()?).await?;
    /// client.send(b"ping").await?;
    /// let mut buffer = [0; 16];
    /// let (len, from) = server.recv_from(&mut buffer).await?;
    /// server.send_to(&buffer[..len], from).await?;
    /// assert_eq!(client.recv(&mut buffer).await?, 4);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub async fn connect(&self, addresses: impl ToAddresses) -> io::Result<()> {
        let mut last = None;
        for address in lookup_host(addresses).await? {
            match self.socket.io().connect(address) {
                Ok(()) => return Ok(()),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(super::resolve::no_address))
    }

    /// Sends one datagram to the first of the addresses, and returns its length in bytes.
    ///
    /// # Errors
    ///
    /// * Those of [`lookup_host`], if the name cannot be resolved.
    /// * `InvalidInput` if the name resolves to no address.
    /// * The operating system's error, such as `EMSGSIZE` (a kind without a name) if the datagram is too
    ///   long, or `PermissionDenied` for a broadcast address without
    ///   [`set_broadcast`](Self::set_broadcast).
    /// * `Other` if the runtime has ended.
    ///
    /// # Panics
    ///
    /// Panics outside of a runtime, if there is a host name to resolve.
    ///
    /// ```
    /// # use brigade_runtime::net::UdpSocket;
    /// # brigade_runtime::run(async {
    /// let (one, other) = (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
    /// assert_eq!(one.send_to(b"hello", other.local_addr()?).await?, 5);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub async fn send_to(&self, bytes: &[u8], addresses: impl ToAddresses) -> io::Result<usize> {
        let to = addresses.resolve().await?.into_iter().next().ok_or_else(super::resolve::no_address)?;
        self.socket.io_among_at(Direction::Write, |socket| socket.send_to(bytes, to), place()).await
    }

    /// Receives one datagram, and returns its length in bytes and its sender. Bytes that do not fit into
    /// the buffer are lost.
    ///
    /// # Errors
    ///
    /// * The operating system's error. If the socket is connected, that includes `ConnectionRefused` for an
    ///   earlier datagram that nobody received.
    /// * `Other` if the runtime has ended.
    ///
    /// ```
    /// # use brigade_runtime::net::UdpSocket;
    /// # brigade_runtime::run(async {
    /// # let (one, other) = (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
    /// one.send_to(b"hello", other.local_addr()?).await?;
    /// let mut buffer = [0; 1500];
    /// let (len, from) = other.recv_from(&mut buffer).await?;
    /// assert_eq!((&buffer[..len], from), (&b"hello"[..], one.local_addr()?));
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn recv_from(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<(usize, SocketAddr)>> {
        self.socket.io_among(Direction::Read, |socket| socket.recv_from(buffer))
    }

    /// Does the same as [`recv_from`](Self::recv_from), but leaves the datagram for the next receive.
    ///
    /// # Errors
    ///
    /// Those of [`recv_from`](Self::recv_from).
    #[track_caller]
    pub fn peek_from(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<(usize, SocketAddr)>> {
        self.socket.io_among(Direction::Read, |socket| socket.peek_from(buffer))
    }

    /// Sends one datagram to the connected peer, and returns its length in bytes.
    ///
    /// # Errors
    ///
    /// * `EDESTADDRREQ` (a kind without a name) if the socket is not connected.
    /// * `ConnectionRefused` if the peer's machine has said that nobody receives there.
    /// * `EMSGSIZE` (a kind without a name) if the datagram is too long.
    /// * `Other` if the runtime has ended.
    ///
    /// ```
    /// # use brigade_runtime::net::UdpSocket;
    /// # brigade_runtime::run(async {
    /// # let (one, other) = (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
    /// one.connect(other.local_addr()?).await?;
    /// assert_eq!(one.send(b"hello").await?, 5);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn send(&self, bytes: &[u8]) -> impl Future<Output = io::Result<usize>> {
        self.socket.io_among(Direction::Write, |socket| socket.send(bytes))
    }

    /// Receives one datagram from the connected peer, and returns its length in bytes. Bytes that do not
    /// fit into the buffer are lost.
    ///
    /// # Errors
    ///
    /// * The operating system's error, such as `ConnectionRefused` for an earlier datagram that nobody
    ///   received.
    /// * `Other` if the runtime has ended.
    ///
    /// ```
    /// # use brigade_runtime::net::UdpSocket;
    /// # brigade_runtime::run(async {
    /// # let (one, other) = (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
    /// other.connect(one.local_addr()?).await?;
    /// one.send_to(b"hello", other.local_addr()?).await?;
    /// let mut short = [0; 4];
    /// assert_eq!(other.recv(&mut short).await?, 4);
    /// assert_eq!(&short, b"hell");
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn recv(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<usize>> {
        self.socket.io_among(Direction::Read, |socket| socket.recv(buffer))
    }

    /// Does the same as [`recv`](Self::recv), but leaves the datagram for the next receive.
    ///
    /// # Errors
    ///
    /// Those of [`recv`](Self::recv).
    #[track_caller]
    pub fn peek(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<usize>> {
        self.socket.io_among(Direction::Read, |socket| socket.peek(buffer))
    }

    /// Returns the address that the socket is bound to.
    ///
    /// # Errors
    ///
    /// The operating system's error.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.io().local_addr()
    }

    /// Returns the address of the connected peer.
    ///
    /// # Errors
    ///
    /// `NotConnected` if the socket is not connected.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.io().peer_addr()
    }

    /// Sets whether the socket may send to a broadcast address. The default is false.
    ///
    /// # Errors
    ///
    /// The operating system's error.
    ///
    /// ```
    /// # brigade_runtime::run(async {
    /// let socket = brigade_runtime::net::UdpSocket::bind("127.0.0.1:0").await?;
    /// socket.set_broadcast(true)?;
    /// assert!(socket.broadcast()?);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn set_broadcast(&self, broadcast: bool) -> io::Result<()> {
        self.socket.io().set_broadcast(broadcast)
    }

    /// Returns whether the socket may send to a broadcast address.
    ///
    /// # Errors
    ///
    /// The operating system's error.
    pub fn broadcast(&self) -> io::Result<bool> {
        self.socket.io().broadcast()
    }

    /// Sets how many hops a datagram may take (its time to live).
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the operating system does not take this number.
    ///
    /// ```
    /// # brigade_runtime::run(async {
    /// let socket = brigade_runtime::net::UdpSocket::bind("127.0.0.1:0").await?;
    /// socket.set_ttl(1)?;
    /// assert_eq!(socket.ttl()?, 1);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.socket.io().set_ttl(ttl)
    }

    /// Returns how many hops a datagram may take.
    ///
    /// # Errors
    ///
    /// The operating system's error.
    pub fn ttl(&self) -> io::Result<u32> {
        self.socket.io().ttl()
    }
}

as_fd!(UdpSocket, |this| this.socket.io().as_fd());

conversions!(UdpSocket, std::net::UdpSocket);
