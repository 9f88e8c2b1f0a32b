//! The two directions of a connection, used at once.
//!
//! No lock is needed: the operating system's socket is shared by reference, and its source keeps a waker for each direction.

use super::TcpStream;
use crate::registered::by_reference;
use std::{
    io::{self, IoSlice, IoSliceMut},
    sync::Arc,
    task::{Context, Poll},
};

/// What the halves need of the connection that they are halves of. Implemented by the streams of this module only.
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

/// The reading half from `split`, which borrows the connection.
#[derive(Debug)]
pub struct ReadHalf<'a, C = TcpStream>(pub(super) &'a C);

/// The writing half from `split`, which borrows the connection.
#[derive(Debug)]
pub struct WriteHalf<'a, C = TcpStream>(pub(super) &'a C);

/// The reading half from `into_split`, which owns the connection together with the writing half.
#[derive(Debug)]
pub struct OwnedReadHalf<C = TcpStream>(pub(super) Arc<C>);

/// The writing half from `into_split`, which owns the connection together with the reading half. Dropping it closes the
/// writing direction.
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

/// Implements what a connection is: the traits of `futures-io` for it and for a reference to it, and its halves. The type has
/// a field `socket`, which is `Registered`, and a method `shutdown`.
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
                    // The other side was faster.
                    Err(error) if error.kind() == ::std::io::ErrorKind::NotConnected => Ok(()),
                    result => result,
                }
            }
        }

        impl $type {
            /// Two halves that borrow the connection, to read and write at once within one task.
            pub fn split(&mut self) -> ($crate::net::ReadHalf<'_, Self>, $crate::net::WriteHalf<'_, Self>) {
                ($crate::net::split::ReadHalf(self), $crate::net::split::WriteHalf(self))
            }

            /// Two halves that own the connection together, to read and write in two tasks. Dropping the writing half
            /// closes that direction; dropping both closes the connection.
            pub fn into_split(self) -> ($crate::net::OwnedReadHalf<Self>, $crate::net::OwnedWriteHalf<Self>) {
                let stream = ::std::sync::Arc::new(self);
                ($crate::net::split::OwnedReadHalf(stream.clone()), $crate::net::split::OwnedWriteHalf(stream))
            }
        }

        $crate::registered::by_reference!(AsyncRead [] $type, |stream| stream.socket);
        $crate::registered::by_reference!(AsyncRead ['a] &'a $type, |stream| stream.socket);
        $crate::registered::by_reference!(AsyncWrite [] $type, |stream| stream.socket,
            close: $crate::net::split::Connection::close_writing(&*stream));
        $crate::registered::by_reference!(AsyncWrite ['a] &'a $type, |stream| stream.socket,
            close: $crate::net::split::Connection::close_writing(*stream));
    };
}
pub(super) use connection;
