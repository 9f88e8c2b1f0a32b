//! What only unsafe code can do to its own process.

use std::{fs::File, io::Write, os::fd::FromRawFd};

/// Writes onto the worker's channel, which is descriptor 3.
pub(crate) fn write_to_the_channel(bytes: &[u8]) {
    // SAFETY: the descriptor is open in a worker; the file is forgotten, so it stays so.
    let mut channel = unsafe { File::from_raw_fd(3) };
    channel.write_all(bytes).unwrap();
    std::mem::forget(channel);
}

/// Closes the descriptors from `first` to `last` under everybody's feet.
pub(crate) fn close(first: i32, last: i32) {
    for fd in first..=last {
        // SAFETY: a plain system call; what it breaks is what the test is about.
        unsafe { libc::close(fd) };
    }
}

/// Forks, and comes back in both processes.
pub(crate) fn fork() -> bool {
    // SAFETY: a worker runs one thread besides its watcher, and the copy only returns.
    unsafe { libc::fork() == 0 }
}

/// Forks a child that sleeps on with everything that it inherited.
pub(crate) fn leak_a_grandchild() -> i32 {
    // SAFETY: the copy makes async-signal-safe calls only.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        loop {
            // SAFETY: no preconditions.
            unsafe { libc::pause() };
        }
    }
    pid
}

pub(crate) fn kill(pid: u32) {
    // SAFETY: a plain system call.
    unsafe { libc::kill(pid as i32, libc::SIGKILL) };
}

/// Ignores SIGUSR1 in this process.
pub(crate) fn ignore_a_signal() {
    // SAFETY: SIG_IGN needs no handler.
    unsafe { libc::signal(libc::SIGUSR1, libc::SIG_IGN) };
}

/// Whether this process has no child, alive or zombie.
pub(crate) fn has_no_child() -> bool {
    // SAFETY: no place is written.
    unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) == -1 }
}

/// Whether there is such a process, zombies aside.
pub(crate) fn is_alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// A descriptor that is open and would be inherited; closed by dropping it.
pub(crate) fn leaky_descriptor() -> File {
    // SAFETY: dup takes any number.
    let fd = unsafe { libc::dup(2) };
    assert!(fd > 2);
    // SAFETY: the descriptor was made just now.
    unsafe { File::from_raw_fd(fd) }
}
