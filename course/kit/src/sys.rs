//! The platform wall: the limits of a run, which hold for the process that it is made in.
//!
//! They keep an accident of a student's code from the machine and from the other tests. They are no defence
//! against an attack: `docs` of the course say what is needed for that.

use std::{
    io, mem, ptr,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

/// The address space of a run. A thread's stack takes 2 MiB of it.
const ADDRESS_SPACE: libc::rlim_t = 256 << 20; // bytes
/// The open descriptors of a run.
const DESCRIPTORS: libc::rlim_t = 64;
/// The processor time of one run, after which SIGPROF ends its process. A run that uses up its steps takes a
/// fifth of it.
const PROCESSOR_TIME: libc::suseconds_t = 500_000; // microseconds

/// Makes the kernel end this process when the thread that forked it ends.
pub(crate) fn end_with_parent() {
    // SAFETY: the call takes numbers only.
    let _ = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

/// Lets all threads of this process and of its children allocate from one place. The usual allocator would
/// reserve 64 MiB of the address space for each of them.
pub(crate) fn allocate_in_one_place() {
    #[cfg(target_env = "gnu")]
    // SAFETY: the call takes numbers only, and this process has one thread so far.
    let _ = unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
}

/// Limits the process of a run, once, and its processor time from now on.
pub(crate) fn limit_this_run() {
    /// A child is forked before this is set, so each has its own.
    static IS_LIMITED: AtomicBool = AtomicBool::new(false);
    // Relaxed: one run at a time.
    if !IS_LIMITED.swap(true, Relaxed) {
        limit(libc::RLIMIT_AS, ADDRESS_SPACE);
        limit(libc::RLIMIT_FSIZE, 0);
        limit(libc::RLIMIT_NOFILE, DESCRIPTORS);
        limit(libc::RLIMIT_CORE, 0);
        print_to_stderr();
        // A kernel that refuses the filter still has the other limits.
        let _ = forbid_processes();
    }
    let span = libc::timeval { tv_sec: 0, tv_usec: PROCESSOR_TIME };
    let never = libc::timeval { tv_sec: 0, tv_usec: 0 };
    let timer = libc::itimerval { it_interval: never, it_value: span };
    // SAFETY: the call reads the timer, which outlives it, and writes nothing.
    let _ = unsafe { libc::setitimer(libc::ITIMER_PROF, &raw const timer, ptr::null_mut()) };
}

fn limit(resource: libc::__rlimit_resource_t, most: libc::rlim_t) {
    let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
    // SAFETY: the call reads the limit, which outlives it.
    let _ = unsafe { libc::setrlimit(resource, &raw const limit) };
}

/// Lets stdout of this process go to stderr, so that only the runner writes verdicts.
fn print_to_stderr() {
    // SAFETY: the call takes numbers, and closes only the descriptor of stdout.
    let _ = unsafe { libc::dup2(libc::STDERR_FILENO, libc::STDOUT_FILENO) };
}

/// The offsets in the kernel's description of a system call: its number, and the low half of its first
/// argument.
#[cfg(target_endian = "little")]
const NUMBER: u32 = 0;
#[cfg(target_endian = "little")]
const FIRST_ARGUMENT: u32 = 16;

/// System calls after which the process is killed.
#[cfg(target_arch = "x86_64")]
const FATAL: &[libc::c_long] = &[libc::SYS_fork, libc::SYS_vfork, libc::SYS_execve, libc::SYS_execveat];
#[cfg(not(target_arch = "x86_64"))]
const FATAL: &[libc::c_long] = &[libc::SYS_execve, libc::SYS_execveat];
/// System calls that fail with `EPERM`: they reach the network, or other processes.
const REFUSED: &[libc::c_long] = &[
    libc::SYS_socket,
    libc::SYS_kill,
    libc::SYS_ptrace,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_open,
    libc::SYS_setsid,
];

fn statement(code: u32, value: u32) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt: 0, jf: 0, k: value }
}

/// Goes on with the next statement if the loaded value is this one, and skips it otherwise.
fn if_equal(value: libc::c_long) -> libc::sock_filter {
    let code = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    libc::sock_filter { code, jt: 0, jf: 1, k: value as u32 }
}

/// The filter: threads may be started, processes may not.
fn filter() -> Vec<libc::sock_filter> {
    let load = |offset| statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset);
    let answer = |value| statement(libc::BPF_RET | libc::BPF_K, value);
    let fails = |error: i32| answer(libc::SECCOMP_RET_ERRNO | error as u32);
    let mut filter = vec![load(NUMBER)];
    for &call in FATAL {
        filter.extend([if_equal(call), answer(libc::SECCOMP_RET_KILL_PROCESS)]);
    }
    for &call in REFUSED {
        filter.extend([if_equal(call), fails(libc::EPERM)]);
    }
    // The arguments of `clone3` lie in memory, where no filter looks. libc then asks by `clone`.
    filter.extend([if_equal(libc::SYS_clone3), fails(libc::ENOSYS)]);
    let has_thread_flag = libc::sock_filter {
        code: (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16,
        jt: 1,
        jf: 0,
        k: libc::CLONE_THREAD as u32,
    };
    let clone = libc::sock_filter { jf: 3, ..if_equal(libc::SYS_clone) };
    filter.extend([clone, load(FIRST_ARGUMENT), has_thread_flag, answer(libc::SECCOMP_RET_KILL_PROCESS)]);
    filter.push(answer(libc::SECCOMP_RET_ALLOW));
    filter
}

/// Forbids the calling thread, and those that it starts from now on, to start processes.
fn forbid_processes() -> io::Result<()> {
    let mut filter = filter();
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: the call takes numbers only.
    if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel copies the filter, which outlives the call.
    let set = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    mem::drop(filter);
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
