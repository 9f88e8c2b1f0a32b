//! What only system calls can do: signals to workers.

/// What a worker is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum Signal {
    Kill = libc::SIGKILL,
    Stop = libc::SIGSTOP,
    Continue = libc::SIGCONT,
    Abort = libc::SIGABRT,
}

/// Sends a signal. That the process may be gone is no error.
pub(crate) fn send(pid: u32, signal: Signal) {
    // SAFETY: a plain system call.
    unsafe { libc::kill(pid as i32, signal as i32) };
}

/// Whether this process has no child, alive or zombie.
pub(crate) fn has_no_child() -> bool {
    // SAFETY: no place is written.
    unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) == -1 }
}
