//! Bytes through sockets and pipes. A port must provide a socket that passes bytes without raising SIGPIPE.

use crate::sys::{Watch, again, poll};
use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
    time::Duration,
};

/// Whether the error says that this is not a socket, but a pipe, for example.
fn is_no_socket(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ENOTSOCK)
}

/// Sends as many bytes as the socket or pipe takes. A peer that is gone is an error and never a signal.
pub(crate) fn send(socket: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    send_with(socket, bytes, 0)
}

/// [`send`] that never waits for a socket.
pub(crate) fn send_at_once(socket: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    send_with(socket, bytes, libc::MSG_DONTWAIT)
}

fn send_with(socket: BorrowedFd<'_>, bytes: &[u8], mut flags: libc::c_int) -> io::Result<usize> {
    if cfg!(target_os = "linux") {
        flags |= libc::MSG_NOSIGNAL;
    }
    loop {
        // SAFETY: the bytes are borrowed across the call.
        let sent = unsafe { libc::send(socket.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), flags) };
        match usize::try_from(sent) {
            Ok(sent) => return Ok(sent),
            Err(_) if again(&io::Error::last_os_error()) => {}
            Err(_) if is_no_socket(&io::Error::last_os_error()) => return write(socket, bytes),
            Err(_) => return Err(io::Error::last_os_error()),
        }
    }
}

/// Writes to a pipe. Rust programs ignore SIGPIPE, so a peer that is gone is an error here as well.
fn write(pipe: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: the bytes are borrowed across the call.
    let written = unsafe { libc::write(pipe.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) };
    match usize::try_from(written) {
        Ok(written) => Ok(written),
        Err(_) if again(&io::Error::last_os_error()) => Ok(0),
        Err(_) => Err(io::Error::last_os_error()),
    }
}

/// Receives what has arrived; 0 is the end of the stream. Waits for something as the socket does.
pub(crate) fn receive(socket: BorrowedFd<'_>, into: &mut [u8]) -> io::Result<usize> {
    receive_with(socket, into, 0)
}

/// [`receive`] that never waits.
pub(crate) fn receive_at_once(socket: BorrowedFd<'_>, into: &mut [u8]) -> io::Result<usize> {
    receive_with(socket, into, libc::MSG_DONTWAIT)
}

fn receive_with(socket: BorrowedFd<'_>, into: &mut [u8], flags: libc::c_int) -> io::Result<usize> {
    loop {
        // SAFETY: the bytes are borrowed for writing across the call.
        let received = unsafe { libc::recv(socket.as_raw_fd(), into.as_mut_ptr().cast(), into.len(), flags) };
        match usize::try_from(received) {
            Ok(received) => return Ok(received),
            Err(_) if again(&io::Error::last_os_error()) => {}
            Err(_) if is_no_socket(&io::Error::last_os_error()) => {
                let mut watched = [Watch::readable(socket)];
                poll(&mut watched, (flags & libc::MSG_DONTWAIT != 0).then_some(Duration::ZERO))?;
                if !watched[0].is_ready() {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                return read(socket, into);
            }
            Err(_) => return Err(io::Error::last_os_error()),
        }
    }
}

/// Reads what has arrived from a pipe.
pub(crate) fn read(pipe: BorrowedFd<'_>, into: &mut [u8]) -> io::Result<usize> {
    loop {
        // SAFETY: the bytes are borrowed for writing across the call.
        let read = unsafe { libc::read(pipe.as_raw_fd(), into.as_mut_ptr().cast(), into.len()) };
        match usize::try_from(read) {
            Ok(read) => return Ok(read),
            Err(_) if again(&io::Error::last_os_error()) => {}
            Err(_) => return Err(io::Error::last_os_error()),
        }
    }
}

/// How many bytes a pipe or socket holds that could be read now.
pub(crate) fn bytes_waiting(fd: BorrowedFd<'_>) -> io::Result<usize> {
    let mut count: libc::c_int = 0;
    // SAFETY: the place is ours to write, and as wide as the call writes.
    match unsafe { libc::ioctl(fd.as_raw_fd(), libc::FIONREAD, &raw mut count) } {
        -1 => Err(io::Error::last_os_error()),
        _ => usize::try_from(count).map_err(io::Error::other),
    }
}
