//! Opening a file, which may be a named pipe.
//!
//! To open a named pipe waits until somebody has its other end open, and nothing ends that wait. So a named pipe is opened without waiting. To
//! read, that is done at once, and the first read waits for a writer, by the reactor. To write, it is refused as long as nobody reads, and tried
//! again after pauses that grow, of which nobody is told otherwise.

use crate::{blocking::unblock, io::backoff::Backoff, sys};
use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt},
    path::Path,
    sync::Arc,
};

/// Opens a file, on the blocking pool. A wait for the other end of a named pipe ends when the future is dropped.
pub(super) async fn open(path: &Path, options: OpenOptions) -> io::Result<File> {
    let (path, options): (Arc<Path>, _) = (path.into(), Arc::new(options));
    let mut backoff = Backoff::new();
    loop {
        let (path, options) = (path.clone(), options.clone());
        let opened = unblock("opening a file", move || open_without_waiting(&path, &options)).await?;
        match opened {
            Some(file) => return Ok(file),
            None => backoff.pause().await,
        }
    }
}

/// None if it is a named pipe that nobody reads.
fn open_without_waiting(path: &Path, options: &OpenOptions) -> io::Result<Option<File>> {
    // Not of what a symbolic link leads to: the options may forbid to follow it.
    let found = path.symlink_metadata().ok().filter(|found| found.file_type().is_fifo());
    let Some(found) = found else { return options.open(path).map(Some) };
    // This takes the place of flags that were set before, none of which makes a difference for a named pipe.
    let opened = match options.clone().custom_flags(sys::NONBLOCK).open(path) {
        Err(error) if error.raw_os_error() == Some(sys::NOBODY_THERE) => return Ok(None),
        opened => opened?,
    };
    let is_same = opened.metadata().is_ok_and(|it| (it.dev(), it.ino()) == (found.dev(), found.ino()));
    // Another file came to that path meanwhile, for which the flags may matter.
    if is_same { Ok(Some(opened)) } else { options.open(path).map(Some) }
}
