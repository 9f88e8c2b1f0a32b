//! Watching a stream by the reactor, if its reads may wait for another process.

use super::waitable::Waitable;
use crate::{io::AsyncFd, sys};
use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    task::{Context, Poll, ready},
};

/// How a stream is read, which depends on when its reads return.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ReadMode {
    /// Nothing is known yet.
    #[default]
    Unknown,
    /// Reads return soon, since it is a regular file, a folder or a disk.
    Always,
    /// Reads return when another process writes. The reactor may be able to report that.
    Watchable,
    /// Reads begin when the reactor reports that there is something to read.
    Watched,
    /// Reads return when another process writes, and the reactor cannot report that. They block their thread.
    Unwatchable,
}

/// Watches a stream, once a read has found nothing.
#[derive(Default)]
pub(super) struct ReadWatch {
    /// A duplicate of the stream's descriptor, since the reactor may watch that one already.
    descriptor: Option<AsyncFd<OwnedFd>>,
}

impl ReadWatch {
    /// Begins to watch the stream, in the runtime that this thread is inside of. Returns false if the
    /// operating system cannot watch such a stream.
    pub(super) fn begin(&mut self, io: &impl Waitable) -> io::Result<bool> {
        if self.descriptor.is_some() {
            return Ok(true);
        }
        let Some(descriptor) = io.descriptor() else { return Ok(false) };
        match AsyncFd::new_pending(descriptor.try_clone_to_owned()?) {
            Ok(watched) => self.descriptor = Some(watched),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Ok(false),
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    /// Waits until there is something to read, if the stream is watched. Returns false if another runtime
    /// than this one has watched it; then the stream is not watched any more.
    pub(super) fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let Some(watched) = &self.descriptor else { return Poll::Ready(Ok(true)) };
        if !watched.is_watched_here() {
            self.descriptor = None;
            return Poll::Ready(Ok(false));
        }
        loop {
            let mut ready = ready!(watched.poll_readable(cx))?;
            // Readiness is reported once, and a blocking read cannot find out that there is nothing more to
            // read.
            if sys::is_readable(watched.as_fd()) {
                return Poll::Ready(Ok(true));
            }
            ready.clear_ready();
        }
    }
}
