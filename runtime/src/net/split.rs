//! The two directions of a connection, used at once.
//!
//! No lock is needed: the operating system's socket is shared by reference, and its source keeps a waker for each direction.

use super::{TcpStream, tcp_stream::by_stream};
use futures_io::{AsyncRead, AsyncWrite};
use std::{
    io::{self, IoSlice, IoSliceMut},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

/// The reading half from [`TcpStream::split`].
#[derive(Debug)]
pub struct ReadHalf<'a>(pub(super) &'a TcpStream);

/// The writing half from [`TcpStream::split`].
#[derive(Debug)]
pub struct WriteHalf<'a>(pub(super) &'a TcpStream);

/// The reading half from [`TcpStream::into_split`].
#[derive(Debug)]
pub struct OwnedReadHalf(pub(super) Arc<TcpStream>);

/// The writing half from [`TcpStream::into_split`]. Dropping it closes the writing direction.
#[derive(Debug)]
pub struct OwnedWriteHalf(pub(super) Arc<TcpStream>);

impl ReadHalf<'_> {
    fn stream(&self) -> &TcpStream {
        self.0
    }
}

impl WriteHalf<'_> {
    fn stream(&self) -> &TcpStream {
        self.0
    }
}

impl OwnedReadHalf {
    fn stream(&self) -> &TcpStream {
        &self.0
    }
}

impl OwnedWriteHalf {
    fn stream(&self) -> &TcpStream {
        &self.0
    }
}

impl AsRef<TcpStream> for OwnedReadHalf {
    fn as_ref(&self) -> &TcpStream {
        &self.0
    }
}

impl AsRef<TcpStream> for OwnedWriteHalf {
    fn as_ref(&self) -> &TcpStream {
        &self.0
    }
}

by_stream!(read: ReadHalf<'_>);
by_stream!(write: WriteHalf<'_>);
by_stream!(read: OwnedReadHalf);
by_stream!(write: OwnedWriteHalf);

impl Drop for OwnedWriteHalf {
    fn drop(&mut self) {
        // An error means that there is nothing left to close.
        let _ = self.0.close_writing();
    }
}
