//! The platform wall: the system calls that neither the standard library nor mio offers.
//!
//! A port provides [`widen_backlog`], which may do nothing; [`peer_cred`]; [`catch`], which is POSIX but for the place of
//! `errno`; [`pidfd_open`], which may always fail; [`kill`].

use brigade_handle::fork::PerProcess;
use std::{
    io, mem,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd},
    ptr,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence},
    time::Duration,
};

/// Lets as many connections wait to be accepted as the operating system allows, instead of the standard library's 128. A
/// connection that finds no room is tried again by its client after a second, and after two more.
pub(crate) fn widen_backlog(listener: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the descriptor is borrowed, so it is open, and `listen` touches no memory of ours.
    check(unsafe { libc::listen(listener.as_raw_fd(), libc::c_int::MAX) }).map(drop)
}

/// The error of a call that says -1, as its result.
fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Who is at the other end of a Unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The process, where the operating system tells.
    pub pid: Option<i32>,
}

/// Who was at the other end of a Unix socket when it connected.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn peer_cred(socket: BorrowedFd<'_>) -> io::Result<Credentials> {
    let mut found = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut len = size_of::<libc::ucred>() as libc::socklen_t;
    let place = (&raw mut found).cast();
    // SAFETY: the descriptor is borrowed, so it is open; the kernel writes at most `len` bytes to `place`, which is a
    // `ucred` of that size.
    check(unsafe {
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_PEERCRED, place, &raw mut len)
    })?;
    Ok(Credentials { uid: found.uid, gid: found.gid, pid: Some(found.pid) })
}

/// Who was at the other end of a Unix socket when it connected.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn peer_cred(socket: BorrowedFd<'_>) -> io::Result<Credentials> {
    let (mut uid, mut gid) = (0, 0);
    // SAFETY: the descriptor is borrowed, so it is open; both places are of the types that are written.
    check(unsafe { libc::getpeereid(socket.as_raw_fd(), &raw mut uid, &raw mut gid) })?;
    Ok(Credentials { uid, gid, pid: None })
}

/// The flag of `open` that makes a descriptor non-blocking.
pub(crate) const NONBLOCK: i32 = libc::O_NONBLOCK;
/// The error of `open` with that flag if nobody reads from the named pipe.
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

/// How many numbers there are for signals, with the 0 that is none.
pub(crate) const SIGNALS: usize = 65;

/// How often each signal was caught.
static CAUGHT: [AtomicUsize; SIGNALS] = [const { AtomicUsize::new(0) }; SIGNALS];
/// Whether it is caught by the handler, in this process or already in the one that it was forked from.
static INSTALLED: [AtomicBool; SIGNALS] = [const { AtomicBool::new(false) }; SIGNALS];
/// What was called for each signal before [`catch`]: a handler, or the numbers of SIG_DFL and SIG_IGN.
static BEFORE: [AtomicUsize; SIGNALS] = [const { AtomicUsize::new(libc::SIG_DFL) }; SIGNALS];
/// Whether that takes three arguments.
static BEFORE_TAKES_INFO: [AtomicBool; SIGNALS] = [const { AtomicBool::new(false) }; SIGNALS];
/// Where this process writes to when a signal was caught. A forked child has no bell as it begins, since its parent's is for the parent.
static BELL: PerProcess<BorrowedFd<'static>> = PerProcess::new();

/// How often the signal was caught.
pub(crate) fn caught(signal: i32) -> usize {
    // SeqCst: see `on_signal`.
    usize::try_from(signal).ok().and_then(|signal| CAUGHT.get(signal)).map_or(0, |n| n.load(Ordering::SeqCst))
}

/// Has the signal counted from now on, and a byte written to `bell`, for as long as the process lives. What was called for
/// it before is called as well; that it was ignored, or ended the process, is over.
///
/// The caller sees to it that this is called by one thread at a time, once a signal and process, and in a process always with the same
/// bell. In a forked child the handler is there already, and rings nothing until this is called.
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
    // See `on_signal`.
    fence(Ordering::SeqCst);
    let mut before = mem::MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: without a new action this writes the present one to a place of its type.
    check(unsafe { libc::sigaction(signal, ptr::null(), before.as_mut_ptr()) })?;
    // SAFETY: the call went well, so it wrote the whole of it.
    let before = unsafe { before.assume_init() };
    let handler = on_signal as extern "C" fn(_, _, _) as libc::sighandler_t;
    // The parent has installed it, before the fork. It must not become what it calls itself, nor what calls it. Looked at in both ways, since
    // the fork may have been just after it was installed.
    if INSTALLED[index].load(Ordering::Relaxed) || before.sa_sigaction == handler {
        return Ok(());
    }
    // Relaxed: the handler runs after the call of `sigaction` that comes after this.
    BEFORE[index].store(before.sa_sigaction, Ordering::Relaxed);
    BEFORE_TAKES_INFO[index].store(before.sa_flags & libc::SA_SIGINFO != 0, Ordering::Relaxed);
    // SAFETY: `sigaction` is integers and a set of bits, for which all zeros is a value: an empty set.
    let mut action = unsafe { mem::zeroed::<libc::sigaction>() };
    action.sa_sigaction = handler;
    action.sa_flags = libc::SA_RESTART | libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: the handler makes async-signal-safe calls only (see there), and lives as long as the process.
    check(unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) })?;
    // Relaxed: who comes next comes by the caller's lock, or by a fork.
    INSTALLED[index].store(true, Ordering::Relaxed);
    Ok(())
}

/// The handler. It may interrupt anything, so it allocates nothing, takes no lock, and leaves `errno` as it was.
///
/// In a forked child it may run before [`catch`] has given it the bell of that process, on another thread:
///
/// ```text
///   catch, then a listener that is polled      handler
///   BELL = the bell                            count + 1
///   fence                                      fence
///   looks at the count                         looks at BELL
/// ```
///
/// The fences are sequentially consistent, so one comes first. If it is that of `catch`, the handler sees the bell, and rings it; if it is
/// the handler's, the listener sees the signal without being told.
extern "C" fn on_signal(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the place of this thread's `errno`.
    let place = unsafe { errno() };
    // SAFETY: the place is valid as long as this thread is.
    let errno = unsafe { *place };
    let index = signal as usize;
    // Who sees the count sees what came before the signal. It comes before the byte: who reads the byte sees it.
    CAUGHT[index].fetch_add(1, Ordering::SeqCst);
    fence(Ordering::SeqCst);
    if let Some(bell) = BELL.get() {
        let byte = 0_u8;
        // SAFETY: the bell is open as long as the process lives, and does not block; `write` is async-signal-safe. If it is
        // full, there are bytes that nobody has read yet, which will do.
        unsafe { libc::write(bell.as_raw_fd(), (&raw const byte).cast(), 1) };
    }
    let before = BEFORE[index].load(Ordering::Relaxed);
    if before != libc::SIG_DFL && before != libc::SIG_IGN {
        if BEFORE_TAKES_INFO[index].load(Ordering::Relaxed) {
            type Handler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);
            // SAFETY: it was installed as a handler with three arguments, as its flag says.
            let before = unsafe { mem::transmute::<usize, Handler>(before) };
            before(signal, info, context);
        } else {
            // SAFETY: it was installed as a handler with one argument, as its flag says.
            let before = unsafe { mem::transmute::<usize, extern "C" fn(libc::c_int)>(before) };
            before(signal);
        }
    }
    // SAFETY: as above.
    unsafe { *place = errno };
}

/// Where this thread's `errno` is.
///
/// # Safety
///
/// None beyond what the C library asks for, which is nothing.
#[cfg(any(target_os = "linux", target_os = "emscripten", target_os = "fuchsia", target_os = "redox"))]
unsafe fn errno() -> *mut libc::c_int {
    // SAFETY: no preconditions.
    unsafe { libc::__errno_location() }
}

/// Where this thread's `errno` is.
///
/// # Safety
///
/// None beyond what the C library asks for, which is nothing.
#[cfg(any(target_vendor = "apple", target_os = "freebsd"))]
unsafe fn errno() -> *mut libc::c_int {
    // SAFETY: no preconditions.
    unsafe { libc::__error() }
}

/// A descriptor that becomes readable when that child ends. The child is not yet waited for, so the number is its own.
#[cfg(target_os = "linux")]
pub(crate) fn pidfd_open(child: u32) -> io::Result<OwnedFd> {
    // SAFETY: the call takes two numbers. The descriptor that it makes is closed on exec.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, child, 0) };
    let fd = check(fd as libc::c_int)?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { std::os::fd::FromRawFd::from_raw_fd(fd) })
}

/// There is no such descriptor here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn pidfd_open(_child: u32) -> io::Result<OwnedFd> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Sends a signal to a child that is not yet waited for, so that the number is its own.
pub(crate) fn kill(child: u32, signal: i32) -> io::Result<()> {
    let child = libc::pid_t::try_from(child).map_err(io::Error::other)?;
    // SAFETY: the call takes two numbers.
    check(unsafe { libc::kill(child, signal) }).map(drop)
}

/// Whether a socket is a TCP connection.
#[cfg(target_os = "linux")]
pub(crate) fn is_tcp(socket: BorrowedFd<'_>) -> bool {
    is_stream(socket) && option(socket, libc::SO_PROTOCOL).is_ok_and(|protocol| protocol == libc::IPPROTO_TCP)
}

/// Whether a socket is a Unix connection without packets.
#[cfg(target_os = "linux")]
pub(crate) fn is_unix_stream(socket: BorrowedFd<'_>) -> bool {
    is_stream(socket) && option(socket, libc::SO_DOMAIN).is_ok_and(|domain| domain == libc::AF_UNIX)
}

#[cfg(target_os = "linux")]
fn is_stream(socket: BorrowedFd<'_>) -> bool {
    option(socket, libc::SO_TYPE).is_ok_and(|kind| kind == libc::SOCK_STREAM)
}

/// An option of a socket that is a number.
#[cfg(target_os = "linux")]
fn option(socket: BorrowedFd<'_>, name: libc::c_int) -> io::Result<libc::c_int> {
    let mut value: libc::c_int = 0;
    let mut len = size_of::<libc::c_int>() as libc::socklen_t;
    let place = (&raw mut value).cast();
    // SAFETY: the descriptor is borrowed, so it is open; the kernel writes at most `len` bytes to `place`, which is a number of that size.
    check(unsafe { libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, name, place, &raw mut len) })?;
    Ok(value)
}

/// It makes no difference here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn is_tcp(_socket: BorrowedFd<'_>) -> bool {
    false
}

/// It makes no difference here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn is_unix_stream(_socket: BorrowedFd<'_>) -> bool {
    false
}

/// Whether a read of that descriptor would come back at once, with bytes, the end or an error.
pub(crate) fn is_readable(fd: BorrowedFd<'_>) -> bool {
    poll(fd, libc::POLLIN, 0).is_ok_and(|ready| ready)
}

/// Whether that is so within so long, for which this thread waits unless a signal comes.
pub(crate) fn is_readable_within(fd: BorrowedFd<'_>, at_most: Duration) -> bool {
    let at_most = libc::c_int::try_from(at_most.as_millis()).unwrap_or(libc::c_int::MAX);
    poll(fd, libc::POLLIN, at_most).is_ok_and(|ready| ready)
}

/// Waits on this thread until that descriptor can be read from, or has an end or an error.
pub(crate) fn wait_until_readable(fd: BorrowedFd<'_>) -> io::Result<()> {
    while !poll(fd, libc::POLLIN, FOR_EVER)? {}
    Ok(())
}

/// Waits on this thread until that descriptor can be written to, or has an end or an error.
pub(crate) fn wait_until_writable(fd: BorrowedFd<'_>) -> io::Result<()> {
    while !poll(fd, libc::POLLOUT, FOR_EVER)? {}
    Ok(())
}

/// What [`poll`] takes for no limit.
const FOR_EVER: libc::c_int = -1;

/// Whether the descriptor is ready, within so many milliseconds. False also if a signal came first.
fn poll(fd: BorrowedFd<'_>, events: libc::c_short, at_most: libc::c_int) -> io::Result<bool> {
    let mut asked = libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 };
    // SAFETY: the descriptor is borrowed, so it is open; the place is one `pollfd`.
    match check(unsafe { libc::poll(&raw mut asked, 1, at_most) }) {
        Ok(ready) => Ok(ready > 0),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether reads of that descriptor never wait for somebody else: it is a regular file, a folder or a disk.
pub(crate) fn is_always_ready(fd: BorrowedFd<'_>) -> bool {
    let mut found = mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the descriptor is borrowed, so it is open; the kernel writes a whole `stat` to the place, or fails.
    if unsafe { libc::fstat(fd.as_raw_fd(), found.as_mut_ptr()) } == -1 {
        return false;
    }
    // SAFETY: the call went well, so it wrote the whole of it.
    let kind = unsafe { found.assume_init() }.st_mode & libc::S_IFMT;
    [libc::S_IFREG, libc::S_IFDIR, libc::S_IFBLK].contains(&kind)
}
