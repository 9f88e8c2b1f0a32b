//! The platform wall of the driver: a clock that ends a sleep in the reactor to the microsecond.
//!
//! A port whose event queue takes its timeout in nanoseconds needs none, and returns an error. kqueue is such
//! a queue.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    time::Duration,
};

/// A clock whose descriptor becomes readable when a time has passed: a timerfd.
pub(super) struct Timerfd(#[cfg(any(target_os = "linux", target_os = "android"))] std::os::fd::OwnedFd);

#[cfg(any(target_os = "linux", target_os = "android"))]
impl Timerfd {
    /// Makes a clock that is not set.
    ///
    /// # Errors
    ///
    /// Returns the operating system's error: a sandbox may forbid the call.
    pub(super) fn new() -> io::Result<Self> {
        use std::os::fd::{FromRawFd, OwnedFd};

        // SAFETY: the call takes numbers only.
        let fd =
            unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_NONBLOCK | libc::TFD_CLOEXEC) };
        if fd == -1 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call has just opened the descriptor, so nobody else owns it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Lets the descriptor become readable when this time has passed, and not at the time set before. A time
    /// of zero counts as one nanosecond.
    ///
    /// # Errors
    ///
    /// Fails if the program has closed the descriptor.
    pub(super) fn set(&self, left: Duration) -> io::Result<()> {
        use std::os::fd::AsRawFd;

        let left = left.max(Duration::from_nanos(1));
        let once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let value = libc::timespec {
            tv_sec: left.as_secs().try_into().unwrap_or(libc::time_t::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        let setting = libc::itimerspec { it_interval: once, it_value: value };
        // SAFETY: the descriptor is open as long as `self`; the kernel reads `setting`, and writes nothing,
        // since the place for the old setting is null.
        match unsafe {
            libc::timerfd_settime(self.0.as_raw_fd(), 0, &raw const setting, std::ptr::null_mut())
        } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
impl AsFd for Timerfd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
impl Timerfd {
    pub(super) fn new() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn set(&self, _left: Duration) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
impl AsFd for Timerfd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        unreachable!("no such clock is ever made")
    }
}
