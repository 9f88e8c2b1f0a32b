//! The platform wall: the system calls that neither the standard library nor mio offers.
//!
//! A port provides [`widen_backlog`], which may do nothing, and [`peer_cred`].

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

/// Lets as many connections wait to be accepted as the operating system allows, instead of the standard library's 128. A
/// connection that finds no room is tried again by its client after a second, and after two more.
pub(crate) fn widen_backlog(listener: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the descriptor is borrowed, so it is open, and `listen` touches no memory of ours.
    check(unsafe { libc::listen(listener.as_raw_fd(), libc::c_int::MAX) }).map(drop)
}

/// The error of a call that says -1, as its result.
fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Who is at the other end of a Unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The process, where the operating system tells.
    pub pid: Option<i32>,
}

/// Who was at the other end of a Unix socket when it connected.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn peer_cred(socket: BorrowedFd<'_>) -> io::Result<Credentials> {
    let mut found = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut len = size_of::<libc::ucred>() as libc::socklen_t;
    let place = (&raw mut found).cast();
    // SAFETY: the descriptor is borrowed, so it is open; the kernel writes at most `len` bytes to `place`, which is a
    // `ucred` of that size.
    check(unsafe {
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_PEERCRED, place, &raw mut len)
    })?;
    Ok(Credentials { uid: found.uid, gid: found.gid, pid: Some(found.pid) })
}

/// Who was at the other end of a Unix socket when it connected.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn peer_cred(socket: BorrowedFd<'_>) -> io::Result<Credentials> {
    let (mut uid, mut gid) = (0, 0);
    // SAFETY: the descriptor is borrowed, so it is open; both places are of the types that are written.
    check(unsafe { libc::getpeereid(socket.as_raw_fd(), &raw mut uid, &raw mut gid) })?;
    Ok(Credentials { uid, gid, pid: None })
}
