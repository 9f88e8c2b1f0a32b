//! The two halves of a connection, to read and write at the same time.
//!
//! No lock is needed: the halves share the operating system's socket by reference, and its source keeps a
//! waker for each direction.

use super::TcpStream;
use crate::driver::registration::by_reference;
use std::{
    io::{self, IoSlice, IoSliceMut},
    sync::Arc,
    task::{Context, Poll},
};

/// A connection that can be split into halves: [`TcpStream`] or [`UnixStream`](super::unix::UnixStream).
///
/// It has the operations that the halves call. Only the streams of this module implement it.
///
/// ```
/// use brigade_runtime::net::{Connection, OwnedReadHalf, OwnedWriteHalf, unix::UnixStream};
///
/// /// Keeps both halves of any kind of connection.
/// struct Peer<C: Connection> {
///     reader: OwnedReadHalf<C>,
///     writer: OwnedWriteHalf<C>,
/// }
///
/// brigade_runtime::run(async {
///     let (reader, writer) = UnixStream::pair()?.0.into_split();
///     let _peer = Peer { reader, writer };
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
pub trait Connection {
    #[doc(hidden)]
    fn poll_read(&self, cx: &mut Context<'_>, bytes: &mut [u8]) -> Poll<io::Result<usize>>;
    #[doc(hidden)]
    fn poll_read_vectored(
        &self,
        cx: &mut Context<'_>,
        bytes: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>>;
    #[doc(hidden)]
    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;
    #[doc(hidden)]
    fn poll_write_vectored(&self, cx: &mut Context<'_>, bytes: &[IoSlice<'_>]) -> Poll<io::Result<usize>>;
    #[doc(hidden)]
    fn close_writing(&self) -> io::Result<()>;
}

/// The reading half of a connection, from [`TcpStream::split`]. It borrows the connection.
///
/// # Example
///
/// ```
/// use brigade_runtime::{io::copy, net::{ReadHalf, WriteHalf, unix::UnixStream}, run};
/// use futures_util::{AsyncReadExt, AsyncWriteExt};
///
/// run(async {
///     let (mut client, mut server) = UnixStream::pair()?;
///     client.write_all(b"echo").await?;
///     client.close().await?;
///     let (mut reader, mut writer): (ReadHalf<'_, _>, WriteHalf<'_, _>) = UnixStream::split(&mut server);
///     copy(&mut reader, &mut writer).await?;
///     writer.close().await?;
///     let mut text = String::new();
///     client.read_to_string(&mut text).await?;
///     assert_eq!(text, "echo");
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
#[derive(Debug)]
pub struct ReadHalf<'a, C = TcpStream>(pub(super) &'a C);

/// The writing half of a connection, from [`TcpStream::split`]. It borrows the connection.
///
/// [`ReadHalf`] has an example of both.
///
/// ```
/// # use brigade_runtime::{net::unix::UnixStream, run};
/// # use futures_util::{AsyncReadExt, AsyncWriteExt};
/// # run(async {
/// let (mut client, mut server) = UnixStream::pair()?;
/// let (_, mut writer) = UnixStream::split(&mut server);
/// writer.write_all(b"hi").await?;
/// let mut bytes = [0; 2];
/// client.read_exact(&mut bytes).await?;
/// assert_eq!(&bytes, b"hi");
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct WriteHalf<'a, C = TcpStream>(pub(super) &'a C);

/// The reading half of a connection, from [`TcpStream::into_split`]. Both halves own the connection together.
///
/// # Example
///
/// One task reads while another writes:
///
/// ```
/// use brigade_runtime::{net::unix::UnixStream, run, spawn};
/// use futures_util::{AsyncReadExt, AsyncWriteExt};
///
/// run(async {
///     let (left, right) = UnixStream::pair()?;
///     let (mut reader, _writer) = left.into_split();
///     let (_reader, mut writer) = right.into_split();
///     let reading = spawn(async move {
///         let mut text = String::new();
///         reader.read_to_string(&mut text).await.map(|_| text)
///     });
///     writer.write_all(b"hello").await?;
///     drop(writer); // Closes this direction: the reader reads to the end.
///     assert_eq!(reading.await.unwrap()?, "hello");
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
#[derive(Debug)]
pub struct OwnedReadHalf<C = TcpStream>(pub(super) Arc<C>);

/// The writing half of a connection, from [`TcpStream::into_split`]. Both halves own the connection together.
///
/// Dropping it closes the writing direction, so the peer reads to the end.
///
/// ```
/// # use brigade_runtime::{net::unix::UnixStream, run};
/// # use futures_util::AsyncReadExt;
/// # run(async {
/// let (ours, mut peer) = UnixStream::pair()?;
/// let (_reader, writer) = ours.into_split();
/// drop(writer);
/// assert_eq!(peer.read(&mut [0; 8]).await?, 0);
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct OwnedWriteHalf<C: Connection = TcpStream>(pub(super) Arc<C>);

impl<C> AsRef<C> for OwnedReadHalf<C> {
    fn as_ref(&self) -> &C {
        &self.0
    }
}

impl<C: Connection> AsRef<C> for OwnedWriteHalf<C> {
    fn as_ref(&self) -> &C {
        &self.0
    }
}

by_reference!(AsyncRead ['a, C: Connection] ReadHalf<'a, C>, |half| half.0);
by_reference!(AsyncWrite ['a, C: Connection] WriteHalf<'a, C>, |half| half.0, close: half.0.close_writing());
by_reference!(AsyncRead [C: Connection] OwnedReadHalf<C>, |half| half.0);
by_reference!(AsyncWrite [C: Connection] OwnedWriteHalf<C>, |half| half.0, close: half.0.close_writing());

impl<C: Connection> Drop for OwnedWriteHalf<C> {
    fn drop(&mut self) {
        // An error means that there is nothing left to close.
        let _ = self.0.close_writing();
    }
}

/// Implements [`Connection`], the methods that split, and the traits of `futures-io` for a stream and for a
/// reference to it. The type must have a field `socket` of type `Registered`.
macro_rules! connection {
    ($type:ty) => {
        impl $crate::net::split::Connection for $type {
            #[inline]
            fn poll_read(
                &self,
                cx: &mut ::std::task::Context<'_>,
                bytes: &mut [u8],
            ) -> ::std::task::Poll<::std::io::Result<usize>> {
                self.socket.poll_read(cx, bytes)
            }

            fn poll_read_vectored(
                &self,
                cx: &mut ::std::task::Context<'_>,
                bytes: &mut [::std::io::IoSliceMut<'_>],
            ) -> ::std::task::Poll<::std::io::Result<usize>> {
                self.socket.poll_read_vectored(cx, bytes)
            }

            #[inline]
            fn poll_write(
                &self,
                cx: &mut ::std::task::Context<'_>,
                bytes: &[u8],
            ) -> ::std::task::Poll<::std::io::Result<usize>> {
                self.socket.poll_write(cx, bytes)
            }

            fn poll_write_vectored(
                &self,
                cx: &mut ::std::task::Context<'_>,
                bytes: &[::std::io::IoSlice<'_>],
            ) -> ::std::task::Poll<::std::io::Result<usize>> {
                self.socket.poll_write_vectored(cx, bytes)
            }

            fn close_writing(&self) -> ::std::io::Result<()> {
                match self.socket.io().shutdown(::std::net::Shutdown::Write) {
                    // The peer has closed the connection first.
                    Err(error) if error.kind() == ::std::io::ErrorKind::NotConnected => Ok(()),
                    result => result,
                }
            }
        }

        impl $type {
            /// Reads bytes without waiting, and returns how many. 0 is the end.
            ///
            /// # Errors
            ///
            /// * `WouldBlock` if there are none: wait by [`readable`](Self::readable).
            /// * The operating system's error, such as `ConnectionReset`.
            /// * `Other` if the runtime has ended.
            ///
            /// ```
            /// # use brigade_runtime::{net::unix::UnixStream, run};
            /// # use futures_util::AsyncWriteExt;
            /// # run(async {
            /// let (mut one, other) = UnixStream::pair()?;
            /// one.write_all(b"soup").await?;
            /// other.readable().await?;
            /// assert_eq!(other.try_read(&mut [0; 8])?, 4);
            /// # std::io::Result::Ok(())
            /// # }).unwrap();
            /// ```
            pub fn try_read(&self, bytes: &mut [u8]) -> ::std::io::Result<usize> {
                let read = |mut io: &_| ::std::io::Read::read(&mut io, bytes);
                self.socket.try_io($crate::driver::source::Direction::Read, read)
            }

            /// Writes bytes without waiting, and returns how many: those that there was room for.
            ///
            /// # Errors
            ///
            /// * `WouldBlock` if there is no room: wait by [`writable`](Self::writable).
            /// * The operating system's error, such as `BrokenPipe` or `ConnectionReset`.
            /// * `Other` if the runtime has ended.
            ///
            /// ```
            /// # use brigade_runtime::{net::unix::UnixStream, run};
            /// # run(async {
            /// let (one, _other) = UnixStream::pair()?;
            /// one.writable().await?;
            /// assert_eq!(one.try_write(b"soup")?, 4);
            /// # std::io::Result::Ok(())
            /// # }).unwrap();
            /// ```
            pub fn try_write(&self, bytes: &[u8]) -> ::std::io::Result<usize> {
                let write = |mut io: &_| ::std::io::Write::write(&mut io, bytes);
                self.socket.try_io($crate::driver::source::Direction::Write, write)
            }

            /// Splits the connection into two halves that borrow it, to read and write at the same time
            /// within one task.
            ///
            /// `futures-util` has a method of this name in its `AsyncReadExt`. Where that is in scope, call
            /// this one with the name of the type, as in `TcpStream::split(&mut stream)`.
            ///
            /// ```
            /// # use brigade_runtime::{io::copy, net::unix::UnixStream, run};
            /// # use futures_util::AsyncWriteExt;
            /// # run(async {
            /// let (mut client, mut server) = UnixStream::pair()?;
            /// client.close().await?;
            /// // Sends everything back until the client stops.
            /// let (mut reader, mut writer) = server.split();
            /// assert_eq!(copy(&mut reader, &mut writer).await?, 0);
            /// # std::io::Result::Ok(())
            /// # }).unwrap();
            /// ```
            pub fn split(&mut self) -> ($crate::net::ReadHalf<'_, Self>, $crate::net::WriteHalf<'_, Self>) {
                ($crate::net::split::ReadHalf(self), $crate::net::split::WriteHalf(self))
            }

            /// Splits the connection into two halves that own it together, to read and write in two tasks.
            ///
            /// Dropping the writing half closes that direction. Dropping both halves closes the connection.
            ///
            /// ```
            /// # use brigade_runtime::{net::unix::UnixStream, run, spawn};
            /// # use futures_util::{AsyncReadExt, AsyncWriteExt};
            /// # run(async {
            /// let (ours, mut peer) = UnixStream::pair()?;
            /// let (mut reader, mut writer) = ours.into_split();
            /// let writing = spawn(async move { writer.write_all(b"ping").await });
            /// peer.write_all(b"pong").await?;
            /// reader.read_exact(&mut [0; 4]).await?;
            /// writing.await.unwrap()?;
            /// # std::io::Result::Ok(())
            /// # }).unwrap();
            /// ```
            pub fn into_split(self) -> ($crate::net::OwnedReadHalf<Self>, $crate::net::OwnedWriteHalf<Self>) {
                let stream = ::std::sync::Arc::new(self);
                ($crate::net::split::OwnedReadHalf(stream.clone()), $crate::net::split::OwnedWriteHalf(stream))
            }
        }

        $crate::net::attempts::readiness!($type);
        $crate::driver::registration::by_reference!(AsyncRead [] $type, |stream| stream.socket);
        $crate::driver::registration::by_reference!(AsyncRead ['a] &'a $type, |stream| stream.socket);
        $crate::driver::registration::by_reference!(AsyncWrite [] $type, |stream| stream.socket,
            close: $crate::net::split::Connection::close_writing(&*stream));
        $crate::driver::registration::by_reference!(AsyncWrite ['a] &'a $type, |stream| stream.socket,
            close: $crate::net::split::Connection::close_writing(*stream));
    };
}
pub(super) use connection;
