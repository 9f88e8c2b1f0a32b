//! The system calls of this crate, apart from those in `system/` and those between fork and exec
//! (`parent/launcher/exec.rs`). Each function is small and says what it needs.
//!
//! A port must provide: a socket that passes bytes without raising SIGPIPE, `poll`, a bell that any thread
//! can ring and `poll` can hear, a descriptor that becomes readable when a child ends (or none, and then
//! the supervisor asks ten times a second), `waitpid`, and the loaded image's segments.

use brigade_trace::clock;
use std::{
    io,
    mem::MaybeUninit,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
    time::{Duration, Instant},
};

/// Turns -1 into the error whose number is in `errno`.
pub(crate) fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

pub(crate) fn again(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Interrupted
}

pub(crate) fn own(fd: libc::c_int) -> io::Result<OwnedFd> {
    let fd = check(fd)?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A copy of the descriptor with a number of at least `lowest`, closed on exec.
pub(crate) fn duplicate_above(fd: &impl AsRawFd, lowest: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: fcntl on a descriptor that is open, being borrowed.
    own(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, lowest) })
}

/// Marks a descriptor close-on-exec. An error if it is not open.
pub(crate) fn close_on_exec(fd: RawFd) -> io::Result<()> {
    // SAFETY: fcntl takes any number and refuses those that are not open.
    check(unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) }).map(drop)
}

/// Takes over a descriptor that was handed to this process by number.
pub(crate) fn adopt(fd: RawFd) -> io::Result<OwnedFd> {
    close_on_exec(fd)?;
    own(fd)
}

/// The device and the inode of an open file, which tell it from others. (All eventfds have the same.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity(libc::dev_t, libc::ino_t);

/// The identity of the file that the descriptor leads to. An error if it is not open.
pub(crate) fn identity(fd: RawFd) -> io::Result<Identity> {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the place is ours to write; fstat takes any number and refuses those that are not open.
    check(unsafe { libc::fstat(fd, stat.as_mut_ptr()) })?;
    // SAFETY: the call went well, so it wrote the whole struct.
    let stat = unsafe { stat.assume_init_ref() };
    Ok(Identity(stat.st_dev, stat.st_ino))
}

/// Makes a pipe, with both ends closed on exec: returns the end to read and the end to write.
pub(crate) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = io::pipe()?;
    Ok((reader.into(), writer.into()))
}

/// Puts a descriptor into non-blocking mode.
pub(crate) fn set_nonblocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: fcntl on a descriptor that is open, being borrowed.
    let flags = check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) })?;
    // SAFETY: as above.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK) }).map(drop)
}

/// The empty set of signals.
pub(crate) fn no_signals() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: `sigemptyset` writes the whole set.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: it was written just now.
    unsafe { set.assume_init() }
}

// ----------------------------------------------------------------------------------------- waiting

/// One descriptor to wait for.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Watch(libc::pollfd);

impl Watch {
    pub(crate) fn readable(fd: BorrowedFd<'_>) -> Self {
        Self(libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 })
    }

    pub(crate) fn writable(fd: BorrowedFd<'_>) -> Self {
        Self(libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLOUT, revents: 0 })
    }

    pub(crate) fn writable_too(mut self) -> Self {
        self.0.events |= libc::POLLOUT;
        self
    }

    /// The same descriptor, watched for bytes to read only.
    #[cfg(any(test, not(target_os = "linux")))]
    pub(crate) fn readable_only(mut self) -> Self {
        self.0.events = libc::POLLIN;
        self
    }

    /// Watches for the end of the stream only, not for bytes.
    pub(crate) fn hang_up(fd: BorrowedFd<'_>) -> Self {
        #[cfg(target_os = "linux")]
        let events = libc::POLLRDHUP;
        #[cfg(not(target_os = "linux"))]
        let events = libc::POLLHUP;
        Self(libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 })
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.0.revents != 0
    }

    /// Whether the number leads to no open file.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.revents & libc::POLLNVAL != 0
    }
}

/// A timeout as the kernel takes it: rounded up, so that a timer is not asked for too early again and again.
pub(crate) fn millis(timeout: Option<Duration>) -> libc::c_int {
    timeout.map_or(-1, |time| i32::try_from(time.as_micros().div_ceil(1000)).unwrap_or(i32::MAX))
}

/// Sleeps until a descriptor is ready or the time is over.
pub(crate) fn poll(watched: &mut [Watch], timeout: Option<Duration>) -> io::Result<()> {
    let millis = millis(timeout);
    // SAFETY: `Watch` is a pollfd, and the slice is borrowed for writing across the call.
    match check(unsafe { libc::poll(watched.as_mut_ptr().cast(), watched.len() as libc::nfds_t, millis) }) {
        Err(error) if !again(&error) => Err(error),
        _ => Ok(()),
    }
}

/// Waits until the descriptor has something to read, or has ended, but not beyond `end`. Whether it has.
pub(crate) fn wait_for_input(fd: BorrowedFd<'_>, end: Instant) -> io::Result<bool> {
    loop {
        let left = end.saturating_duration_since(clock::now());
        let mut watched = [Watch::readable(fd)];
        poll(&mut watched, Some(left))?;
        if watched[0].is_ready() || left.is_zero() {
            return Ok(watched[0].is_ready());
        }
    }
}

/// A bell that any thread may ring; it stays rung until it is silenced.
#[derive(Debug)]
pub(crate) struct Bell {
    #[cfg(target_os = "linux")]
    fd: OwnedFd,
    #[cfg(not(target_os = "linux"))]
    ends: (std::os::unix::net::UnixStream, std::os::unix::net::UnixStream),
}

#[cfg(target_os = "linux")]
impl Bell {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: a plain system call.
        Ok(Self { fd: own(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })? })
    }

    /// Takes over a bell that was handed to this process by number.
    pub(crate) fn adopt(fd: RawFd) -> io::Result<Self> {
        Ok(Self { fd: adopt(fd)? })
    }

    /// A copy of the bell's descriptor, to be handed to a child.
    pub(crate) fn share(&self) -> io::Result<OwnedFd> {
        self.fd.try_clone()
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        use std::os::fd::AsFd;
        self.fd.as_fd()
    }

    pub(crate) fn ring(&self) {
        // The write can fail only if the counter is full, which rings as well. SAFETY: eight bytes of ours.
        unsafe { libc::write(self.fd.as_raw_fd(), (&raw const ONE).cast(), 8) };
    }

    pub(crate) fn silence(&self) {
        let mut count = 0u64;
        // SAFETY: eight bytes of ours.
        unsafe { libc::read(self.fd.as_raw_fd(), (&raw mut count).cast(), 8) };
    }
}

#[cfg(target_os = "linux")]
static ONE: u64 = 1;

#[cfg(not(target_os = "linux"))]
impl Bell {
    pub(crate) fn new() -> io::Result<Self> {
        let ends = std::os::unix::net::UnixStream::pair()?;
        ends.0.set_nonblocking(true)?;
        ends.1.set_nonblocking(true)?;
        Ok(Self { ends })
    }

    pub(crate) fn adopt(_fd: RawFd) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn share(&self) -> io::Result<OwnedFd> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        use std::os::fd::AsFd;
        self.ends.0.as_fd()
    }

    pub(crate) fn ring(&self) {
        let _ = io::Write::write(&mut &self.ends.1, &[1]);
    }

    pub(crate) fn silence(&self) {
        while matches!(io::Read::read(&mut &self.ends.0, &mut [0; 64]), Ok(64)) {}
    }
}

// ---------------------------------------------------------------------------------------- children

/// A descriptor that becomes readable when the child ends, where the system has such a thing.
#[cfg(target_os = "linux")]
pub(crate) fn exit_watch(pid: i32) -> Option<OwnedFd> {
    // SAFETY: a plain system call; a pidfd is closed on exec by itself.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    own(libc::c_int::try_from(fd).ok()?).ok()
}

/// A descriptor that becomes readable when the child ends, where the system has such a thing.
#[cfg(not(target_os = "linux"))]
pub(crate) fn exit_watch(_pid: i32) -> Option<OwnedFd> {
    None
}

/// How a child ended, with the raw wait status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status(pub(crate) i32);

impl Status {
    /// The exit code, if it exited.
    pub(crate) fn code(self) -> Option<i32> {
        libc::WIFEXITED(self.0).then(|| libc::WEXITSTATUS(self.0))
    }

    /// The signal, if one killed it.
    pub(crate) fn signal(self) -> Option<i32> {
        libc::WIFSIGNALED(self.0).then(|| libc::WTERMSIG(self.0))
    }
}

/// Reaps a child of ours if it has ended. Returns how it ended.
pub(crate) fn reap(pid: i32) -> io::Result<Option<Status>> {
    let mut status = 0;
    loop {
        // SAFETY: the place is ours to write.
        match check(unsafe { libc::waitpid(pid, &mut status, libc::WNOHANG) }) {
            Ok(0) => return Ok(None),
            Ok(_) => return Ok(Some(Status(status))),
            Err(error) if again(&error) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Sends SIGKILL to a child that has not been reaped, so that its number is surely its own.
pub(crate) fn kill(pid: i32) -> io::Result<()> {
    // SAFETY: a plain system call.
    check(unsafe { libc::kill(pid, libc::SIGKILL) }).map(drop)
}

/// Sends SIGTERM to such a child.
pub(crate) fn terminate(pid: i32) -> io::Result<()> {
    // SAFETY: a plain system call.
    check(unsafe { libc::kill(pid, libc::SIGTERM) }).map(drop)
}

/// Waits until a child of ours has ended, and reaps it.
pub(crate) fn wait_for(pid: i32) -> io::Result<()> {
    loop {
        // SAFETY: no place is written.
        match check(unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) }) {
            Err(error) if again(&error) => {}
            done => return done.map(drop),
        }
    }
}

/// The process id of this process's parent.
pub(crate) fn parent() -> i32 {
    // SAFETY: getppid has no preconditions.
    unsafe { libc::getppid() }
}

/// Has the kernel kill this process when its parent, which must be `parent`, ends. Ends this process now if
/// that has ended.
#[cfg(target_os = "linux")]
pub(crate) fn die_with_parent(parent: i32) -> io::Result<()> {
    // SAFETY: a plain system call.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) })?;
    if self::parent() != parent {
        exit_now(0);
    }
    Ok(())
}

/// Whether the kernel still kills this process with its parent: it forgets a process that changes its user.
#[cfg(target_os = "linux")]
pub(crate) fn dies_with_parent() -> bool {
    let mut signal: libc::c_int = 0;
    // SAFETY: the place is ours to write.
    check(unsafe { libc::prctl(libc::PR_GET_PDEATHSIG, &raw mut signal) }).is_ok() && signal == libc::SIGKILL
}

/// Elsewhere the kernel makes no such promise.
#[cfg(not(target_os = "linux"))]
pub(crate) fn dies_with_parent() -> bool {
    false
}

/// Elsewhere only a worker's watcher does this.
#[cfg(not(target_os = "linux"))]
pub(crate) fn die_with_parent(_parent: i32) -> io::Result<()> {
    Ok(())
}

/// Makes `/dev/null` this process's stdin.
pub(crate) fn take_null_for_stdin() -> io::Result<()> {
    move_to(&std::fs::File::open("/dev/null")?.into(), 0)
}

/// Makes `number` lead to the same file.
pub(crate) fn move_to(fd: &OwnedFd, number: RawFd) -> io::Result<()> {
    // SAFETY: dup2 takes any numbers; what was open under this one is closed, which is what the caller wants.
    check(unsafe { libc::dup2(fd.as_raw_fd(), number) }).map(drop)
}

/// Ends this process at once, with no destructor and no flush.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` has no preconditions.
    unsafe { libc::_exit(code) }
}

/// Takes a variable out of this process's environment.
///
/// # Safety
///
/// No other thread may be running.
pub(crate) unsafe fn forget_variable(name: &str) {
    // SAFETY: the caller promises that no other thread can be reading the environment.
    unsafe { std::env::remove_var(name) };
}

// ----------------------------------------------------------------------------------------- manners

/// Raises the niceness of this process by `by`.
pub(crate) fn be_nice(by: i32) -> io::Result<()> {
    // SAFETY: a plain system call on this process. The result may be -1 without an error, and then `errno` is
    // out of date.
    let now = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
    // SAFETY: as above.
    check(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, now.saturating_add(by)) }).map(drop)
}

/// Lets this process run on these CPUs only.
#[cfg(target_os = "linux")]
pub(crate) fn stay_on(cpus: &[usize]) -> io::Result<()> {
    // SAFETY: all zeros is the empty set.
    let mut set: libc::cpu_set_t = unsafe { MaybeUninit::zeroed().assume_init() };
    for &cpu in cpus.iter().filter(|&&cpu| cpu < libc::CPU_SETSIZE as usize) {
        // SAFETY: the number is below the set's size.
        unsafe { libc::CPU_SET(cpu, &mut set) };
    }
    // SAFETY: the set is borrowed across the call.
    check(unsafe { libc::sched_setaffinity(0, size_of_val(&set), &set) }).map(drop)
}

/// Lets this process run on these CPUs only.
#[cfg(not(target_os = "linux"))]
pub(crate) fn stay_on(_cpus: &[usize]) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no CPU affinity"))
}
