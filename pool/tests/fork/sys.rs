//! Forking, which only unsafe code can do.

/// Forks. The child leaves by `_exit`: 0 if `inside` says yes, and no destructor and no other case runs in it. The parent
/// waits and checks that.
#[track_caller]
pub(crate) fn in_child(inside: impl FnOnce() -> bool) {
    // SAFETY: the child runs on the one thread that called this; what other threads of the parent hold it never asks for.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let said = std::panic::catch_unwind(std::panic::AssertUnwindSafe(inside));
        let status = i32::from(!matches!(said, Ok(true)));
        // SAFETY: ends the child at once.
        unsafe { libc::_exit(status) };
    }
    let mut status = -1;
    // SAFETY: the child is ours and not yet waited for; the place is an integer.
    let waited = unsafe { libc::waitpid(pid, &raw mut status, 0) };
    assert_eq!(waited, pid);
    assert_eq!(status, 0, "the child failed");
}
