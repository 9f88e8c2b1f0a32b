//! Limits of this process, for which `std` has no call.

use std::fs;

/// Says how many bytes of memory this process may have in its address space; None for as many as the
/// operating system allows.
pub(crate) fn limit_memory(bytes: Option<u64>) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the place is an `rlimit`, which is what the call writes.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_AS, &raw mut limit) }, 0);
    limit.rlim_cur = bytes.unwrap_or(limit.rlim_max);
    // SAFETY: the call reads an `rlimit`.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const limit) }, 0);
}

/// How many bytes this process has in its address space.
pub(crate) fn memory() -> u64 {
    // SAFETY: the call takes a number.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    let pages: u64 =
        fs::read_to_string("/proc/self/statm").unwrap().split(' ').next().unwrap().parse().unwrap();
    pages * u64::try_from(page).unwrap()
}
