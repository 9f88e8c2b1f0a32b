//! Opening a file, which may be a named pipe.
//!
//! Opening a named pipe normally blocks until somebody opens its other end, and nothing can interrupt that.
//! So a named pipe is opened without waiting. Opening to read succeeds at once, and the first read waits
//! for a writer, by the reactor. Opening to write is refused as long as nobody reads. It is tried again
//! after pauses that grow, since the operating system does not report when a reader comes.

use crate::{executor::blocking::unblock, io::backoff::Backoff, sys};
use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt},
    path::Path,
    sync::Arc,
};

/// Opens a file, on the blocking pool. Dropping the future ends the wait for the other end of a named pipe.
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

/// Opens a file. Returns None if it is a named pipe that nobody reads.
fn open_without_waiting(path: &Path, options: &OpenOptions) -> io::Result<Option<File>> {
    // An explored run has no named pipes.
    #[cfg(feature = "explore")]
    if brigade_handle::explore::is_managed() {
        return brigade_handle::explore::files::open(path, options).map(Some);
    }
    // This does not follow a symbolic link, since the options may forbid that.
    let found = path.symlink_metadata().ok().filter(|found| found.file_type().is_fifo());
    let Some(found) = found else { return options.open(path).map(Some) };
    // This replaces flags that were set before, none of which makes a difference for a named pipe.
    let opened = match options.clone().custom_flags(sys::NONBLOCK).open(path) {
        Err(error) if error.raw_os_error() == Some(sys::NOBODY_THERE) => return Ok(None),
        opened => opened?,
    };
    let is_same = opened.metadata().is_ok_and(|it| (it.dev(), it.ino()) == (found.dev(), found.ino()));
    // Otherwise another file has taken that path meanwhile, for which the flags may matter.
    if is_same { Ok(Some(opened)) } else { options.open(path).map(Some) }
}
