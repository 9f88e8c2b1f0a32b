//! Pipes: one direction each, within this process or to another.

use crate::{
    registered::{Registered, by_reference},
    source::Initially,
};
use futures_io::AsyncWrite;
use mio::unix::pipe::{Receiver, Sender};
use std::{
    io::{self, IoSlice},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    pin::Pin,
    task::{Context, Poll},
};

/// Makes a pipe: what is written to the one end is read from the other.
///
/// # Errors
///
/// If the operating system refuses descriptors.
///
/// # Panics
///
/// Outside of a runtime.
///
/// ```
/// use brigade_runtime::{io::pipe, run};
/// use futures_util::{AsyncReadExt, AsyncWriteExt};
///
/// run(async {
///     let (mut reader, mut writer) = pipe()?;
///     writer.write_all(b"hello").await?;
///     drop(writer);
///     let mut text = String::new();
///     reader.read_to_string(&mut text).await?;
///     assert_eq!(text, "hello");
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
#[track_caller]
pub fn pipe() -> io::Result<(PipeReader, PipeWriter)> {
    let (sender, receiver) = mio::unix::pipe::new()?;
    Ok((PipeReader::register(receiver)?, PipeWriter::register(sender)?))
}

/// The reading end of a pipe, such as the output of a child.
///
/// # Cancellation
///
/// A read that is dropped while it is pending has taken nothing.
#[derive(Debug)]
pub struct PipeReader {
    end: Registered<Receiver>,
}

/// The writing end of a pipe, such as the input of a child. Dropping it ends what the other side reads.
///
/// # Cancellation
///
/// A write that is dropped while it is pending has written nothing.
#[derive(Debug)]
pub struct PipeWriter {
    /// None once it is closed.
    end: Option<Registered<Sender>>,
}

impl PipeReader {
    /// Takes over the reading end of a pipe, such as a named one that was opened, and sets it to non-blocking: whoever
    /// shares this open end sees that.
    ///
    /// # Errors
    ///
    /// If it cannot be set to non-blocking or registered.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn from_fd(end: OwnedFd) -> io::Result<Self> {
        let end = Receiver::from(end);
        end.set_nonblocking(true)?;
        Self::register(end)
    }

    #[track_caller]
    fn register(end: Receiver) -> io::Result<Self> {
        Ok(Self { end: Registered::here("PipeReader", end, Initially::Ready)? })
    }
}

impl PipeWriter {
    /// Takes over the writing end of a pipe and sets it to non-blocking: whoever shares this open end sees that.
    ///
    /// # Errors
    ///
    /// If it cannot be set to non-blocking or registered.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn from_fd(end: OwnedFd) -> io::Result<Self> {
        let end = Sender::from(end);
        end.set_nonblocking(true)?;
        Self::register(end)
    }

    #[track_caller]
    fn register(end: Sender) -> io::Result<Self> {
        Ok(Self { end: Some(Registered::here("PipeWriter", end, Initially::Ready)?) })
    }
}

by_reference!(AsyncRead [] PipeReader, |reader| reader.end);
by_reference!(AsyncRead ['a] &'a PipeReader, |reader| reader.end);

impl PipeWriter {
    fn end(&self) -> io::Result<&Registered<Sender>> {
        self.end.as_ref().ok_or_else(|| io::Error::new(io::ErrorKind::BrokenPipe, "this end is closed"))
    }
}

impl AsyncWrite for PipeWriter {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.end()?.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.end()?.poll_write_vectored(cx, bytes)
    }

    /// Does nothing: what was written is with the operating system.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Closes this end: the other side reads to the end.
    fn poll_close(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end = None;
        Poll::Ready(Ok(()))
    }
}

impl AsFd for PipeReader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.end.io().as_fd()
    }
}
