//! A descriptor of any type, for the reactor to watch.

use mio::{Interest, Registry, Token, event::Source as OsSource, unix::SourceFd};
use std::{
    io,
    os::fd::{AsFd, AsRawFd},
};

/// A descriptor as a source for mio.
#[derive(Debug)]
pub(crate) struct WatchedFd<T>(pub(crate) T);

impl<T: AsFd> OsSource for WatchedFd<T> {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        SourceFd(&self.0.as_fd().as_raw_fd()).register(registry, token, interests)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        SourceFd(&self.0.as_fd().as_raw_fd()).reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        SourceFd(&self.0.as_fd().as_raw_fd()).deregister(registry)
    }
}
