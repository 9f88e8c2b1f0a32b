//! The reading end of a pipe.

use super::{assert_pipe, open};
use crate::driver::{
    conversion::{as_fd, conversions},
    registration::{Registered, by_reference},
    source::Initially,
};
use mio::unix::pipe::Receiver;
use std::{fs::OpenOptions, io, os::fd::OwnedFd, path::Path};

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

    /// Takes over the reading end of a pipe of the standard library, as [`from_fd`](Self::from_fd) does.
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
    /// # use futures_util::AsyncReadExt;
    /// # brigade_runtime::run(async {
    /// let (reader, writer) = std::io::pipe()?;
    /// drop(writer);
    /// let mut reader = brigade_runtime::io::PipeReader::from_std(reader)?;
    /// assert_eq!(reader.read(&mut [0; 8]).await?, 0);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn from_std(reader: io::PipeReader) -> io::Result<Self> {
        Self::from_fd(reader.into())
    }

    /// Ends the registration and returns the end of the pipe as one of the standard library, set to
    /// blocking. Bytes that nobody has read yet stay in the pipe.
    ///
    /// To give it to a child process, convert it to [`Stdio`](std::process::Stdio).
    ///
    /// # Errors
    ///
    /// The operating system's error, if the descriptor cannot be set to blocking. It is closed then.
    ///
    /// ```
    /// use brigade_runtime::{command::Command, run};
    /// use std::process::Stdio;
    ///
    /// run(async {
    ///     // echo | tr
    ///     let mut echo = Command::new("echo").arg("soup").stdout(Stdio::piped()).spawn()?;
    ///     let soup = echo.stdout.take().expect("it is piped");
    ///     let mut tr = Command::new("tr");
    ///     let output = tr.args(["a-z", "A-Z"]).stdin(Stdio::try_from(soup)?).output().await?;
    ///     assert_eq!(output.stdout, b"SOUP\n");
    ///     echo.wait().await?;
    ///     std::io::Result::Ok(())
    /// })
    /// # .unwrap();
    /// ```
    pub fn into_std(self) -> io::Result<io::PipeReader> {
        let end = self.end.into_io();
        end.set_nonblocking(false)?;
        Ok(OwnedFd::from(end).into())
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
    pub(super) fn register(end: Receiver, initially: Initially) -> io::Result<Self> {
        Ok(Self { end: Registered::here("PipeReader", end, initially)? })
    }
}

by_reference!(AsyncRead [] PipeReader, |reader| reader.end);
by_reference!(AsyncRead ['a] &'a PipeReader, |reader| reader.end);

as_fd!(PipeReader, |reader| reader.end.io().as_fd());

conversions!(PipeReader, io::PipeReader);
