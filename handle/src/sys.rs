//! The platform wall of the clock: system calls and one instruction that the standard library does not offer.
//!
//! A port provides the six functions, and `memory_file` for exploration. Where there is no such clock,
//! `cpu_nanos`, `thread_number`, `thread_sleeps` and `ticks` may return 0.

/// Returns the nanoseconds of a clock, or 0 if the system has no such clock.
#[cfg(unix)]
fn nanos_of(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes to `time` alone, which outlives it.
    if unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
        return 0;
    }
    // Neither is negative: the clocks count from a moment in the past.
    (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64)
}

/// Returns the nanoseconds of the monotonic clock, which all processes of this machine share.
#[cfg(unix)]
pub(crate) fn monotonic_nanos() -> u64 {
    nanos_of(libc::CLOCK_MONOTONIC)
}

/// Returns the nanoseconds since 1970.
#[cfg(unix)]
pub(crate) fn unix_nanos() -> u64 {
    nanos_of(libc::CLOCK_REALTIME)
}

/// Returns the CPU time of this thread in nanoseconds.
#[cfg(unix)]
pub(crate) fn cpu_nanos() -> u64 {
    nanos_of(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// Returns the number that the operating system gave this thread.
#[cfg(target_os = "linux")]
pub(crate) fn thread_number() -> u64 {
    // SAFETY: the call reads nothing of ours and cannot fail.
    u64::try_from(unsafe { libc::gettid() }).unwrap_or(0)
}

/// The standard library does not tell it.
#[cfg(not(target_os = "linux"))]
pub(crate) fn thread_number() -> u64 {
    0
}

/// Returns how often this thread has given up its processor of its own accord.
#[cfg(target_os = "linux")]
pub(crate) fn thread_sleeps() -> u64 {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the call writes to `usage` alone, which outlives it.
    if unsafe { libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr()) } != 0 {
        return 0;
    }
    // SAFETY: the call has filled it in, and all zeros would be valid too.
    let usage = unsafe { usage.assume_init() };
    u64::try_from(usage.ru_nvcsw).unwrap_or(0)
}

/// Nothing is known here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn thread_sleeps() -> u64 {
    0
}

/// Returns the processor's time-stamp counter.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(crate) fn ticks() -> u64 {
    // SAFETY: every x86-64 processor has the instruction, and it touches no memory.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// No counter is known here.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn ticks() -> u64 {
    0
}

/// Makes a file of memory, without a name.
#[cfg(all(feature = "explore", target_os = "linux"))]
pub(crate) fn memory_file() -> std::io::Result<std::fs::File> {
    use std::os::fd::FromRawFd;

    // SAFETY: the name is a text that ends with zero, and the call touches no other memory of ours.
    let fd = unsafe { libc::memfd_create(c"brigade".as_ptr(), libc::MFD_CLOEXEC) };
    if fd == -1 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: the call has just opened the descriptor, so nobody else owns it.
    Ok(unsafe { std::fs::File::from_raw_fd(fd) })
}

/// There is no such call here.
#[cfg(all(feature = "explore", not(target_os = "linux")))]
pub(crate) fn memory_file() -> std::io::Result<std::fs::File> {
    Err(std::io::ErrorKind::Unsupported.into())
}
