//! The platform wall: the system calls that this program makes itself, and the numbers of the system's
//! errors.

use std::{
    io,
    os::{
        fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
        unix::process::CommandExt,
    },
    process::{self, Command},
    sync::atomic::{AtomicBool, Ordering},
};

/// The errors of the system that a user can do something about: the number of each, and words that go on
/// after the error's own.
pub(crate) const REMEDIES: [(i32, &str); 6] = [
    (
        libc::EAGAIN,
        "; the system grants no more threads or processes: raise `ulimit -u` (or `ulimit -v`, for their memory), \
         or use fewer workers",
    ),
    (libc::ENOMEM, "; there is too little memory: raise `ulimit -v`, or end other programs"),
    (libc::EMFILE, "; this process may open no more files: raise `ulimit -n`"),
    (libc::ENFILE, "; the system can open no more files: end other programs"),
    (
        libc::EADDRINUSE,
        "; another program listens there: choose another port, or port 0 for any that is free",
    ),
    (libc::ENOSPC, "; make room on the disk"),
];

/// Sends SIGKILL to `pid`. A process that is gone is no error.
pub(crate) fn kill(pid: u32) {
    send(libc::pid_t::try_from(pid), libc::SIGKILL);
}

/// Sends SIGKILL to all processes of the process group that `leader` leads.
pub(crate) fn kill_group(leader: u32) {
    send(libc::pid_t::try_from(leader).map(|leader| -leader), libc::SIGKILL);
}

fn send<E>(target: Result<libc::pid_t, E>, signal: i32) {
    // 0, 1 and their negatives mean more than one process of ours.
    if let Ok(target) = target
        && target.unsigned_abs() > 1
    {
        // SAFETY: kill takes numbers only and touches no memory of ours.
        unsafe { libc::kill(target, signal) };
    }
}

/// Has the kernel kill the child that `command` starts when the calling thread ends, however that comes.
/// Call it on a thread that lives as long as the child should.
#[cfg_attr(not(target_os = "linux"), allow(unused_variables))]
pub(crate) fn end_with_parent(command: &mut Command) {
    #[cfg(target_os = "linux")]
    {
        let parent = process::id();
        let ask = move || {
            // SAFETY: with this option prctl reads its numbers only. It is async-signal-safe.
            check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) })?;
            // If the parent has ended before the request, nobody will send the signal.
            if std::os::unix::process::parent_id() == parent {
                Ok(())
            } else {
                Err(io::Error::from_raw_os_error(libc::ESRCH))
            }
        };
        // SAFETY: between fork and exec the closure makes two system calls. It allocates nothing and takes
        // no lock.
        unsafe { command.pre_exec(ask) };
    }
}

/// Makes this process the parent of the processes that its descendants leave behind.
pub(crate) fn adopt_orphans() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    // SAFETY: with this option prctl reads its numbers only.
    check(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) })?;
    Ok(())
}

/// Lets the child that `command` starts inherit this descriptor, under the same number. The child takes it
/// by [`take_over`].
pub(crate) fn hand_over(command: &mut Command, descriptor: OwnedFd) {
    let inherit = move || {
        // SAFETY: fcntl changes a flag of a descriptor that the closure owns; in the child only.
        check(unsafe { libc::fcntl(descriptor.as_raw_fd(), libc::F_SETFD, 0) })
    };
    // SAFETY: between fork and exec the closure makes one system call. It allocates nothing and takes no
    // lock.
    unsafe { command.pre_exec(inherit) };
}

/// Takes the descriptor of this number, which the parent has handed over. It is closed on exec from now on.
/// Only the beginning of `main` calls this, before the program has opened anything.
///
/// # Errors
///
/// Fails if there is no such descriptor, if it is a standard stream, or if one was taken already.
pub(crate) fn take_over(number: i32) -> io::Result<OwnedFd> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if number <= libc::STDERR_FILENO || TAKEN.swap(true, Ordering::Relaxed) {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    // SAFETY: fcntl changes a flag of a descriptor. It fails if there is none of this number.
    check(unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) })?;
    // SAFETY: the descriptor is open, it is taken once, and the program has opened none before this call.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Waits until a write to `descriptor` would not block, or would fail. It may return early, on a signal.
///
/// # Errors
///
/// Fails if the system has no memory to wait with.
pub(crate) fn wait_until_writable(descriptor: BorrowedFd<'_>) -> io::Result<()> {
    let mut wanted = libc::pollfd { fd: descriptor.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
    // SAFETY: poll writes into the one entry that the pointer and the count name. It outlives the call.
    match check(unsafe { libc::poll(&raw mut wanted, 1, -1) }) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
        waited => waited,
    }
}

/// Waits until a terminal is gone: its window was closed, or its connection broke.
///
/// # Errors
///
/// Fails if the system has no memory to wait with.
pub(crate) fn wait_until_hung_up(terminal: BorrowedFd<'_>) -> io::Result<()> {
    // An end is reported whether it is asked for or not, and nothing else is.
    let mut wanted = libc::pollfd { fd: terminal.as_raw_fd(), events: 0, revents: 0 };
    loop {
        // SAFETY: poll writes into the one entry that the pointer and the count name. It outlives the call.
        match check(unsafe { libc::poll(&raw mut wanted, 1, -1) }) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            waited => return waited,
        }
    }
}

fn check(result: i32) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::{Read, Write},
        os::fd::AsFd,
        thread,
    };

    #[test]
    fn a_full_pipe_is_waited_for_until_somebody_reads() {
        let (mut reader, mut writer) = io::pipe().unwrap();
        // SAFETY: fcntl changes a flag of a descriptor that `writer` owns.
        check(unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) }).unwrap();
        while writer.write(&[0; 4096]).is_ok() {}
        let read = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                wait_until_writable(writer.as_fd()).unwrap();
                assert!(read.load(Ordering::Acquire), "nothing was read, and the wait was over");
            });
            read.store(true, Ordering::Release);
            reader.read_exact(&mut [0; 8192]).unwrap();
        });
        // Where nobody reads any more a write fails at once, so there is nothing to wait for.
        drop(reader);
        wait_until_writable(writer.as_fd()).unwrap();
    }
}
