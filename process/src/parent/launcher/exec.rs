//! Between fork and exec: only async-signal-safe calls, on memory that was made before.
//!
//! The parent may have many threads, and a fork copies only the one that called it: a lock that another
//! thread held at that moment (the allocator's, say) stays locked in the child for ever. So the child makes
//! nothing but system calls here. All strings and arrays are in a [`Plan`], made before the fork.
//!
//! The child does this, in order: it arranges to be killed with its parent, begins a session of its own if
//! the plan says so, puts all signals back to their
//! defaults (but for the terminal's interrupts, which a worker leaves to the pool's process), takes
//! `/dev/null` for stdin, marks every descriptor but the standard ones close-on-exec, moves the handed
//! descriptors to their numbers (usually the channel to [`CHANNEL`]), and execs. A step that fails is
//! reported as two numbers through a pipe that a successful exec closes, so the parent can tell "exec went
//! well" (end of file) from "step 4 failed with EACCES".

use crate::{
    parent::launcher::Stop,
    sys,
    system::interrupts::{self, Interrupts},
    wire::handover::{CHANNEL, start_error},
};
use brigade_trace::clock;
use std::{
    ffi::{CStr, CString},
    fs::File,
    io::{self, Read},
    os::fd::{AsFd, AsRawFd, OwnedFd, RawFd},
    ptr,
    time::Duration,
};

/// How long a child may take from fork to exec.
const EXEC_TIMEOUT: Duration = Duration::from_secs(10);

/// The steps that can fail between fork and exec. Their numbers go through the pipe.
const STEPS: [&str; 6] = [
    "prctl(PR_SET_PDEATHSIG)",
    "open(/dev/null)",
    "dup2 for stdin",
    "dup2 for what is handed over",
    "chdir",
    "exec",
];

/// A program with its arguments and its whole environment, ready to exec.
#[derive(Debug)]
pub(crate) struct Plan {
    strings: Vec<CString>,
    arguments: usize,
    directory: Option<CString>,
    interrupts: Interrupts,
    has_own_session: bool,
    death_signal: libc::c_int,
}

impl Plan {
    pub(crate) fn new(argv: Vec<CString>, environment: Vec<CString>, directory: Option<CString>) -> Self {
        let arguments = argv.len();
        let strings = argv.into_iter().chain(environment).collect();
        Self {
            strings,
            arguments,
            directory,
            interrupts: Interrupts::Everybody,
            has_own_session: false,
            death_signal: libc::SIGKILL,
        }
    }

    /// Sets which processes answer the terminal's interrupts until the program has set itself up.
    pub(crate) fn with_interrupts(self, interrupts: Interrupts) -> Self {
        Self { interrupts, ..self }
    }

    /// Has the program begin a session of its own, so that a terminal sends it no signal.
    pub(crate) fn with_own_session(self) -> Self {
        Self { has_own_session: true, ..self }
    }

    /// Has the kernel send SIGTERM, and not SIGKILL, when the thread that forks ends: for a program that
    /// must clean up elsewhere.
    pub(crate) fn terminated_with_parent(self) -> Self {
        Self { death_signal: libc::SIGTERM, ..self }
    }

    fn program(&self) -> &CStr {
        &self.strings[0]
    }
}

/// A child between fork and exec.
#[derive(Debug)]
pub(crate) struct Forked {
    pub(crate) pid: i32,
    report: File,
}

impl Forked {
    /// Waits until the exec has gone well, or says which step did not; or until the pool ends.
    pub(crate) fn confirm(mut self, stop: &Stop) -> io::Result<()> {
        if !stop.wait_for_input(self.report.as_fd(), clock::now() + EXEC_TIMEOUT)? {
            // Somebody has stopped it, or the program lies on a disk that does not answer.
            return Err(start_error(io::ErrorKind::TimedOut.into(), "exec"));
        }
        let mut report = [0; 8];
        match self.report.read_exact(&mut report) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
            Err(error) => Err(error),
            Ok(()) => {
                let [step, code] = [&report[..4], &report[4..]]
                    .map(|half| i32::from_ne_bytes(*half.first_chunk().expect("a half is four bytes")));
                let what =
                    usize::try_from(step).ok().and_then(|step| STEPS.get(step)).unwrap_or(&"unknown step");
                Err(start_error(io::Error::from_raw_os_error(code), what))
            }
        }
    }
}

/// Forks a child that will exec the plan's program with the `handed` descriptors under these numbers, which
/// are below 10.
///
/// The thread that calls this must outlive the child: the child asks to be killed when that thread ends.
pub(crate) fn fork(plan: &Plan, handed: &[(&OwnedFd, RawFd)]) -> io::Result<Forked> {
    let pointers = |strings: &[CString]| -> Vec<*const libc::c_char> {
        strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
    };
    let (argv, environment) = plan.strings.split_at(plan.arguments);
    let (argv, environment) = (pointers(argv), pointers(environment));
    let (report, reporter) = sys::pipe().map_err(|error| start_error(error, "pipe"))?;
    // Above the fixed numbers, so that moving them overwrites none.
    let above = |fd: &OwnedFd| {
        sys::duplicate_above(fd, 10).map_err(|error| start_error(error, "fcntl(F_DUPFD_CLOEXEC)"))
    };
    let reporter = above(&reporter)?;
    let high = |&(fd, number): &(&OwnedFd, RawFd)| Ok((above(fd)?, number));
    let handed = handed.iter().map(high).collect::<io::Result<Vec<_>>>()?;
    let numbers: Vec<_> = handed.iter().map(|(fd, number)| (fd.as_raw_fd(), *number)).collect();
    let child = ExecChild {
        program: plan.program().as_ptr(),
        argv: argv.as_ptr(),
        environment: environment.as_ptr(),
        directory: plan.directory.as_ref().map_or(ptr::null(), |directory| directory.as_ptr()),
        handed: &numbers,
        reporter: reporter.as_raw_fd(),
        interrupts: plan.interrupts,
        has_own_session: plan.has_own_session,
        death_signal: plan.death_signal,
        // SAFETY: getpid has no preconditions.
        parent: unsafe { libc::getpid() },
    };
    let blocked = SignalsBlocked::new();
    // SAFETY: the child only runs `ExecChild::run`, which makes async-signal-safe calls alone and never
    // returns.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        child.run();
    }
    let error = io::Error::last_os_error();
    drop(blocked);
    match pid {
        -1 => Err(start_error(error, "fork")),
        pid => Ok(Forked { pid, report: File::from(report) }),
    }
}

/// No signal handler of the parent's may run in the child, so no signal is let through while there are two
/// of us.
struct SignalsBlocked(libc::sigset_t);

impl SignalsBlocked {
    fn new() -> Self {
        let (mut all, mut before) = (sys::no_signals(), sys::no_signals());
        // SAFETY: the set is ours to write.
        unsafe { libc::sigfillset(&mut all) };
        // SAFETY: both sets live across the call.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before) };
        Self(before)
    }
}

impl Drop for SignalsBlocked {
    fn drop(&mut self) {
        // SAFETY: the set is what the kernel gave us.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, ptr::null_mut()) };
    }
}

/// All that the child needs, as numbers and pointers into memory that the fork copied.
struct ExecChild<'a> {
    program: *const libc::c_char,
    argv: *const *const libc::c_char,
    environment: *const *const libc::c_char,
    directory: *const libc::c_char,
    handed: &'a [(RawFd, RawFd)],
    reporter: RawFd,
    interrupts: Interrupts,
    has_own_session: bool,
    death_signal: libc::c_int,
    parent: libc::pid_t,
}

impl ExecChild<'_> {
    /// The child's whole life before exec.
    fn run(&self) -> ! {
        self.die_with_parent();
        if self.has_own_session {
            // SAFETY: setsid has no preconditions. It fails for the leader of a process group alone, and a
            // child that was just forked is none.
            unsafe { libc::setsid() };
        }
        reset_signals(self.interrupts);
        self.take_null_for_stdin();
        close_others_on_exec(CHANNEL);
        for &(fd, number) in self.handed {
            // SAFETY: dup2 takes any numbers. It clears close-on-exec, and the two differ (see
            // `duplicate_above`).
            self.check(3, unsafe { libc::dup2(fd, number) });
        }
        if !self.directory.is_null() {
            // SAFETY: a C string of the plan's.
            self.check(4, unsafe { libc::chdir(self.directory) });
        }
        // SAFETY: null-terminated arrays of C strings, copied by the fork.
        let result = unsafe { libc::execve(self.program, self.argv, self.environment) };
        self.check(5, result);
        // SAFETY: `_exit` has no preconditions.
        unsafe { libc::_exit(127) }
    }

    /// Tells the parent of a failure, and ends.
    fn check(&self, step: i32, result: libc::c_int) {
        if result != -1 {
            return;
        }
        let code = io::Error::last_os_error().raw_os_error().unwrap_or(0);
        let report = [step, code];
        // SAFETY: eight bytes of ours; a pipe takes so few at once, and nobody could help if it did not.
        unsafe { libc::write(self.reporter, report.as_ptr().cast(), 8) };
        // SAFETY: `_exit` has no preconditions and runs no destructors of the parent's.
        unsafe { libc::_exit(127) };
    }

    #[cfg(target_os = "linux")]
    fn die_with_parent(&self) {
        // SAFETY: a plain system call. The request survives the exec.
        self.check(0, unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, self.death_signal) });
        // The parent may have died before the request was made; then nobody will send the signal.
        // SAFETY: getppid has no preconditions.
        if unsafe { libc::getppid() } != self.parent {
            // SAFETY: `_exit` has no preconditions.
            unsafe { libc::_exit(127) };
        }
    }

    /// Elsewhere only the worker's watcher does this (`worker/watcher.rs`).
    #[cfg(not(target_os = "linux"))]
    fn die_with_parent(&self) {
        let _ = (self.parent, self.death_signal);
    }

    fn take_null_for_stdin(&self) {
        // SAFETY: a C string literal. Without O_CLOEXEC, in case the number is 0 at once; others are closed
        // below.
        let null = unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDONLY) };
        self.check(1, null);
        if null != 0 {
            // SAFETY: dup2 takes any numbers.
            self.check(2, unsafe { libc::dup2(null, 0) });
        }
    }
}

/// Puts every signal back to its default action and lets all of them through. Exec resets handlers, but
/// ignored signals would stay ignored: the interrupts stay so on purpose, if they are the pool's process's
/// alone.
fn reset_signals(interrupts: Interrupts) {
    for signal in 1..=64 {
        // SAFETY: SIG_DFL needs no handler; a number that is no signal is refused, which is fine.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    if interrupts == Interrupts::Owner {
        interrupts::ignore();
    }
    let none = sys::no_signals();
    // SAFETY: the set lives across the call.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &none, ptr::null_mut()) };
}

/// Marks everything from `first` on close-on-exec: not closed at once, since the reporting pipe must live
/// until then.
fn close_others_on_exec(first: RawFd) {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: a plain system call over numbers.
        let done = unsafe {
            libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC)
        };
        if done == 0 {
            return;
        }
    }
    // SAFETY: sysconf reads a limit; it allocates nothing.
    let limit = unsafe { libc::sysconf(libc::_SC_OPEN_MAX) };
    for fd in first..i32::try_from(limit.clamp(256, 1 << 20)).unwrap_or(1 << 20) {
        // SAFETY: fcntl takes any number and refuses those that are not open.
        unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
}
