//! Adapters to tokio's I/O traits, so that crates that read and write by them run on this runtime.
//!
//! This uses only tokio's traits, and not its runtime, its reactor or its timers. A crate that spawns tasks
//! by tokio or opens tokio's sockets needs tokio's runtime. Many crates take a stream and an executor
//! instead.
//!
//! # Example
//!
//! ```
//! use brigade_runtime::{net::unix::UnixStream, run, tokio_io::Compat};
//! use std::{future::poll_fn, pin::Pin};
//! use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
//!
//! run(async {
//!     let (one, other) = UnixStream::pair()?;
//!     let (mut one, mut other) = (Compat::new(one), Compat::new(other));
//!     poll_fn(|cx| Pin::new(&mut one).poll_write(cx, b"hello")).await?;
//!     let mut bytes = [0; 8];
//!     let mut buffer = ReadBuf::new(&mut bytes);
//!     poll_fn(|cx| Pin::new(&mut other).poll_read(cx, &mut buffer)).await?;
//!     assert_eq!(buffer.filled(), b"hello");
//!     std::io::Result::Ok(())
//! })
//! # .unwrap();
//! ```

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::io::ReadBuf;

/// An adapter that gives tokio's I/O traits to a stream of `futures-io`, such as a
/// [`TcpStream`](crate::net::TcpStream), and the traits of `futures-io` to a stream of tokio's.
///
/// ```
/// # use brigade_runtime::{net::unix::UnixStream, run, tokio_io::Compat};
/// use tokio::io::AsyncWrite;
///
/// fn needs_tokio(_stream: impl AsyncWrite) {}
///
/// run(async {
///     let (stream, _peer) = UnixStream::pair()?;
///     needs_tokio(Compat::new(stream));
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
#[doc(alias = "TokioAsyncReadCompatExt")]
#[derive(Debug)]
pub struct Compat<T> {
    inner: T,
}

impl<T> Compat<T> {
    /// Wraps a stream of `futures-io` or of tokio.
    pub fn new(inner: T) -> Self {
        Self { inner }
    }

    /// Returns a reference to the wrapped stream.
    pub fn inner(&self) -> &T {
        &self.inner
    }

    /// Returns the wrapped stream.
    ///
    /// ```
    /// # use brigade_runtime::tokio_io::Compat;
    /// let compat = Compat::new("a stream");
    /// assert_eq!(*compat.inner(), "a stream");
    /// assert_eq!(compat.into_inner(), "a stream");
    /// ```
    pub fn into_inner(self) -> T {
        self.inner
    }
}

impl<T: futures_io::AsyncRead + Unpin> tokio::io::AsyncRead for Compat<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // `futures-io` reads into initialised bytes. tokio's buffer remembers that it is initialised, so
        // this clears once.
        let read = ready!(Pin::new(&mut self.inner).poll_read(cx, buffer.initialize_unfilled()))?;
        buffer.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl<T: futures_io::AsyncWrite + Unpin> tokio::io::AsyncWrite for Compat<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }
}

impl<T: tokio::io::AsyncRead + Unpin> futures_io::AsyncRead for Compat<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(bytes);
        ready!(Pin::new(&mut self.inner).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }
}

impl<T: tokio::io::AsyncWrite + Unpin> futures_io::AsyncWrite for Compat<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
