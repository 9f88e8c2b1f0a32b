//! Things that only system calls can do: signals to workers, system calls that are refused, and fewer
//! descriptors.

use std::{net::TcpListener, os::fd::FromRawFd};

/// The signals that workers are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum Signal {
    Kill = libc::SIGKILL,
    Stop = libc::SIGSTOP,
    Continue = libc::SIGCONT,
    Abort = libc::SIGABRT,
}

/// Sends a signal. It is no error if the process is gone.
pub(crate) fn send(pid: u32, signal: Signal) {
    // SAFETY: a plain system call.
    unsafe { libc::kill(pid as i32, signal as i32) };
}

/// Whether this is a child of this process, alive or zombie.
pub(crate) fn is_child(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let parent = stat.rsplit_once(')').and_then(|(_, fields)| fields.split_whitespace().nth(1)?.parse().ok());
    parent == Some(std::process::id())
}

/// Whether this process has no child, alive or zombie.
pub(crate) fn has_no_child() -> bool {
    // SAFETY: no place is written.
    unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) == -1 }
}

// ------------------------------------------------------------------------------------------- users and forks

pub(crate) fn is_root() -> bool {
    // SAFETY: a plain system call.
    unsafe { libc::geteuid() == 0 }
}

/// Makes this process another user's, if it is root's.
pub(crate) fn become_nobody() {
    // SAFETY: a plain system call.
    unsafe { libc::setuid(65_534) };
}

/// The name of this process's copies.
pub(crate) const COPY: &str = "chaos-copy";

/// Forks a copy that does nothing until it is killed; by libc's `fork`, or by a system call that no handler
/// sees.
pub(crate) fn leave_a_copy(by_fork: bool) {
    let pid = if by_fork {
        // SAFETY: the copy makes system calls only.
        unsafe { libc::fork() }
    } else {
        // SAFETY: as above. Without a stack of its own it goes on with a copy of this one.
        unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) as i32 }
    };
    if pid == 0 {
        // SAFETY: a C string literal.
        unsafe { libc::prctl(libc::PR_SET_NAME, c"chaos-copy".as_ptr()) };
        loop {
            // SAFETY: no preconditions.
            unsafe { libc::pause() };
        }
    }
}

// ---------------------------------------------------------------------------------- refused system calls

/// A system call on the way to a worker.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Syscall {
    Eventfd,
    Thread,
    Memfd,
    Truncate,
    Seal,
    MapShared,
    Madvise,
    Duplicate,
    Socketpair,
    GetFlags,
    Pipe,
    Fork,
    Pidfd,
    DieWithParent,
    OpenNull,
    Dup2,
    Chdir,
    CloseRange,
    Exec,
}

/// An argument's number, which of its bits count, and their value.
type Condition = (u32, u32, u32);

impl Syscall {
    /// The number of the call, and the condition that tells it from other uses of that number.
    fn number(self) -> (libc::c_long, Option<Condition>) {
        let is = |argument: u32, value: i32| Some((argument, u32::MAX, value as u32));
        let bits = |argument: u32, mask: i32, value: i32| Some((argument, mask as u32, value as u32));
        match self {
            Self::Eventfd => (libc::SYS_eventfd2, None),
            Self::Thread => (libc::SYS_clone3, None),
            Self::Memfd => (libc::SYS_memfd_create, None),
            Self::Truncate => (libc::SYS_ftruncate, None),
            Self::Seal => (libc::SYS_fcntl, is(1, libc::F_ADD_SEALS)),
            Self::MapShared => (libc::SYS_mmap, bits(3, libc::MAP_TYPE, libc::MAP_SHARED)),
            Self::Madvise => (libc::SYS_madvise, is(2, libc::MADV_WIPEONFORK)),
            Self::Duplicate => (libc::SYS_fcntl, is(1, libc::F_DUPFD_CLOEXEC)),
            Self::Socketpair => (libc::SYS_socketpair, None),
            Self::GetFlags => (libc::SYS_fcntl, is(1, libc::F_GETFL)),
            Self::Pipe => (libc::SYS_pipe2, None),
            // The C library makes threads by clone3, and forks by clone without shared memory.
            Self::Fork => (libc::SYS_clone, bits(0, libc::CLONE_VM, 0)),
            Self::Pidfd => (libc::SYS_pidfd_open, None),
            Self::DieWithParent => (libc::SYS_prctl, is(0, libc::PR_SET_PDEATHSIG)),
            // All other code opens close-on-exec.
            Self::OpenNull => (libc::SYS_openat, is(2, libc::O_RDONLY)),
            #[cfg(target_arch = "x86_64")]
            Self::Dup2 => (libc::SYS_dup2, None),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Dup2 => (libc::SYS_dup3, None),
            Self::Chdir => (libc::SYS_chdir, None),
            Self::CloseRange => (libc::SYS_close_range, None),
            Self::Exec => (libc::SYS_execve, None),
        }
    }
}

/// The error that a refused call gives.
#[derive(Clone, Copy, Debug)]
#[repr(i32)]
pub(crate) enum Errno {
    TooManyFiles = libc::EMFILE,
    NoMemory = libc::ENOMEM,
    TryAgain = libc::EAGAIN,
    Denied = libc::EACCES,
    Missing = libc::ENOSYS,
}

impl Errno {
    /// The system's text for the error.
    pub(crate) fn text(self) -> String {
        std::io::Error::from_raw_os_error(self as i32).to_string()
    }
}

/// Has the kernel refuse a system call to this thread, and to all threads and processes that it will start,
/// for ever.
pub(crate) fn refuse(call: Syscall, error: Errno) {
    // The offsets in `seccomp_data` of the number, and of the low halves of the arguments.
    const NUMBER: u32 = 0;
    let low_half = |argument: u32| 16 + 8 * argument + if cfg!(target_endian = "big") { 4 } else { 0 };
    let line = |code: u32, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k };
    let load = |at| line(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, at);
    let unless = |value, skip| libc::sock_filter {
        jf: skip,
        ..line(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, value)
    };
    let result = |value| line(libc::BPF_RET | libc::BPF_K, value);
    let (number, condition) = call.number();
    let mut program = vec![load(NUMBER), unless(number as u32, if condition.is_some() { 4 } else { 1 })];
    if let Some((argument, mask, value)) = condition {
        program.push(load(low_half(argument)));
        program.push(line(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, mask));
        program.push(unless(value, 1));
    }
    program.push(result(libc::SECCOMP_RET_ERRNO | error as u32));
    program.push(result(libc::SECCOMP_RET_ALLOW));
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: this says of the thread that no exec shall give it new rights.
    let humble = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    // SAFETY: the program lives across the call, which copies it.
    let done = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter) };
    let why = std::io::Error::last_os_error();
    assert_eq!((humble, done), (0, 0), "these tests need a kernel with seccomp filters: {why}");
}

// ------------------------------------------------------------------------------------------ descriptors

/// The number that the next descriptor would get.
pub(crate) fn lowest_free_descriptor() -> u64 {
    std::fs::File::open("/dev/null").map(|file| std::os::fd::AsRawFd::as_raw_fd(&file)).unwrap() as u64
}

/// A lower limit for the numbers of descriptors, until it is dropped.
pub(crate) struct DescriptorLimit(libc::rlimit);

impl DescriptorLimit {
    /// Forbids descriptors from this number on.
    pub(crate) fn lower(first: u64) -> Self {
        let mut before = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the place is ours to write.
        assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut before) }, 0);
        Self(before).set(libc::rlimit { rlim_cur: first, ..before })
    }

    fn set(self, limit: libc::rlimit) -> Self {
        // SAFETY: the limit is borrowed across the call.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) }, 0);
        self
    }
}

impl Drop for DescriptorLimit {
    fn drop(&mut self) {
        // SAFETY: the limit is borrowed across the call.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &self.0) };
    }
}

// ------------------------------------------------------------------------------------------ open ports

/// Whether the descriptor is a socket that listens.
fn listens(fd: libc::c_int) -> bool {
    let mut answer: libc::c_int = 0;
    let mut length = size_of_val(&answer) as libc::socklen_t;
    // SAFETY: both places are ours to write, and the length is that of the first. The call takes any number.
    let asked = unsafe {
        libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_ACCEPTCONN, (&raw mut answer).cast(), &raw mut length)
    };
    asked == 0 && answer != 0
}

/// The TCP ports at which this process listens.
pub(crate) fn listening_ports() -> Vec<u16> {
    let numbers = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let port = |fd: libc::c_int| {
        // SAFETY: fcntl takes any number.
        let copy = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 0) };
        if copy < 0 {
            return None;
        }
        // SAFETY: the descriptor was made just now.
        let listener = unsafe { TcpListener::from_raw_fd(copy) };
        Some(listener.local_addr().ok()?.port())
    };
    numbers.filter(|&fd| listens(fd)).filter_map(port).collect()
}
