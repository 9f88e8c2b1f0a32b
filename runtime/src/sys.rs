//! The platform wall: the system calls that neither the standard library nor mio offers.
//!
//! A port to another platform provides:
//! - [`widen_backlog`], which may do nothing;
//! - [`peer_cred`];
//! - [`catch`], which is POSIX except for the address of `errno`;
//! - [`pidfd_open`], which may always fail;
//! - [`kill`].

use brigade_handle::fork::PerProcess;
use std::{
    io, mem,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd},
    ptr,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence},
    time::Duration,
};

/// Lets as many connections wait to be accepted as the operating system allows. The standard library allows
/// 128. If a connection finds no room, its client tries again after one second, and once more after two
/// more.
pub(crate) fn widen_backlog(listener: BorrowedFd<'_>) -> io::Result<()> {
    // The backlog of a simulated listener has no limit.
    #[cfg(feature = "explore")]
    if brigade_handle::explore::is_managed() {
        return Ok(());
    }
    // SAFETY: the descriptor is borrowed, so it is open, and `listen` touches no memory of ours.
    check(unsafe { libc::listen(listener.as_raw_fd(), libc::c_int::MAX) }).map(drop)
}

/// Returns the result of a system call, or the operating system's error if the result is -1.
fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// The user, the group and the process at the other end of a Unix socket.
///
/// ```
/// # brigade_runtime::run(async {
/// let (ours, theirs) = brigade_runtime::net::unix::UnixStream::pair()?;
/// assert_eq!(ours.peer_cred()?.uid, theirs.peer_cred()?.uid);
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The user's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// The process's number. `None` where the operating system does not tell it.
    pub pid: Option<i32>,
}

/// Returns the credentials that the other end of a Unix socket had when it connected.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn peer_cred(socket: BorrowedFd<'_>) -> io::Result<Credentials> {
    // The other end of a simulated socket lies in this process.
    #[cfg(feature = "explore")]
    let ours = std::os::unix::net::UnixStream::pair()?.0;
    #[cfg(feature = "explore")]
    let socket = if brigade_handle::explore::is_managed() { std::os::fd::AsFd::as_fd(&ours) } else { socket };
    let mut found = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut len = size_of::<libc::ucred>() as libc::socklen_t;
    let place = (&raw mut found).cast();
    // SAFETY: the descriptor is borrowed, so it is open; the kernel writes at most `len` bytes to `place`,
    // which is a `ucred` of that size.
    check(unsafe {
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_PEERCRED, place, &raw mut len)
    })?;
    Ok(Credentials { uid: found.uid, gid: found.gid, pid: Some(found.pid) })
}

/// Returns the credentials that the other end of a Unix socket had when it connected.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn peer_cred(socket: BorrowedFd<'_>) -> io::Result<Credentials> {
    let (mut uid, mut gid) = (0, 0);
    // SAFETY: the descriptor is borrowed, so it is open; both places are of the types that are written.
    check(unsafe { libc::getpeereid(socket.as_raw_fd(), &raw mut uid, &raw mut gid) })?;
    Ok(Credentials { uid, gid, pid: None })
}

/// The flag of `open` that makes a descriptor non-blocking.
pub(crate) const NONBLOCK: i32 = libc::O_NONBLOCK;
/// The error of `open` with that flag if no process reads from the named pipe.
pub(crate) const NOBODY_THERE: i32 = libc::ENXIO;

pub(crate) const ALARM: i32 = libc::SIGALRM;
pub(crate) const CHILD: i32 = libc::SIGCHLD;
pub(crate) const HANGUP: i32 = libc::SIGHUP;
pub(crate) const INTERRUPT: i32 = libc::SIGINT;
pub(crate) const PIPE: i32 = libc::SIGPIPE;
pub(crate) const QUIT: i32 = libc::SIGQUIT;
pub(crate) const TERMINATE: i32 = libc::SIGTERM;
pub(crate) const USER_1: i32 = libc::SIGUSR1;
pub(crate) const USER_2: i32 = libc::SIGUSR2;
pub(crate) const WINDOW_CHANGE: i32 = libc::SIGWINCH;

/// The number of signal numbers. It includes 0, which is no signal.
pub(crate) const SIGNALS: usize = 65;

/// The number of times that each signal was caught.
static CAUGHT: [AtomicUsize; SIGNALS] = [const { AtomicUsize::new(0) }; SIGNALS];
/// True if the handler catches the signal: this process installed it, or the process that it was forked from.
static INSTALLED: [AtomicBool; SIGNALS] = [const { AtomicBool::new(false) }; SIGNALS];
/// The action of each signal before [`catch`]: a handler, or the numbers of SIG_DFL and SIG_IGN.
static BEFORE: [AtomicUsize; SIGNALS] = [const { AtomicUsize::new(libc::SIG_DFL) }; SIGNALS];
/// True if the handler in [`BEFORE`] takes three arguments.
static BEFORE_TAKES_INFO: [AtomicBool; SIGNALS] = [const { AtomicBool::new(false) }; SIGNALS];
/// The bell: the end of the self-pipe to which this process writes when a signal was caught. A forked child
/// begins without a bell, because the bell of its parent is for the parent.
static BELL: PerProcess<BorrowedFd<'static>> = PerProcess::new();

/// Returns the number of times that the signal was caught.
pub(crate) fn caught(signal: i32) -> usize {
    // SeqCst: see `on_signal`.
    usize::try_from(signal).ok().and_then(|signal| CAUGHT.get(signal)).map_or(0, |n| n.load(Ordering::SeqCst))
}

/// Installs the handler for a signal, for as long as the process lives: it counts the signal and writes a
/// byte to `bell`. A handler that was installed before is called as well. If the signal was ignored before,
/// or ended the process, it no longer does so.
///
/// The caller makes sure that one thread at a time calls this, once for each signal and process, and within
/// one process always with the same bell. In a forked child the handler is installed already, but writes to
/// no bell until this is called.
///
/// # Errors
///
/// Returns `InvalidInput` if the signal cannot be waited for: SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE,
/// SIGILL or a number out of range. Otherwise returns the operating system's error.
pub(crate) fn catch(signal: i32, bell: BorrowedFd<'static>) -> io::Result<()> {
    let refused = [libc::SIGKILL, libc::SIGSTOP, libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL];
    let index = usize::try_from(signal).unwrap_or(0);
    if index == 0 || index >= SIGNALS || refused.contains(&signal) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("signal {signal} cannot be waited for"),
        ));
    }
    BELL.get_or_try_init(|| io::Result::Ok(bell))?;
    // The fence pairs with the one in `on_signal`: see there.
    fence(Ordering::SeqCst);
    let mut before = mem::MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: without a new action the call only writes the present action, to a place of that type.
    check(unsafe { libc::sigaction(signal, ptr::null(), before.as_mut_ptr()) })?;
    // SAFETY: the call succeeded, so it wrote the whole action.
    let before = unsafe { before.assume_init() };
    let handler = on_signal as extern "C" fn(_, _, _) as libc::sighandler_t;
    // The parent may have installed the handler before the fork. Then the handler must not store itself as
    // the action before it, nor a later handler that calls it: the calls would never end. Both tests are
    // needed, because the fork may have come just after the call of `sigaction`, before `INSTALLED` was
    // set.
    if INSTALLED[index].load(Ordering::Relaxed) || before.sa_sigaction == handler {
        return Ok(());
    }
    // Relaxed: the handler reads these only after the call of `sigaction` below.
    BEFORE[index].store(before.sa_sigaction, Ordering::Relaxed);
    BEFORE_TAKES_INFO[index].store(before.sa_flags & libc::SA_SIGINFO != 0, Ordering::Relaxed);
    // SAFETY: `sigaction` consists of integers and a set of bits. All zeros is a valid value for both.
    let mut action = unsafe { mem::zeroed::<libc::sigaction>() };
    action.sa_sigaction = handler;
    action.sa_mask = all_signals_but(&refused);
    action.sa_flags = libc::SA_RESTART | libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: the handler makes only async-signal-safe calls (see there), and lives as long as the process.
    check(unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) })?;
    // Relaxed: the next reader comes after this store by the caller's lock, or by a fork.
    INSTALLED[index].store(true, Ordering::Relaxed);
    Ok(())
}

/// Returns the set of all signals except these. That set is blocked while [`on_signal`] runs. Otherwise
/// signals that come at the same moment would run their handlers on top of one another, and three of their
/// frames overflow the alternate stack, which is 8 KiB for threads of the standard library. The signals
/// that report a broken program are not blocked, so that whoever handles them is told of an error in an
/// earlier handler.
fn all_signals_but(signals: &[i32]) -> libc::sigset_t {
    // SAFETY: a set of bits, for which all zeros is a valid value.
    let mut set = unsafe { mem::zeroed::<libc::sigset_t>() };
    // SAFETY: the set is valid. The call cannot fail.
    let _ = unsafe { libc::sigfillset(&raw mut set) };
    for &signal in signals {
        // SAFETY: as above, and the signal is a valid one.
        let _ = unsafe { libc::sigdelset(&raw mut set, signal) };
    }
    set
}

/// Handles a caught signal. It may interrupt any code, so it allocates nothing, takes no lock, and leaves
/// `errno` as it was.
///
/// In a forked child it may run on one thread before [`catch`] has given it the bell of that process on
/// another thread:
///
/// ```text
///   catch, then a listener that is polled      handler
///   BELL = the bell                            count + 1
///   fence                                      fence
///   looks at the count                         looks at BELL
/// ```
///
/// The fences are sequentially consistent, so one of them comes first. If the fence of `catch` comes first,
/// the handler sees the bell and writes to it. If the handler's fence comes first, the listener sees the
/// count without the bell.
extern "C" fn on_signal(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the call has no preconditions. It returns the address of this thread's `errno`.
    let place = unsafe { errno() };
    // SAFETY: the address is valid as long as this thread lives.
    let errno = unsafe { *place };
    let index = signal as usize;
    // SeqCst: a thread that sees the count also sees everything that came before the signal. The count
    // comes before the byte, so a thread that reads the byte sees the count.
    CAUGHT[index].fetch_add(1, Ordering::SeqCst);
    fence(Ordering::SeqCst);
    if let Some(bell) = BELL.get() {
        let byte = 0_u8;
        // SAFETY: the bell is open as long as the process lives and does not block, and `write` is
        // async-signal-safe. If the bell is full, it holds bytes that nobody has read yet, and these are
        // enough.
        unsafe { libc::write(bell.as_raw_fd(), (&raw const byte).cast(), 1) };
    }
    let before = BEFORE[index].load(Ordering::Relaxed);
    if before != libc::SIG_DFL && before != libc::SIG_IGN {
        if BEFORE_TAKES_INFO[index].load(Ordering::Relaxed) {
            type Handler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);
            // SAFETY: its flag says that it was installed as a handler with three arguments.
            let before = unsafe { mem::transmute::<usize, Handler>(before) };
            before(signal, info, context);
        } else {
            // SAFETY: its flag says that it was installed as a handler with one argument.
            let before = unsafe { mem::transmute::<usize, extern "C" fn(libc::c_int)>(before) };
            before(signal);
        }
    }
    // SAFETY: the address is valid as long as this thread lives.
    unsafe { *place = errno };
}

/// Returns the address of this thread's `errno`.
///
/// # Safety
///
/// The call has no preconditions: the C library asks for none.
#[cfg(any(target_os = "linux", target_os = "emscripten", target_os = "fuchsia", target_os = "redox"))]
unsafe fn errno() -> *mut libc::c_int {
    // SAFETY: the call has no preconditions.
    unsafe { libc::__errno_location() }
}

/// Returns the address of this thread's `errno`.
///
/// # Safety
///
/// The call has no preconditions: the C library asks for none.
#[cfg(any(target_vendor = "apple", target_os = "freebsd"))]
unsafe fn errno() -> *mut libc::c_int {
    // SAFETY: the call has no preconditions.
    unsafe { libc::__error() }
}

/// Opens a descriptor that becomes readable when the child ends. The child has not been waited for, so no
/// other process has its number.
#[cfg(target_os = "linux")]
pub(crate) fn pidfd_open(child: u32) -> io::Result<OwnedFd> {
    // SAFETY: the call takes two numbers and touches no memory of ours. The descriptor that it makes is
    // closed on exec.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, child, 0) };
    let fd = check(fd as libc::c_int)?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { std::os::fd::FromRawFd::from_raw_fd(fd) })
}

/// Fails with `Unsupported`: this platform has no such descriptor.
#[cfg(not(target_os = "linux"))]
pub(crate) fn pidfd_open(_child: u32) -> io::Result<OwnedFd> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Sends a signal to a child. The child has not been waited for, so no other process has its number.
pub(crate) fn kill(child: u32, signal: i32) -> io::Result<()> {
    let child = libc::pid_t::try_from(child).map_err(io::Error::other)?;
    // SAFETY: the call takes two numbers and touches no memory of ours.
    check(unsafe { libc::kill(child, signal) }).map(drop)
}

/// Returns true if a socket is a TCP connection.
#[cfg(target_os = "linux")]
pub(crate) fn is_tcp(socket: BorrowedFd<'_>) -> bool {
    is_stream(socket) && option(socket, libc::SO_PROTOCOL).is_ok_and(|protocol| protocol == libc::IPPROTO_TCP)
}

/// Returns true if a socket is a Unix stream, which has no packets.
#[cfg(target_os = "linux")]
pub(crate) fn is_unix_stream(socket: BorrowedFd<'_>) -> bool {
    is_stream(socket) && option(socket, libc::SO_DOMAIN).is_ok_and(|domain| domain == libc::AF_UNIX)
}

#[cfg(target_os = "linux")]
fn is_stream(socket: BorrowedFd<'_>) -> bool {
    option(socket, libc::SO_TYPE).is_ok_and(|kind| kind == libc::SOCK_STREAM)
}

/// Returns the value of a socket option that is a number.
#[cfg(target_os = "linux")]
fn option(socket: BorrowedFd<'_>, name: libc::c_int) -> io::Result<libc::c_int> {
    let mut value: libc::c_int = 0;
    let mut len = size_of::<libc::c_int>() as libc::socklen_t;
    let place = (&raw mut value).cast();
    // SAFETY: the descriptor is borrowed, so it is open; the kernel writes at most `len` bytes to `place`,
    // which is a number of that size.
    check(unsafe { libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, name, place, &raw mut len) })?;
    Ok(value)
}

/// Returns false: on this platform the answer makes no difference.
#[cfg(not(target_os = "linux"))]
pub(crate) fn is_tcp(_socket: BorrowedFd<'_>) -> bool {
    false
}

/// Returns false: on this platform the answer makes no difference.
#[cfg(not(target_os = "linux"))]
pub(crate) fn is_unix_stream(_socket: BorrowedFd<'_>) -> bool {
    false
}

/// Returns true if a read of the descriptor would return at once, with bytes, the end or an error.
pub(crate) fn is_readable(fd: BorrowedFd<'_>) -> bool {
    poll(fd, libc::POLLIN, 0).is_ok_and(|ready| ready)
}

/// Waits on this thread until the descriptor [is readable](is_readable), for `at_most` or until a signal
/// comes. Returns true if it is readable.
pub(crate) fn is_readable_within(fd: BorrowedFd<'_>, at_most: Duration) -> bool {
    let at_most = libc::c_int::try_from(at_most.as_millis()).unwrap_or(libc::c_int::MAX);
    poll(fd, libc::POLLIN, at_most).is_ok_and(|ready| ready)
}

/// Waits on this thread until the descriptor can be read from, or has an end or an error.
pub(crate) fn wait_until_readable(fd: BorrowedFd<'_>) -> io::Result<()> {
    while !poll(fd, libc::POLLIN, FOR_EVER)? {}
    Ok(())
}

/// Waits on this thread until the descriptor can be written to, or has an end or an error.
pub(crate) fn wait_until_writable(fd: BorrowedFd<'_>) -> io::Result<()> {
    while !poll(fd, libc::POLLOUT, FOR_EVER)? {}
    Ok(())
}

/// The argument of [`poll`] that sets no time limit.
const FOR_EVER: libc::c_int = -1;

/// Waits until the descriptor is ready, for `at_most` milliseconds. Returns true if it is ready. Returns
/// false if the time is over, and also if a signal came first.
fn poll(fd: BorrowedFd<'_>, events: libc::c_short, at_most: libc::c_int) -> io::Result<bool> {
    let mut asked = libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 };
    // SAFETY: the descriptor is borrowed, so it is open; the pointer leads to one `pollfd`, as the count
    // says.
    match check(unsafe { libc::poll(&raw mut asked, 1, at_most) }) {
        Ok(ready) => Ok(ready > 0),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
        Err(error) => Err(error),
    }
}

/// Returns true if reads of the descriptor never wait for another process: it is a regular file, a
/// directory or a block device.
pub(crate) fn is_always_ready(fd: BorrowedFd<'_>) -> bool {
    let mut found = mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the descriptor is borrowed, so it is open; the kernel writes a whole `stat` to the place, or
    // fails.
    if unsafe { libc::fstat(fd.as_raw_fd(), found.as_mut_ptr()) } == -1 {
        return false;
    }
    // SAFETY: the call succeeded, so it wrote the whole `stat`.
    let kind = unsafe { found.assume_init() }.st_mode & libc::S_IFMT;
    [libc::S_IFREG, libc::S_IFDIR, libc::S_IFBLK].contains(&kind)
}
