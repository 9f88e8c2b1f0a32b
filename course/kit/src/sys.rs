//! The platform wall: the limits of a run, which hold for the process that it is made in.
//!
//! They keep an accident of a student's code from the machine and from the other tests. They are no defence
//! against an attack: `docs` of the course say what is needed for that.

use std::{
    fs::File,
    io, mem,
    os::fd::OwnedFd,
    ptr,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

/// The address space of a run. A thread's stack takes 2 MiB of it.
const ADDRESS_SPACE: libc::rlim_t = 256 << 20; // bytes
/// The open descriptors of a run.
const DESCRIPTORS: libc::rlim_t = 64;
/// The processor time of one run, after which SIGPROF ends its process. A run that uses up its steps takes a
/// fifth of it.
const PROCESSOR_TIME: libc::suseconds_t = 500_000; // microseconds
/// The processor time of a run on the operating system itself, which makes real system calls.
const PROCESSOR_TIME_OF_REAL: libc::time_t = 3; // seconds

/// The rights of a run on the operating system, beyond those of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Permits {
    /// Nothing.
    Nothing,
    /// It may fork, and kill what it has forked. It still may not execute another program.
    Processes,
}

/// Lets this process end quietly when the reader of its output ends, as `head` does.
pub(crate) fn end_with_reader() {
    // SAFETY: the default action has no handler.
    let _ = unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}

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
        limit_process(Permits::Nothing);
    }
    limit_processor_time(libc::timeval { tv_sec: 0, tv_usec: PROCESSOR_TIME });
}

/// Limits the process of a run on the operating system itself, and leads a group of its own, so that its
/// children can be ended with it.
pub(crate) fn limit_real_run(permits: Permits) {
    // SAFETY: the call takes numbers only.
    let _ = unsafe { libc::setpgid(0, 0) };
    // A child that is forked has no processor timer, but it inherits this limit.
    limit(libc::RLIMIT_CPU, PROCESSOR_TIME_OF_REAL as libc::rlim_t + 1);
    limit_process(permits);
    limit_processor_time(libc::timeval { tv_sec: PROCESSOR_TIME_OF_REAL, tv_usec: 0 });
}

fn limit_process(permits: Permits) {
    limit(libc::RLIMIT_AS, ADDRESS_SPACE);
    limit(libc::RLIMIT_FSIZE, 0);
    limit(libc::RLIMIT_NOFILE, DESCRIPTORS);
    limit(libc::RLIMIT_CORE, 0);
    print_to_stderr();
    // A kernel that refuses the filter still has the other limits.
    let _ = forbid(permits);
}

fn limit_processor_time(span: libc::timeval) {
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
const FATAL: &[libc::c_long] = &[libc::SYS_execve, libc::SYS_execveat];
/// System calls that start a process, after which the process is killed unless it may.
#[cfg(target_arch = "x86_64")]
const FORKS: &[libc::c_long] = &[libc::SYS_fork, libc::SYS_vfork];
#[cfg(not(target_arch = "x86_64"))]
const FORKS: &[libc::c_long] = &[];
/// System calls that fail with `EPERM`: they reach the network, or other processes.
const REFUSED: &[libc::c_long] = &[
    libc::SYS_socket,
    libc::SYS_ptrace,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_open,
    libc::SYS_setsid,
    libc::SYS_setpgid,
];

fn statement(code: u32, value: u32) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt: 0, jf: 0, k: value }
}

/// Goes on with the next statement if the loaded value is this one, and skips it otherwise.
fn if_equal(value: libc::c_long) -> libc::sock_filter {
    let code = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    libc::sock_filter { code, jt: 0, jf: 1, k: value as u32 }
}

/// The filter: threads may be started, processes only if that is permitted.
fn filter(permits: Permits) -> Vec<libc::sock_filter> {
    let load = |offset| statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset);
    let answer = |value| statement(libc::BPF_RET | libc::BPF_K, value);
    let fails = |error: i32| answer(libc::SECCOMP_RET_ERRNO | error as u32);
    let mut filter = vec![load(NUMBER)];
    let dies = answer(libc::SECCOMP_RET_KILL_PROCESS);
    FATAL.iter().for_each(|&call| filter.extend([if_equal(call), dies]));
    REFUSED.iter().for_each(|&call| filter.extend([if_equal(call), fails(libc::EPERM)]));
    let allowed = answer(libc::SECCOMP_RET_ALLOW);
    if permits == Permits::Processes {
        filter.push(allowed);
        return filter;
    }
    FORKS.iter().for_each(|&call| filter.extend([if_equal(call), dies]));
    filter.extend([if_equal(libc::SYS_kill), fails(libc::EPERM)]);
    // The arguments of `clone3` lie in memory, where no filter looks. libc then asks by `clone`.
    filter.extend([if_equal(libc::SYS_clone3), fails(libc::ENOSYS)]);
    let has_thread_flag = libc::sock_filter {
        code: (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16,
        jt: 1,
        jf: 0,
        k: libc::CLONE_THREAD as u32,
    };
    let clone = libc::sock_filter { jf: 3, ..if_equal(libc::SYS_clone) };
    filter.extend([clone, load(FIRST_ARGUMENT), has_thread_flag, dies, allowed]);
    filter
}

/// Forbids the calling thread, and those that it starts from now on, what is not permitted.
fn forbid(permits: Permits) -> io::Result<()> {
    let mut filter = filter(permits);
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

/// Makes this process the parent of what its children leave behind.
pub(crate) fn adopt_orphans() {
    // SAFETY: the call takes numbers only.
    let _ = unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) };
}

/// Forks a child that calls `child`, and ends by `_exit`. Returns its number.
///
/// # Errors
///
/// Returns the operating system's error if it refuses a process.
pub(crate) fn fork(child: impl FnOnce()) -> io::Result<libc::pid_t> {
    // SAFETY: the child runs on with a copy of this thread only. The C library keeps its allocator in order
    // across a fork. The child takes no lock that another thread of ours could have held.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            child();
            exit_now(0)
        }
        number => Ok(number),
    }
}

/// Ends this process without running destructors.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: the call touches no memory of ours.
    unsafe { libc::_exit(code) }
}

/// Kills all processes of a group.
pub(crate) fn kill_group(leader: libc::pid_t) {
    // SAFETY: the call takes numbers only. The leader is not reaped yet, or the group has others, or there is
    // no such group: its number is not used again meanwhile, because this process has not waited for all.
    let _ = unsafe { libc::kill(-leader, libc::SIGKILL) };
}

/// The state of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// It has ended, by itself with this code, and is reaped.
    Code(i32),
    /// A signal has ended it, and it is reaped.
    Signal(i32),
    /// There are children, and none of them has ended.
    Running,
    /// There is no such child.
    NoChild,
}

/// Reaps a child, or any if `number` is -1. Waits until it ends if `waits` says so.
pub(crate) fn wait(number: libc::pid_t, waits: bool) -> Waited {
    let mut status = 0;
    loop {
        let flags = if waits { 0 } else { libc::WNOHANG };
        // SAFETY: the call writes to `status` alone, which outlives it.
        match unsafe { libc::waitpid(number, &raw mut status, flags) } {
            0 => return Waited::Running,
            -1 if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
            -1 => return Waited::NoChild,
            _ if libc::WIFSIGNALED(status) => return Waited::Signal(libc::WTERMSIG(status)),
            _ => return Waited::Code(libc::WEXITSTATUS(status)),
        }
    }
}

/// Makes a pipe: its end to read from, and its end to write to.
///
/// # Errors
///
/// Returns the operating system's error.
pub(crate) fn pipe() -> io::Result<(File, File)> {
    let (read, write) = io::pipe()?;
    Ok((File::from(OwnedFd::from(read)), File::from(OwnedFd::from(write))))
}

/// Kills a child of this process.
pub(crate) fn kill(child: libc::pid_t) {
    // SAFETY: the call takes numbers only. The caller has not reaped the child, so the number is its own.
    let _ = unsafe { libc::kill(child, libc::SIGKILL) };
}

/// Ends this process as `kill -9` does.
pub(crate) fn kill_this_process() -> ! {
    // SAFETY: the call takes numbers only.
    let _ = unsafe { libc::raise(libc::SIGKILL) };
    exit_now(1)
}

/// Closes all descriptors but that of stderr, its copies and this one.
pub(crate) fn keep_only(descriptor: i32) {
    let kept = descriptor as libc::c_uint;
    for (first, last) in [(3, kept.saturating_sub(1)), (kept + 1, libc::c_uint::MAX)] {
        if first <= last {
            // SAFETY: this process is a fresh child, whose one thread uses none of the descriptors any more.
            let _ = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
        }
    }
}
