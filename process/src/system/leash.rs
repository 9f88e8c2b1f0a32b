//! The leash: a pipe that nobody writes to. By it the kernel kills a worker or a zygote that its pool's
//! process lets go.
//!
//! The pool holds the end to write, the worker the end to read, and the kernel sends SIGKILL to the worker
//! when the former is closed: mostly by the end of the pool's process, however that came. A program asks
//! for SIGIO by the same means, with another signal.
//!
//! `PR_SET_PDEATHSIG`, which every worker has, too, is not enough. The kernel forgets it when a process
//! changes its user, and the dying parent may not send it to a process of another user. The watcher, a
//! thread that waits for the end of the pool (`worker/watcher.rs`), does not run in a process that is
//! stopped. The leash holds in all these cases:
//!
//! | | by the parent's death signal | by the leash | by the watcher |
//! |---|---|---|---|
//! | a worker computes, or is stopped | yes | yes | computes: yes; is stopped: no |
//! | it has changed its user (from root) | no | yes | as above |
//! | the pool's process has changed its user | no | yes | as above |
//! | a fork of the pool's process holds the other end | yes | no | by the end of the process: yes |
//! | a call has closed all descriptors | yes | no | yes |
//!
//! A pool whose process has changed its user, and may not send signals to its workers any more, also kills
//! a worker by its leash.
//!
//! A port must provide signals for a descriptor that are sent to a process whatever user it has become;
//! where there are none, the watcher begins at once.

use crate::sys;
use std::{io, os::fd::OwnedFd};

/// The pool's end. The worker is killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Leash {
    _end: OwnedFd,
}

/// Makes a leash, and the end that the worker is to be handed.
pub(crate) fn new() -> io::Result<(Leash, OwnedFd)> {
    let (theirs, end) = sys::pipe()?;
    Ok((Leash { _end: end }, theirs))
}

/// Puts this process on the leash, for as long as the descriptor is open. Ends it if it was let go already.
#[cfg(target_os = "linux")]
pub(crate) fn wear(theirs: &OwnedFd) -> io::Result<()> {
    use std::os::fd::{AsFd, AsRawFd};
    let fd = theirs.as_raw_fd();
    let me = libc::pid_t::try_from(std::process::id()).map_err(io::Error::other)?;
    control(fd, F_SETSIG, libc::SIGKILL)?;
    // The kernel notes the process that asks: a request of root's stands, whatever user this process
    // becomes.
    control(fd, libc::F_SETOWN, me)?;
    control(fd, libc::F_SETFL, libc::O_ASYNC)?;
    let mut watched = [sys::Watch::readable(theirs.as_fd())];
    sys::poll(&mut watched, Some(std::time::Duration::ZERO))?;
    if watched[0].is_ready() {
        sys::exit_now(0);
    }
    Ok(())
}

/// Chooses the signal (fcntl(2)). The bindings have it for some C libraries only.
#[cfg(target_os = "linux")]
const F_SETSIG: libc::c_int = 10;

#[cfg(target_os = "linux")]
fn control(fd: libc::c_int, what: libc::c_int, argument: libc::c_int) -> io::Result<()> {
    // SAFETY: fcntl on a descriptor that is open, being borrowed by the caller; these commands take a number.
    match unsafe { libc::fcntl(fd, what, argument) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Signals for descriptors are too different elsewhere.
#[cfg(not(target_os = "linux"))]
pub(crate) fn wear(_theirs: &OwnedFd) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
