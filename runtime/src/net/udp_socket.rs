//! A UDP socket.

use super::{ToAddresses, lookup_host};
use crate::{
    registered::{Registered, as_fd},
    source::{Direction, Initially},
};
use std::{io, net::SocketAddr};

/// A socket for datagrams, each of which arrives whole or not at all.
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
    socket: Registered<mio::net::UdpSocket>,
}

impl UdpSocket {
    /// A socket on the first of the addresses that it can have. Port 0 takes any free port.
    ///
    /// # Errors
    ///
    /// If the name cannot be resolved, or the last address is in use or not ours.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
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
    /// If the descriptor cannot be set to non-blocking or registered.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn from_std(socket: std::net::UdpSocket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Self::register(mio::net::UdpSocket::from_std(socket))
    }

    #[track_caller]
    fn register(socket: mio::net::UdpSocket) -> io::Result<Self> {
        Ok(Self { socket: Registered::here("UdpSocket", socket, Initially::Ready)? })
    }

    /// Says whom [`send`](Self::send) sends to and [`recv`](Self::recv) receives from: the first of the addresses that will
    /// do.
    ///
    /// # Errors
    ///
    /// If the name cannot be resolved, or the last address cannot be reached from here.
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

    /// Sends one datagram to the first of the addresses.
    ///
    /// # Errors
    ///
    /// If the name cannot be resolved, the datagram is too long, or the operating system says so.
    pub async fn send_to(&self, bytes: &[u8], addresses: impl ToAddresses) -> io::Result<usize> {
        let to = addresses.resolve().await?.into_iter().next().ok_or_else(super::resolve::no_address)?;
        self.socket.io_among(Direction::Write, |socket| socket.send_to(bytes, to)).await
    }

    /// Receives one datagram, and tells from whom. What does not fit into the buffer is lost.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub async fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.socket.io_among(Direction::Read, |socket| socket.recv_from(buffer)).await
    }

    /// [`recv_from`](Self::recv_from), and the datagram stays.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub async fn peek_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.socket.io_among(Direction::Read, |socket| socket.peek_from(buffer)).await
    }

    /// Sends one datagram to whom it is connected.
    ///
    /// # Errors
    ///
    /// If it is not connected, the other side has said that nobody is there, or the datagram is too long.
    pub async fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.io_among(Direction::Write, |socket| socket.send(bytes)).await
    }

    /// Receives one datagram from whom it is connected. What does not fit into the buffer is lost.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub async fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.io_among(Direction::Read, |socket| socket.recv(buffer)).await
    }

    /// [`recv`](Self::recv), and the datagram stays.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.io_among(Direction::Read, |socket| socket.peek(buffer)).await
    }

    /// Our address.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.io().local_addr()
    }

    /// The address that it is connected to.
    ///
    /// # Errors
    ///
    /// If it is not connected.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.io().peer_addr()
    }

    /// Whether it may send to a broadcast address. Not, as it begins.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn set_broadcast(&self, broadcast: bool) -> io::Result<()> {
        self.socket.io().set_broadcast(broadcast)
    }

    /// Whether it may send to a broadcast address.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn broadcast(&self) -> io::Result<bool> {
        self.socket.io().broadcast()
    }

    /// How many networks a datagram may cross.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.socket.io().set_ttl(ttl)
    }

    /// How many networks a datagram may cross.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn ttl(&self) -> io::Result<u32> {
        self.socket.io().ttl()
    }
}

as_fd!(UdpSocket);
