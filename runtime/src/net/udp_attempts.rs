//! Attempts and polls of UDP sockets, for libraries that wait in their own way.

use super::{UdpSocket, attempts::readiness, datagrams::datagrams};
use crate::driver::source::Direction;
use std::{
    io,
    net::SocketAddr,
    task::{Context, Poll},
};

readiness!(UdpSocket);

datagrams!(UdpSocket, |socket| socket);

impl UdpSocket {
    /// Sends one datagram to an address without waiting, and returns its length in bytes.
    ///
    /// # Errors
    ///
    /// * `WouldBlock` if there is no room for it: wait by [`writable`](Self::writable).
    /// * Those of [`send_to`](Self::send_to).
    ///
    /// ```
    /// # use brigade_runtime::net::UdpSocket;
    /// # brigade_runtime::run(async {
    /// # let (one, other) = (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
    /// one.writable().await?;
    /// assert_eq!(one.try_send_to(b"soup", other.local_addr()?)?, 4);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn try_send_to(&self, bytes: &[u8], address: SocketAddr) -> io::Result<usize> {
        self.socket.try_io(Direction::Write, |socket| socket.send_to(bytes, address))
    }

    /// Receives one datagram without waiting, and returns its length in bytes and its sender. Bytes that do
    /// not fit into the buffer are lost.
    ///
    /// # Errors
    ///
    /// * `WouldBlock` if there is none: wait by [`readable`](Self::readable).
    /// * Those of [`recv_from`](Self::recv_from).
    ///
    /// ```
    /// # use brigade_runtime::net::UdpSocket;
    /// # brigade_runtime::run(async {
    /// # let (one, other) = (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
    /// let nothing = other.try_recv_from(&mut [0; 8]).unwrap_err();
    /// assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
    /// one.send_to(b"soup", other.local_addr()?).await?;
    /// other.readable().await?;
    /// assert_eq!(other.try_recv_from(&mut [0; 8])?, (4, one.local_addr()?));
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn try_recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.socket.try_io(Direction::Read, |socket| socket.recv_from(buffer))
    }

    /// Polls to send one datagram to an address, as [`send_to`](Self::send_to) does. Several tasks may wait
    /// at once.
    ///
    /// # Errors
    ///
    /// Those of [`send_to`](Self::send_to).
    ///
    /// # Cancellation
    ///
    /// As long as it is pending, nothing was sent. The next poll may be for another datagram.
    ///
    /// ```
    /// # use brigade_runtime::net::UdpSocket;
    /// # brigade_runtime::run(async {
    /// # let (one, other) = (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
    /// let to = other.local_addr()?;
    /// assert_eq!(std::future::poll_fn(|cx| one.poll_send_to(cx, b"soup", to)).await?, 4);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn poll_send_to(
        &self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        address: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        self.socket.poll_io(cx, Direction::Write, |socket| socket.send_to(bytes, address))
    }

    /// Polls to receive one datagram, as [`recv_from`](Self::recv_from) does. Several tasks may wait at
    /// once.
    ///
    /// # Errors
    ///
    /// Those of [`recv_from`](Self::recv_from).
    ///
    /// # Cancellation
    ///
    /// As long as it is pending, nothing was received.
    ///
    /// ```
    /// # use brigade_runtime::net::UdpSocket;
    /// # brigade_runtime::run(async {
    /// # let (one, other) = (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
    /// one.send_to(b"soup", other.local_addr()?).await?;
    /// let mut buffer = [0; 8];
    /// let received = std::future::poll_fn(|cx| other.poll_recv_from(cx, &mut buffer)).await?;
    /// assert_eq!(received, (4, one.local_addr()?));
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn poll_recv_from(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        self.socket.poll_io(cx, Direction::Read, |socket| socket.recv_from(buffer))
    }
}
