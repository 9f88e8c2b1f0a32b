//! The platform wall of this test: several signals that come at the same moment.

use std::{io, mem, ptr};

/// Sends all these signals to this thread while it blocks them, and then unblocks them. The kernel delivers
/// them together: unless a handler blocks the others, each handler interrupts the one before it.
pub(crate) fn raise_together(signals: &[i32]) -> io::Result<()> {
    // SAFETY: a set of bits, for which all zeros is a valid value.
    let mut set = unsafe { mem::zeroed::<libc::sigset_t>() };
    for &signal in signals {
        // SAFETY: the set is a valid one.
        check(unsafe { libc::sigaddset(&raw mut set, signal) })?;
    }
    // SAFETY: the set is valid, and the old one is not asked for.
    check(unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut()) })?;
    for &signal in signals {
        // SAFETY: the call has no preconditions. The signal has a handler.
        check(unsafe { libc::raise(signal) })?;
    }
    // SAFETY: as above.
    check(unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, ptr::null_mut()) })
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
