//! A pipe of packets, for which `std` has no call.

use std::os::fd::{FromRawFd, OwnedFd};

/// The ends of a pipe in which what is written stays apart: one to read, one to write.
pub(crate) fn packet_pipe() -> (OwnedFd, OwnedFd) {
    let mut ends = [0; 2];
    // SAFETY: the place has room for two descriptors.
    assert_eq!(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_DIRECT | libc::O_CLOEXEC) }, 0);
    // SAFETY: the kernel has just made these descriptors for us.
    ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) }).into()
}
