//! A signal that a thread sends to itself, which only unsafe code can do.

/// Sends the signal SIGUSR1 to this thread, and comes back when it was handled.
pub(crate) fn raise_user_1() {
    // SAFETY: it takes a number, and the handler is the runtime's.
    assert_eq!(unsafe { libc::raise(libc::SIGUSR1) }, 0);
}
