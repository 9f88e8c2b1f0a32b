//! The reactor's eye on a stream whose reads may wait for somebody else.

use super::waitable::Waitable;
use crate::{io::AsyncFd, sys};
use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    task::{Context, Poll, ready},
};

/// What is known of when a read comes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ReadMode {
    /// Nothing yet.
    #[default]
    Unknown,
    /// Soon: it is a regular file or a folder.
    Always,
    /// When somebody writes. The reactor may be able to tell.
    Watchable,
    /// The reactor tells.
    Watched,
    /// When somebody writes, of which the reactor cannot tell.
    Unwatchable,
}

/// Watches a stream once a read has found nothing.
#[derive(Default)]
pub(super) struct ReadWatch {
    /// A descriptor of its own, since the reactor may watch the stream's already.
    descriptor: Option<AsyncFd<OwnedFd>>,
}

impl ReadWatch {
    /// Begins to watch, with the runtime that this thread is inside of. False if the operating system cannot watch such a stream.
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

    /// Waits until there is something to read, if the stream is watched. False if it was watched by another runtime than this one, and is not
    /// watched any more.
    pub(super) fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let Some(watched) = &self.descriptor else { return Poll::Ready(Ok(true)) };
        if !watched.is_watched_here() {
            self.descriptor = None;
            return Poll::Ready(Ok(false));
        }
        loop {
            let mut ready = ready!(watched.poll_readable(cx))?;
            // ReadMode is told once, and a read that blocks cannot find out that there is no more.
            if sys::is_readable(watched.as_fd()) {
                return Poll::Ready(Ok(true));
            }
            ready.clear_ready();
        }
    }
}
