//! The operating system: CPU time, CPU affinity, the limit on descriptors.
//!
//! A port must provide the CPU time of this process. Without the rest, the time of children reads as zero,
//! and threads stay where they are.

use std::{io, mem::MaybeUninit, os::fd::AsRawFd, time::Duration};

/// CPU time of all threads of this process.
pub(crate) fn cpu_time() -> Duration {
    read_clock(libc::CLOCK_PROCESS_CPUTIME_ID).unwrap_or_default()
}

/// CPU time of the calling thread.
pub(crate) fn cpu_time_of_this_thread() -> Duration {
    read_clock(libc::CLOCK_THREAD_CPUTIME_ID).unwrap_or_default()
}

/// CPU time of another process, if it is there.
#[cfg(target_os = "linux")]
pub(crate) fn cpu_time_of(pid: u32) -> Option<Duration> {
    let mut clock = 0;
    // SAFETY: `clock` is a valid place for a clock's id, and the call touches nothing else.
    let error = unsafe { libc::clock_getcpuclockid(pid.cast_signed(), &mut clock) };
    if error == 0 { read_clock(clock) } else { None }
}

/// CPU time of another process, if it is there.
#[cfg(not(target_os = "linux"))]
pub(crate) fn cpu_time_of(_pid: u32) -> Option<Duration> {
    None
}

/// Reads one of the kernel's clocks.
fn read_clock(clock: libc::clockid_t) -> Option<Duration> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for a time, and the call touches nothing else.
    let error = unsafe { libc::clock_gettime(clock, &mut time) };
    (error == 0).then(|| Duration::new(time.tv_sec.cast_unsigned(), u32::try_from(time.tv_nsec).unwrap_or(0)))
}

/// CPU time of all children that have ended and were waited for.
pub(crate) fn cpu_time_of_the_dead() -> Duration {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: `usage` is a valid place for a rusage.
    if unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, usage.as_mut_ptr()) } != 0 {
        return Duration::ZERO;
    }
    // SAFETY: the call succeeded, and all zeroes was a rusage already.
    let usage = unsafe { usage.assume_init() };
    let part = |part: libc::timeval| {
        // Times that were used are not negative.
        let micros = u64::try_from(part.tv_usec).unwrap_or(0);
        Duration::from_secs(part.tv_sec.cast_unsigned()) + Duration::from_micros(micros)
    };
    part(usage.ru_utime) + part(usage.ru_stime)
}

/// Keeps the calling thread, and what it starts from now on, on one CPU.
///
/// # Errors
///
/// Returns the error of the system, for instance if there is no such CPU.
#[cfg(target_os = "linux")]
pub(crate) fn pin(cpu: usize) -> io::Result<()> {
    let mut set = MaybeUninit::<libc::cpu_set_t>::zeroed();
    // SAFETY: a set of CPUs is a bit field, for which all zeroes is the empty set.
    let set = unsafe { set.assume_init_mut() };
    assert!(cpu < 8 * size_of::<libc::cpu_set_t>(), "CPU {cpu} is beyond what a set can name");
    // SAFETY: `set` is a valid set, and `cpu` lies inside it.
    unsafe { libc::CPU_SET(cpu, set) };
    // SAFETY: the pointer and the size are those of `set`; 0 is the calling thread.
    match unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), set) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Keeps the calling thread on one CPU; not possible on this system, so that it does nothing.
///
/// # Errors
///
/// Never.
#[cfg(not(target_os = "linux"))]
pub(crate) fn pin(_cpu: usize) -> io::Result<()> {
    Ok(())
}

/// Makes the end of a connection a reset, which leaves nothing behind that waits for late packets.
///
/// # Errors
///
/// Returns the error of the system.
pub(crate) fn reset_on_close(socket: &impl AsRawFd) -> io::Result<()> {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    let size = libc::socklen_t::try_from(size_of::<libc::linger>()).expect("it is a few bytes");
    // SAFETY: the descriptor is open while it is borrowed, and the pointer and the size are those of
    // `linger`.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            (&raw const linger).cast(),
            size,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Raises the limit on open descriptors to what is allowed.
pub(crate) fn raise_descriptor_limit() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid place for a limit.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } == 0 {
        limit.rlim_cur = limit.rlim_max;
        // SAFETY: `limit` is a valid limit. If it is refused, the old one stays, and opening fails with its
        // reason.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) };
    }
}

/// Executes a fence in all threads of this process that run, as the pool does. Returns false if the system
/// does not offer that.
#[cfg(target_os = "linux")]
pub(crate) fn membarrier() -> bool {
    // SAFETY: membarrier takes a command and two zeros, and touches no memory of ours.
    let call = |command: libc::c_int| unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) };
    call(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0
        || call(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0
}

/// Not offered by this system.
#[cfg(not(target_os = "linux"))]
pub(crate) fn membarrier() -> bool {
    false
}

/// A timerfd, for measuring what it takes to set one.
#[cfg(target_os = "linux")]
pub(crate) struct Timerfd(std::os::fd::OwnedFd);

#[cfg(target_os = "linux")]
impl Timerfd {
    /// Makes one that is not set.
    ///
    /// # Errors
    ///
    /// Returns the error of the system.
    pub(crate) fn new() -> io::Result<Self> {
        use std::os::fd::{FromRawFd, OwnedFd};

        // SAFETY: the call takes numbers only.
        let fd = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_CLOEXEC) };
        if fd == -1 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call has just opened the descriptor, so nobody else owns it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Sets it to go off after this many seconds.
    pub(crate) fn set(&self, seconds: u32) {
        let none = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let value = libc::timespec { tv_sec: seconds.into(), tv_nsec: 0 };
        let setting = libc::itimerspec { it_interval: none, it_value: value };
        // SAFETY: the descriptor is open as long as `self`; the kernel reads `setting` and writes nothing.
        unsafe { libc::timerfd_settime(self.0.as_raw_fd(), 0, &raw const setting, std::ptr::null_mut()) };
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) struct Timerfd;

#[cfg(not(target_os = "linux"))]
impl Timerfd {
    /// Not offered by this system.
    ///
    /// # Errors
    ///
    /// Always.
    pub(crate) fn new() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Does nothing.
    pub(crate) fn set(&self, _seconds: u32) {}
}
