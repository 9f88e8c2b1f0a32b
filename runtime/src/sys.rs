//! The platform wall: the system calls that neither the standard library nor mio offers.
//!
//! A port provides [`widen_backlog`], which may do nothing.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

/// Lets as many connections wait to be accepted as the operating system allows, instead of the standard library's 128. A
/// connection that finds no room is tried again by its client after a second, and after two more.
pub(crate) fn widen_backlog(listener: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the descriptor is borrowed, so it is open, and `listen` touches no memory of ours.
    match unsafe { libc::listen(listener.as_raw_fd(), libc::c_int::MAX) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
