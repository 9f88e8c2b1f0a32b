//! The writing end of a pipe.

use super::{assert_pipe, open};
use crate::driver::{
    conversion::{as_fd, conversions},
    registration::Registered,
    source::Initially,
};
use futures_io::AsyncWrite;
use mio::unix::pipe::Sender;
use std::{
    fs::OpenOptions,
    io::{self, IoSlice},
    os::fd::OwnedFd,
    path::Path,
    pin::Pin,
    task::{Context, Poll},
};

/// The writing end of a pipe, such as the input of a child process. Once it is dropped, the reader reads to
/// the end.
///
/// # Panics
///
/// Once it was closed, it has no descriptor to lend: `as_fd` panics.
///
/// # Cancellation
///
/// A write that is dropped while it is pending has written nothing.
///
/// ```
/// # use futures_util::AsyncWriteExt;
/// # brigade_runtime::run(async {
/// let (reader, mut writer) = brigade_runtime::io::pipe()?;
/// drop(reader);
/// let error = writer.write(b"nobody reads this").await.unwrap_err();
/// assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct PipeWriter {
    /// None once it is closed.
    end: Option<Registered<Sender>>,
}

impl PipeWriter {
    /// Takes over the writing end of a pipe and sets it to non-blocking, for every process that shares this
    /// open end.
    ///
    /// # Errors
    ///
    /// * `InvalidInput` if it is not a pipe.
    /// * The operating system's error, if it cannot be set to non-blocking or registered.
    ///
    /// # Panics
    ///
    /// Panics outside of a runtime.
    ///
    /// ```
    /// # use futures_util::AsyncWriteExt;
    /// # use std::io::Read;
    /// # brigade_runtime::run(async {
    /// let (mut reader, writer) = std::io::pipe()?;
    /// brigade_runtime::io::PipeWriter::from_fd(writer.into())?.write_all(b"hi").await?;
    /// assert_eq!(reader.read(&mut [0; 8])?, 2);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn from_fd(end: OwnedFd) -> io::Result<Self> {
        let end = Sender::from(assert_pipe(end)?);
        end.set_nonblocking(true)?;
        Self::register(end)
    }

    /// Takes over the writing end of a pipe of the standard library, as [`from_fd`](Self::from_fd) does.
    ///
    /// # Errors
    ///
    /// The operating system's error, if it cannot be set to non-blocking or registered.
    ///
    /// # Panics
    ///
    /// Panics outside of a runtime.
    ///
    /// ```
    /// # use futures_util::AsyncWriteExt;
    /// # brigade_runtime::run(async {
    /// let (_reader, writer) = std::io::pipe()?;
    /// let mut writer = brigade_runtime::io::PipeWriter::from_std(writer)?;
    /// assert_eq!(writer.write(b"hi").await?, 2);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn from_std(writer: io::PipeWriter) -> io::Result<Self> {
        Self::from_fd(writer.into())
    }

    /// Ends the registration and returns the end of the pipe as one of the standard library, set to
    /// blocking. To give it to a child process, convert it to [`Stdio`](std::process::Stdio).
    ///
    /// # Errors
    ///
    /// * `BrokenPipe` if this end was closed.
    /// * The operating system's error, if the descriptor cannot be set to blocking. It is closed then.
    ///
    /// ```
    /// use brigade_runtime::{command::Command, io::pipe, run};
    /// use futures_util::AsyncReadExt;
    /// use std::process::Stdio;
    ///
    /// run(async {
    ///     let (mut reader, writer) = pipe()?;
    ///     // The command holds the writer until it is dropped, and the reader reads to the end only then.
    ///     let status = Command::new("echo").arg("soup").stdout(Stdio::try_from(writer)?).status().await?;
    ///     assert!(status.success());
    ///     let mut text = String::new();
    ///     reader.read_to_string(&mut text).await?;
    ///     assert_eq!(text, "soup\n");
    ///     std::io::Result::Ok(())
    /// })
    /// # .unwrap();
    /// ```
    pub fn into_std(self) -> io::Result<io::PipeWriter> {
        let end = self.end.ok_or_else(closed)?.into_io();
        end.set_nonblocking(false)?;
        Ok(OwnedFd::from(end).into())
    }

    /// Opens a named pipe, such as `mkfifo` makes, to write to it.
    /// [`PipeReader::open`](super::PipeReader::open) has an example.
    ///
    /// # Errors
    ///
    /// * `NotFound` if there is no file at the path, `InvalidInput` if that is not a pipe,
    ///   `PermissionDenied` if it may not be written.
    /// * `ENXIO` (a kind without a name) if nobody has it open to read. No descriptor can be waited for
    ///   until somebody does, so try again later.
    ///
    /// # Panics
    ///
    /// Panics outside of a runtime.
    #[track_caller]
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::register(Sender::from(open(path.as_ref(), OpenOptions::new().write(true))?))
    }

    #[track_caller]
    pub(super) fn register(end: Sender) -> io::Result<Self> {
        Ok(Self { end: Some(Registered::here("PipeWriter", end, Initially::Ready)?) })
    }
}

impl PipeWriter {
    fn end(&self) -> io::Result<&Registered<Sender>> {
        self.end.as_ref().ok_or_else(closed)
    }
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "this end is closed")
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

    /// Does nothing: the operating system already has the bytes.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Closes this end, so that the reader reads to the end.
    fn poll_close(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end = None;
        Poll::Ready(Ok(()))
    }
}

as_fd!(PipeWriter, |writer| {
    writer.end.as_ref().expect("a pipe that was closed has no descriptor").io().as_fd()
});

conversions!(PipeWriter, io::PipeWriter);
