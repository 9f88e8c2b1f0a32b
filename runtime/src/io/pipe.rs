//! Pipes with and without a name: streams of one direction, within this process or to another.

use crate::{
    driver::{
        registration::{Registered, by_reference},
        source::Initially,
    },
    sys,
};
use futures_io::AsyncWrite;
use mio::unix::pipe::{Receiver, Sender};
use std::{
    fs::{File, OpenOptions},
    io::{self, IoSlice},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::{FileTypeExt, OpenOptionsExt},
    },
    path::Path,
    pin::Pin,
    task::{Context, Poll},
};

/// Makes a pipe: bytes that are written to one end are read from the other.
///
/// # Errors
///
/// The operating system's error, if it refuses descriptors.
///
/// # Panics
///
/// Panics outside of a runtime.
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
    Ok((PipeReader::register(receiver, Initially::Ready)?, PipeWriter::register(sender)?))
}

/// The reading end of a pipe, such as the output of a child process.
///
/// If the writer has made it a pipe of packets (`O_DIRECT`), each read gets one packet, and bytes that do
/// not fit into the buffer are lost.
///
/// # Cancellation
///
/// A read that is dropped while it is pending has taken nothing.
///
/// ```
/// # use futures_util::{AsyncReadExt, AsyncWriteExt};
/// # brigade_runtime::run(async {
/// let (mut reader, mut writer) = brigade_runtime::io::pipe()?;
/// writer.write_all(b"hello").await?;
/// let mut bytes = [0; 5];
/// reader.read_exact(&mut bytes).await?;
/// assert_eq!(&bytes, b"hello");
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct PipeReader {
    end: Registered<Receiver>,
}

/// The writing end of a pipe, such as the input of a child process. Once it is dropped, the reader reads to
/// the end.
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

impl PipeReader {
    /// Takes over the reading end of a pipe and sets it to non-blocking, for every process that shares this
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
    /// # use futures_util::AsyncReadExt;
    /// # use std::io::Write;
    /// # brigade_runtime::run(async {
    /// let (reader, mut writer) = std::io::pipe()?;
    /// writer.write_all(b"hi")?;
    /// let mut reader = brigade_runtime::io::PipeReader::from_fd(reader.into())?;
    /// assert_eq!(reader.read(&mut [0; 8]).await?, 2);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn from_fd(end: OwnedFd) -> io::Result<Self> {
        let end = Receiver::from(assert_pipe(end)?);
        end.set_nonblocking(true)?;
        Self::register(end, Initially::Ready)
    }

    /// Opens a named pipe, such as `mkfifo` makes, to read from it. Reads wait for a writer if there is
    /// none yet, and end when the last writer has gone.
    ///
    /// ```
    /// use brigade_runtime::{command::Command, io::{PipeReader, PipeWriter}, run};
    /// use futures_util::{AsyncReadExt, AsyncWriteExt};
    ///
    /// run(async {
    ///     let path = std::env::temp_dir().join(format!("brigade-fifo-{}", std::process::id()));
    ///     assert!(Command::new("mkfifo").arg(&path).status().await?.success());
    ///     // In this order, because a writer needs a reader.
    ///     let (mut reader, mut writer) = (PipeReader::open(&path)?, PipeWriter::open(&path)?);
    ///     std::fs::remove_file(&path)?;
    ///     writer.write_all(b"hello").await?;
    ///     drop(writer);
    ///     let mut text = String::new();
    ///     reader.read_to_string(&mut text).await?;
    ///     assert_eq!(text, "hello");
    ///     std::io::Result::Ok(())
    /// })
    /// # .unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no file at the path, `InvalidInput` if that is not a pipe, `PermissionDenied`
    /// if it may not be read.
    ///
    /// # Panics
    ///
    /// Panics outside of a runtime.
    #[track_caller]
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let end = open(path.as_ref(), OpenOptions::new().read(true))?;
        // Pending, because without a writer a read would report the end.
        Self::register(Receiver::from(end), Initially::Pending)
    }

    /// Opens a named pipe to read from it, like [`open`](Self::open), but stays open when the last writer
    /// has gone: reads wait for the next writer.
    ///
    /// It is opened for writing as well. POSIX does not promise that this works; Linux and macOS allow it.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no file at the path, `InvalidInput` if that is not a pipe, `PermissionDenied`
    /// if it may not be read and written.
    ///
    /// # Panics
    ///
    /// Panics outside of a runtime.
    ///
    /// ```
    /// # use brigade_runtime::{command::Command, io::{PipeReader, PipeWriter}, run};
    /// # use futures_util::{AsyncReadExt, AsyncWriteExt};
    /// # run(async {
    /// # let path = std::env::temp_dir().join(format!("brigade-lasting-{}", std::process::id()));
    /// # assert!(Command::new("mkfifo").arg(&path).status().await?.success());
    /// let mut reader = PipeReader::open_lasting(&path)?;
    /// for word in ["soup", "salad"] {
    ///     // Each writer comes and goes.
    ///     PipeWriter::open(&path)?.write_all(word.as_bytes()).await?;
    ///     let mut bytes = vec![0; word.len()];
    ///     reader.read_exact(&mut bytes).await?;
    ///     assert_eq!(bytes, word.as_bytes());
    /// }
    /// # std::fs::remove_file(path)
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn open_lasting(path: impl AsRef<Path>) -> io::Result<Self> {
        let end = open(path.as_ref(), OpenOptions::new().read(true).write(true))?;
        Self::register(Receiver::from(end), Initially::Pending)
    }

    #[track_caller]
    fn register(end: Receiver, initially: Initially) -> io::Result<Self> {
        Ok(Self { end: Registered::here("PipeReader", end, initially)? })
    }
}

/// Opens a named pipe, without waiting for the other end.
fn open(path: &Path, options: &mut OpenOptions) -> io::Result<OwnedFd> {
    assert_pipe(options.custom_flags(sys::NONBLOCK).open(path)?.into())
}

/// Returns `end` if it is a pipe, otherwise an error.
fn assert_pipe(end: OwnedFd) -> io::Result<OwnedFd> {
    let file = File::from(end);
    if file.metadata()?.file_type().is_fifo() {
        return Ok(file.into());
    }
    let advice = "this is not a pipe: `AsyncFd` is for other descriptors";
    Err(io::Error::new(io::ErrorKind::InvalidInput, advice))
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

    /// Opens a named pipe, such as `mkfifo` makes, to write to it. [`PipeReader::open`] has an example.
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

impl AsFd for PipeReader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.end.io().as_fd()
    }
}
