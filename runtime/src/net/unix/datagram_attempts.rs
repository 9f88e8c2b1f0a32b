//! Attempts and polls of Unix datagram sockets, for libraries that wait in their own way.

use super::UnixDatagram;
use crate::{
    driver::source::Direction,
    io::offloaded::waitable::retry_interrupted,
    net::{attempts::readiness, datagrams::datagrams},
};
use std::{
    io,
    os::unix::net::SocketAddr,
    path::Path,
    task::{Context, Poll},
};

readiness!(UnixDatagram);

datagrams!(UnixDatagram, |socket| socket.0);

impl UnixDatagram {
    /// Sends one datagram to the socket at a path without waiting, and returns its length in bytes.
    ///
    /// # Errors
    ///
    /// * `WouldBlock` if the receiver's queue is full. [`writable`](Self::writable) does not report when it
    ///   has room again, unless this socket is connected to it: [`send_to`](Self::send_to) waits in any
    ///   case.
    /// * Those of [`send_to`](Self::send_to).
    ///
    /// ```
    /// # use brigade_runtime::net::unix::UnixDatagram;
    /// # brigade_runtime::run(async {
    /// # let path = std::env::temp_dir().join(format!("brigade-try-send-{}", std::process::id()));
    /// let receiver = UnixDatagram::bind(&path)?;
    /// assert_eq!(UnixDatagram::unbound()?.try_send_to(b"soup", &path)?, 4);
    /// # assert_eq!(receiver.recv(&mut [0; 8]).await?, 4);
    /// # std::fs::remove_file(path)
    /// # }).unwrap();
    /// ```
    pub fn try_send_to(&self, bytes: &[u8], path: impl AsRef<Path>) -> io::Result<usize> {
        // The readiness is that of this socket, and says nothing of the receiver's queue. So this neither
        // asks nor clears it.
        retry_interrupted(|| self.socket.io().0.send_to(bytes, path.as_ref()))
    }

    /// Does the same as [`try_send_to`](Self::try_send_to), for an address of the standard library: an
    /// [abstract](super::abstract_address) one, or the sender of a datagram.
    ///
    /// # Errors
    ///
    /// Those of [`try_send_to`](Self::try_send_to).
    ///
    /// ```
    /// # #[cfg(target_os = "linux")]
    /// # brigade_runtime::run(async {
    /// # use brigade_runtime::net::unix::{UnixDatagram, abstract_address};
    /// let kitchen = abstract_address(format!("kitchen-try-{}", std::process::id()))?;
    /// let receiver = UnixDatagram::bind_addr(&kitchen)?;
    /// assert_eq!(UnixDatagram::unbound()?.try_send_to_addr(b"soup", &kitchen)?, 4);
    /// # assert_eq!(receiver.recv(&mut [0; 8]).await?, 4);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn try_send_to_addr(&self, bytes: &[u8], address: &SocketAddr) -> io::Result<usize> {
        retry_interrupted(|| self.socket.io().0.send_to_addr(bytes, address))
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
    /// # brigade_runtime::run(async {
    /// let (one, other) = brigade_runtime::net::unix::UnixDatagram::pair()?;
    /// one.send(b"soup").await?;
    /// other.readable().await?;
    /// let (len, from) = other.try_recv_from(&mut [0; 8])?;
    /// assert!(len == 4 && from.is_unnamed());
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn try_recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.socket.try_io(Direction::Read, |socket| socket.0.recv_from(buffer))
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
    /// # brigade_runtime::run(async {
    /// let (one, other) = brigade_runtime::net::unix::UnixDatagram::pair()?;
    /// one.send(b"soup").await?;
    /// let mut buffer = [0; 8];
    /// let (len, _) = std::future::poll_fn(|cx| other.poll_recv_from(cx, &mut buffer)).await?;
    /// assert_eq!(len, 4);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn poll_recv_from(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        self.socket.poll_io(cx, Direction::Read, |socket| socket.0.recv_from(buffer))
    }
}
