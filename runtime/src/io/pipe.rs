//! Pipes, with and without a name: one direction each, within this process or to another.

use crate::{
    registered::{Registered, by_reference},
    source::Initially,
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
    Ok((PipeReader::register(receiver, Initially::Ready)?, PipeWriter::register(sender)?))
}

/// The reading end of a pipe, such as the output of a child.
///
/// If its writer has made it a pipe of packets (`O_DIRECT`), each read gets one, and what does not fit into the buffer is lost.
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
    /// Takes over the reading end of a pipe and sets it to non-blocking: whoever shares this open end sees that.
    ///
    /// # Errors
    ///
    /// If it is no pipe, or cannot be set to non-blocking or registered.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn from_fd(end: OwnedFd) -> io::Result<Self> {
        let end = Receiver::from(assert_pipe(end)?);
        end.set_nonblocking(true)?;
        Self::register(end, Initially::Ready)
    }

    /// Opens a named pipe (what `mkfifo` makes) to read from it. Reads wait for a writer if there is none yet, and end when the last
    /// writer has gone.
    ///
    /// ```
    /// use brigade_runtime::{command::Command, io::{PipeReader, PipeWriter}, run};
    /// use futures_util::{AsyncReadExt, AsyncWriteExt};
    ///
    /// run(async {
    ///     let path = std::env::temp_dir().join(format!("brigade-fifo-{}", std::process::id()));
    ///     assert!(Command::new("mkfifo").arg(&path).status().await?.success());
    ///     // In this order: a writer needs a reader that is there.
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
    /// If there is no pipe at the path, or it may not be read.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let end = open(path.as_ref(), OpenOptions::new().read(true))?;
        // Pending: without a writer a read would say that this is the end.
        Self::register(Receiver::from(end), Initially::Pending)
    }

    /// [`open`](Self::open) for one that stays open when the last writer has gone: reads wait for the next.
    ///
    /// It is opened for writing as well, which POSIX does not promise; Linux and macOS allow it.
    ///
    /// # Errors
    ///
    /// If there is no pipe at the path, or it may not be read and written.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
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

/// Opens a named pipe. It does not wait for the other side.
fn open(path: &Path, options: &mut OpenOptions) -> io::Result<OwnedFd> {
    assert_pipe(options.custom_flags(sys::NONBLOCK).open(path)?.into())
}

/// An error unless it is a pipe.
fn assert_pipe(end: OwnedFd) -> io::Result<OwnedFd> {
    let file = File::from(end);
    if file.metadata()?.file_type().is_fifo() {
        return Ok(file.into());
    }
    let advice = "this is no pipe: `AsyncFd` is for other descriptors";
    Err(io::Error::new(io::ErrorKind::InvalidInput, advice))
}

impl PipeWriter {
    /// Takes over the writing end of a pipe and sets it to non-blocking: whoever shares this open end sees that.
    ///
    /// # Errors
    ///
    /// If it is no pipe, or cannot be set to non-blocking or registered.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn from_fd(end: OwnedFd) -> io::Result<Self> {
        let end = Sender::from(assert_pipe(end)?);
        end.set_nonblocking(true)?;
        Self::register(end)
    }

    /// Opens a named pipe (what `mkfifo` makes) to write to it, such as in the example of [`PipeReader::open`].
    ///
    /// # Errors
    ///
    /// If there is no pipe at the path, it may not be written, or nobody has it open to read (`ENXIO`): for that no descriptor can be
    /// waited for, so try again later.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
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
