//! Pipes with and without a name: streams of one direction, within this process or to another.

mod reader;
mod writer;

pub use reader::PipeReader;
pub use writer::PipeWriter;

use crate::{driver::source::Initially, sys};
use std::{
    fs::{File, OpenOptions},
    io,
    os::{
        fd::OwnedFd,
        unix::fs::{FileTypeExt, OpenOptionsExt},
    },
    path::Path,
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
