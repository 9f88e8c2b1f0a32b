//! The system calls: who we are, and who is at the other end of a socket.

use std::{
    io, mem,
    os::{fd::AsRawFd, unix::net::UnixStream},
};

/// The other end of a socket.
pub(super) struct Peer {
    pub(super) process: u32,
    pub(super) user: u32,
}

/// The user that this process acts for.
pub(super) fn user() -> u32 {
    // SAFETY: the call takes nothing and always succeeds.
    unsafe { libc::geteuid() }
}

/// Returns the process and the user that made the other end.
pub(super) fn peer(stream: &UnixStream) -> io::Result<Peer> {
    let mut credentials = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut length = mem::size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: the descriptor is open as long as the stream, and the pointers are to a `ucred` and to its
    // length, which the call fills.
    let result = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut credentials).cast(),
            &raw mut length,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Peer { process: credentials.pid.cast_unsigned(), user: credentials.uid })
}
