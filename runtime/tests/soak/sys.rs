//! Leaving without a farewell, for which `std` has no call yet.

use std::{mem::size_of, net::TcpStream, os::fd::AsRawFd};

/// Closes so that the peer is told "connection reset", and what was not yet sent never is: `SO_LINGER` with
/// a time of zero.
pub(crate) fn reset(stream: TcpStream) {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    let (value, size) = ((&raw const linger).cast(), size_of::<libc::linger>() as libc::socklen_t);
    // SAFETY: the descriptor is open, as `stream` owns it, and `value` is a `linger` of that size, which
    // outlives the call.
    let set = unsafe { libc::setsockopt(stream.as_raw_fd(), libc::SOL_SOCKET, libc::SO_LINGER, value, size) };
    assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
    drop(stream);
}
