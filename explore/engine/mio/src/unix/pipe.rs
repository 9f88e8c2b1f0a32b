//! As [`os::unix::pipe`].

use crate::{
    net::{owned, source},
    network::Protocol,
    socket::{Either, Socket},
};
use brigade_handle::explore;
use std::{
    io::{self, IoSlice, IoSliceMut, Read, Write},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

/// As [`os::unix::pipe::Sender`].
#[derive(Debug)]
pub struct Sender(Either<os::unix::pipe::Sender>);

/// As [`os::unix::pipe::Receiver`].
#[derive(Debug)]
pub struct Receiver(Either<os::unix::pipe::Receiver>);

/// As [`os::unix::pipe::new`].
///
/// # Errors
///
/// The operating system's error.
pub fn new() -> io::Result<(Sender, Receiver)> {
    if explore::is_managed() {
        let (sender, receiver) = Socket::stream_pair(Protocol::PipeWriter, Protocol::PipeReader)?;
        return Ok((Sender(Either::Simulated(sender)), Receiver(Either::Simulated(receiver))));
    }
    let (sender, receiver) = os::unix::pipe::new()?;
    Ok((Sender(Either::Os(sender)), Receiver(Either::Os(receiver))))
}

impl Sender {
    /// As [`os::unix::pipe::Sender::set_nonblocking`].
    ///
    /// # Errors
    ///
    /// The operating system's error.
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        match &self.0 {
            Either::Os(os) => os.set_nonblocking(nonblocking),
            Either::Simulated(_) => Ok(()),
        }
    }
}

impl Receiver {
    /// As [`os::unix::pipe::Receiver::set_nonblocking`].
    ///
    /// # Errors
    ///
    /// The operating system's error.
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        match &self.0 {
            Either::Os(os) => os.set_nonblocking(nonblocking),
            Either::Simulated(_) => Ok(()),
        }
    }
}

crate::net::read!(Receiver);
crate::net::write!(Sender);
source!(Sender, "pipe");
source!(Receiver, "pipe");
owned!(Sender, os::unix::pipe::Sender, "into_std of a PipeWriter");
owned!(Receiver, os::unix::pipe::Receiver, "into_std of a PipeReader");
