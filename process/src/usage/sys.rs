//! The operating system's numbers on a process's consumption. A port must provide `getrusage`, `getrlimit`
//! and `sysconf`.

use std::{io, mem::MaybeUninit, time::Duration};

/// Turns -1 into the error whose number is in `errno`.
fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// The consumption of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct ProcessUsage {
    pub(crate) cpu: Duration,
    pub(crate) peak_bytes: u64,
    pub(crate) waits: u64,
    pub(crate) blocks_read: u64,
    pub(crate) blocks_written: u64,
}

impl ProcessUsage {
    pub(crate) fn of(raw: &libc::rusage) -> Self {
        let time = |time: libc::timeval| {
            Duration::from_secs(time.tv_sec as u64) + Duration::from_micros(time.tv_usec as u64)
        };
        // Linux counts in KiB, macOS in bytes.
        let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
        Self {
            cpu: time(raw.ru_utime) + time(raw.ru_stime),
            peak_bytes: raw.ru_maxrss as u64 * unit,
            waits: raw.ru_nvcsw as u64,
            blocks_read: raw.ru_inblock as u64,
            blocks_written: raw.ru_oublock as u64,
        }
    }
}

/// The processes that [`usage`] tells of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Whose {
    Mine,
    /// The children that have been reaped: summed up, but the memory is that of the largest.
    Children,
}

pub(crate) fn usage(whose: Whose) -> ProcessUsage {
    let who = match whose {
        Whose::Mine => libc::RUSAGE_SELF,
        Whose::Children => libc::RUSAGE_CHILDREN,
    };
    let mut raw = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the place is ours to write. The call cannot fail with these arguments.
    unsafe { libc::getrusage(who, raw.as_mut_ptr()) };
    // SAFETY: all zeros is a valid rusage, and the call wrote it.
    ProcessUsage::of(unsafe { raw.assume_init_ref() })
}

/// How many bytes a page of memory has.
pub(crate) fn page_size() -> u64 {
    // SAFETY: sysconf reads a constant.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

/// How many ticks `/proc` counts to a second.
pub(crate) fn ticks_a_second() -> u64 {
    // SAFETY: sysconf reads a constant.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_CLK_TCK) }).unwrap_or(100)
}

/// The limit of open descriptors: in force, and how far it may be raised.
pub(crate) fn descriptor_limit() -> io::Result<(u64, u64)> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the place is ours to write.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) })?;
    Ok((limit.rlim_cur, limit.rlim_max))
}

/// How large the stack of the main thread may grow, in bytes; None if there is no limit.
pub(crate) fn stack_limit() -> io::Result<Option<u64>> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the place is ours to write.
    check(unsafe { libc::getrlimit(libc::RLIMIT_STACK, &mut limit) })?;
    Ok((limit.rlim_cur != libc::RLIM_INFINITY).then_some(limit.rlim_cur))
}

/// Sets the limit of open descriptors; `most` stays how far it may be raised.
pub(crate) fn set_descriptor_limit(now: u64, most: u64) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: now, rlim_max: most };
    // SAFETY: the limit is borrowed across the call.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) }).map(drop)
}
