//! Things that only unsafe code can do to its own process.

use std::{fs::File, io::Write, os::fd::FromRawFd};

/// Writes onto the worker's channel, which is descriptor 3.
pub(crate) fn write_to_the_channel(bytes: &[u8]) {
    // SAFETY: the descriptor is open in a worker; the file is forgotten, so it stays so.
    let mut channel = unsafe { File::from_raw_fd(3) };
    channel.write_all(bytes).unwrap();
    std::mem::forget(channel);
}

/// Closes the descriptors from `first` to `last`, whoever uses them.
pub(crate) fn close(first: i32, last: i32) {
    for fd in first..=last {
        // SAFETY: a plain system call; the test is about the damage that it does.
        unsafe { libc::close(fd) };
    }
}

/// Makes the number lead to this file.
pub(crate) fn move_to(file: &File, number: i32) {
    // SAFETY: dup2 takes any numbers.
    assert_eq!(unsafe { libc::dup2(std::os::fd::AsRawFd::as_raw_fd(file), number) }, number);
}

/// Forks, and returns in both processes.
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
    send(pid, libc::SIGKILL);
}

/// The signals that the terminal sends for Ctrl-C and Ctrl-\.
pub(crate) const INTERRUPTS: [i32; 2] = [libc::SIGINT, libc::SIGQUIT];
/// The signal that it sends for Ctrl-Z.
pub(crate) const STOP_FROM_THE_TERMINAL: i32 = libc::SIGTSTP;

/// Sends a signal. It is no error if the process is gone.
pub(crate) fn send(pid: u32, signal: i32) {
    // SAFETY: a plain system call.
    unsafe { libc::kill(pid as i32, signal) };
}

/// Sends a signal to all processes of the group that this process leads.
pub(crate) fn send_to_group(pid: u32, signal: i32) {
    // SAFETY: a plain system call.
    unsafe { libc::kill(-(pid as i32), signal) };
}

/// Ignores a signal in this process.
pub(crate) fn ignore(signal: i32) {
    // SAFETY: SIG_IGN needs no handler.
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}

/// Ignores SIGUSR1 in this process.
pub(crate) fn ignore_a_signal() {
    ignore(libc::SIGUSR1);
}

/// Gives the interrupts their default actions. A shell starts background jobs with both ignored.
pub(crate) fn heed_interrupts() {
    for signal in INTERRUPTS {
        // SAFETY: SIG_DFL needs no handler.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
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

// ---------------------------------------------------------------------------------------------------- mounts

/// Whether a child of this process may have mounts of its own: as root, where no sandbox forbids it.
pub(crate) fn may_mount() -> bool {
    // SAFETY: the copy makes async-signal-safe calls only.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // SAFETY: a plain system call.
        let refused = unsafe { libc::unshare(libc::CLONE_NEWNS) } != 0;
        // SAFETY: `_exit` has no preconditions.
        unsafe { libc::_exit(i32::from(refused)) };
    }
    let mut status = 1;
    // SAFETY: the place is ours to write.
    unsafe { libc::waitpid(pid, &mut status, 0) };
    status == 0
}

/// Gives this process mounts of its own, which nobody else sees.
fn own_mounts() {
    let none = std::ptr::null();
    // SAFETY: a plain system call.
    assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWNS) }, 0);
    let private = libc::MS_REC | libc::MS_PRIVATE;
    // SAFETY: C string literals.
    assert_eq!(unsafe { libc::mount(none, c"/".as_ptr(), none, private, none.cast()) }, 0);
}

/// Takes `/proc` away from this process.
pub(crate) fn unmount_proc() {
    own_mounts();
    // SAFETY: a C string literal.
    assert_eq!(unsafe { libc::umount2(c"/proc".as_ptr(), libc::MNT_DETACH) }, 0);
}

/// Mounts an empty file system in memory at this folder, for this process and its children.
pub(crate) fn mount_memory(folder: &str) {
    own_mounts();
    mount(folder, 0);
}

/// Forbids the execution of all files in this folder.
pub(crate) fn forbid_execution(folder: &str) {
    mount(folder, libc::MS_REMOUNT | libc::MS_NOEXEC);
}

fn mount(folder: &str, flags: libc::c_ulong) {
    let folder = std::ffi::CString::new(folder).unwrap();
    let (kind, none) = (c"tmpfs".as_ptr(), std::ptr::null());
    // SAFETY: C strings that live across the call.
    assert_eq!(unsafe { libc::mount(kind, folder.as_ptr(), kind, flags, none) }, 0);
}

/// Makes the open file of this process's stdout non-blocking.
pub(crate) fn make_stdout_nonblocking() {
    // SAFETY: fcntl takes any number.
    let flags = unsafe { libc::fcntl(1, libc::F_GETFL) };
    // SAFETY: as above.
    assert!(unsafe { libc::fcntl(1, libc::F_SETFL, flags | libc::O_NONBLOCK) } == 0);
}

/// How many bytes are in the pipe of this process's stdout.
pub(crate) fn bytes_in_stdout() -> usize {
    let mut count: libc::c_int = 0;
    // SAFETY: the place is ours to write, and as wide as the call writes.
    assert!(unsafe { libc::ioctl(1, libc::FIONREAD, &raw mut count) } == 0);
    count as usize
}

// ---------------------------------------------------------------------------------------------------- limits

/// A limit of a process, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    FileSize(u64),
    AddressSpace(u64),
}

/// Lowers a limit of this process and of those that it will start.
pub(crate) fn lower(limit: Limit) {
    let (which, bytes) = match limit {
        Limit::FileSize(bytes) => (libc::RLIMIT_FSIZE, bytes),
        Limit::AddressSpace(bytes) => (libc::RLIMIT_AS, bytes),
    };
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
    // SAFETY: the limit is borrowed across the call.
    assert_eq!(unsafe { libc::setrlimit(which, &limit) }, 0);
}

/// A limit for the numbers of this process's descriptors, so that no more can be made, until it is dropped.
pub(crate) struct DescriptorLimit(libc::rlimit);

impl DescriptorLimit {
    pub(crate) fn lower() -> Self {
        let lowest = File::open("/dev/null").map(|file| std::os::fd::AsRawFd::as_raw_fd(&file)).unwrap();
        let mut before = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the place is ours to write.
        assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut before) }, 0);
        let now = libc::rlimit { rlim_cur: lowest as u64, ..before };
        // SAFETY: the limit is borrowed across the call.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &now) }, 0);
        Self(before)
    }
}

impl Drop for DescriptorLimit {
    fn drop(&mut self) {
        // SAFETY: the limit is borrowed across the call.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &self.0) };
    }
}

/// Limits this process to `bytes` bytes of address space.
pub(crate) fn limit_address_space(bytes: u64) {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
    // SAFETY: the limit is borrowed across the call.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) }, 0);
}

/// Waits for all children, and reaps them.
pub(crate) fn reap_all() {
    // SAFETY: no place is written.
    while unsafe { libc::waitpid(-1, std::ptr::null_mut(), 0) } > 0 {}
}
