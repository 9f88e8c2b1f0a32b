//! How the end of the pool ends a launcher's waits: each wait is given up, so that nobody waits for it.

use crate::{
    sys::{self, Bell, Watch},
    system::stream,
    wire::handover::start_error,
};
use brigade_trace::clock;
use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    time::{Duration, Instant},
};

/// A bell that is rung once, at the end of the pool, and stays rung.
#[derive(Debug)]
pub(crate) struct Stop(Bell);

impl Stop {
    pub(crate) fn new() -> io::Result<Self> {
        Bell::new().map(Self).map_err(|error| start_error(error, "eventfd"))
    }

    /// Ends every wait, those that begin later too.
    pub(crate) fn ring(&self) {
        self.0.ring();
    }

    /// Waits until the descriptor has something to read, or has ended, but not beyond `end`. Whether it
    /// has.
    ///
    /// # Errors
    ///
    /// `Interrupted` if the pool ends.
    pub(crate) fn wait_for_input(&self, fd: BorrowedFd<'_>, end: Instant) -> io::Result<bool> {
        self.wait_for(Watch::readable(fd), end)
    }

    /// Sends all the bytes over a socket that does not block, but not beyond `end`.
    ///
    /// # Errors
    ///
    /// `Interrupted` if the pool ends, `TimedOut` if the other side does not take them by then, and the
    /// socket's own errors.
    pub(crate) fn send(&self, socket: BorrowedFd<'_>, mut bytes: &[u8], end: Instant) -> io::Result<()> {
        while !bytes.is_empty() {
            match stream::send(socket, bytes) {
                Ok(sent) => bytes = &bytes[sent..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if !self.wait_for(Watch::readable(socket).writable_too(), end)? {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Waits for `time`, or less if the pool ends.
    pub(crate) fn pause(&self, time: Duration) {
        // An error would be a bug in the list of descriptors, and a pause of no time harms nobody.
        let _ = sys::poll(&mut [Watch::readable(self.0.fd().as_fd())], Some(time));
    }

    fn wait_for(&self, watch: Watch, end: Instant) -> io::Result<bool> {
        loop {
            let left = end.saturating_duration_since(clock::now());
            let mut watched = [watch, Watch::readable(self.0.fd())];
            sys::poll(&mut watched, Some(left))?;
            if watched[0].is_ready() || left.is_zero() {
                return Ok(watched[0].is_ready());
            }
            if watched[1].is_ready() {
                return Err(io::Error::new(io::ErrorKind::Interrupted, "the pool has ended"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_wait_ends_with_the_pool() {
        let stop = Stop::new().unwrap();
        let (one, _other) = UnixStream::pair().unwrap();
        one.set_nonblocking(true).unwrap();
        let end = clock::after(clock::now(), Duration::MAX);
        stop.ring();
        let told = stop.wait_for_input(one.as_fd(), end).unwrap_err();
        assert_eq!(told.kind(), io::ErrorKind::Interrupted);
        // More than any socket takes.
        let told = stop.send(one.as_fd(), &vec![0; 64 << 20], end).unwrap_err();
        assert_eq!(told.kind(), io::ErrorKind::Interrupted);
        stop.pause(Duration::MAX);
    }
}
