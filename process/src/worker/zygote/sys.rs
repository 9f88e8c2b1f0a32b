//! The system call of a zygote: a fork whose child is the caller's sibling. A port must provide it; there is
//! no zygote elsewhere.

use std::{io, ptr};

/// Forks; the child's parent is this process's own parent. 0 in the child.
///
/// It does what the C library's `fork` does in a process with one thread, but for handlers that were
/// registered with `pthread_atfork`: the kernel writes the child's id where the library keeps it.
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) fn fork_sibling() -> io::Result<i32> {
    let mut place: *mut libc::c_int = ptr::null_mut();
    // SAFETY: the call writes one pointer, or fails where the kernel does not tell.
    unsafe { libc::prctl(libc::PR_GET_TID_ADDRESS, &raw mut place) };
    let mut flags = libc::CLONE_PARENT | libc::SIGCHLD;
    if !place.is_null() {
        flags |= libc::CLONE_CHILD_SETTID | libc::CLONE_CHILD_CLEARTID;
    }
    let none = ptr::null_mut::<libc::c_void>();
    // The two last arguments are the place for the child's id, and the thread's storage, which stays as it
    // is.
    let (fourth, fifth) =
        if cfg!(target_arch = "x86_64") { (place.cast(), none) } else { (none, place.cast()) };
    // SAFETY: without a stack and without CLONE_VM the child is a copy of this process, as after fork. This
    // process has one thread (`is_single_threaded` was asked), so the child may go on with all that it has.
    // `place` is what this thread registered.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags as libc::c_ulong, none, none, fourth, fifth) };
    match i32::try_from(pid) {
        Ok(pid) if pid >= 0 => Ok(pid),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Elsewhere the raw call's arguments have another order, or there is none.
#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
pub(super) fn fork_sibling() -> io::Result<i32> {
    Err(io::ErrorKind::Unsupported.into())
}
