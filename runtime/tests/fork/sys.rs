//! Forking, which only unsafe code can do.

/// Forks. The child leaves by `_exit`: 0 if `inside` says yes, and no destructor and no other case runs in it. The parent
/// waits and checks that.
#[track_caller]
pub(crate) fn in_child(inside: impl FnOnce() -> bool) {
    beside_child(inside).join();
}

/// As [`in_child`], but does not wait.
pub(crate) fn beside_child(inside: impl FnOnce() -> bool) -> Child {
    // SAFETY: the child runs on the one thread that called this; what other threads of the parent hold it never asks for.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let said = std::panic::catch_unwind(std::panic::AssertUnwindSafe(inside));
        let status = i32::from(!matches!(said, Ok(true)));
        // SAFETY: ends the child at once.
        unsafe { libc::_exit(status) };
    }
    Child(pid)
}

/// A child that runs beside its parent.
pub(crate) struct Child(libc::pid_t);

impl Child {
    /// Waits for its end, and checks that it said yes.
    #[track_caller]
    pub(crate) fn join(self) {
        assert_eq!(wait(self.0), 0, "the child failed");
    }
}

/// Sends the signal SIGUSR1 to this thread, and comes back when it was handled.
pub(crate) fn raise_user_1() {
    // SAFETY: it takes a number, and the handler is the runtime's.
    assert_eq!(unsafe { libc::raise(libc::SIGUSR1) }, 0);
}

/// Forks, and comes back in the child with true, in the parent with false when the child has ended well. The child's
/// panic is its end.
pub(crate) fn fork_and_wait() -> bool {
    // SAFETY: as above.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        return true;
    }
    assert_eq!(wait(pid), 0, "the child of the child failed");
    false
}

fn wait(pid: libc::pid_t) -> i32 {
    let mut status = -1;
    // SAFETY: the child is ours and not yet waited for; the place is an integer.
    let waited = unsafe { libc::waitpid(pid, &raw mut status, 0) };
    assert_eq!(waited, pid);
    status
}
