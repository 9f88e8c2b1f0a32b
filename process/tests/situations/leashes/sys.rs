//! Calls that change a process's credentials.

pub(crate) const STOP: i32 = libc::SIGSTOP;

pub(crate) fn is_root() -> bool {
    // SAFETY: a plain system call.
    unsafe { libc::geteuid() == 0 }
}

/// Makes this process, which is root's, another user's, with all its threads, as the C library does it.
pub(crate) fn become_nobody() {
    // SAFETY: a plain system call.
    assert_eq!(unsafe { libc::setgid(65_534) }, 0);
    // SAFETY: a plain system call.
    assert_eq!(unsafe { libc::setuid(65_534) }, 0);
}

/// Closes this process's descriptors to all processes but root's.
pub(crate) fn forbid_dumps() {
    // SAFETY: a plain system call.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0) }, 0);
}
