//! The platform wall: a forked child, the pipes to it, and the processor that it runs on.

use std::{
    fs::File,
    io,
    os::fd::{FromRawFd, OwnedFd},
    sync::{Mutex, PoisonError},
};

/// The parent's end of a child.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) pid: libc::pid_t,
    /// `None` once it was closed.
    pub(crate) requests: Option<File>,
    pub(crate) answers: File,
}

/// How a child has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Code(i32),
    Signal(i32),
}

fn pipe() -> io::Result<(File, File)> {
    let mut ends = [0; 2];
    // SAFETY: the call writes two descriptors to the array, which outlives it.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has just opened it, and nothing else owns it.
    let read = unsafe { OwnedFd::from_raw_fd(ends[0]) };
    // SAFETY: as above.
    let write = unsafe { OwnedFd::from_raw_fd(ends[1]) };
    Ok((File::from(read), File::from(write)))
}

/// Forks a child that calls `serve` with its ends of the pipes, and ends by `_exit`.
///
/// # Errors
///
/// Returns the operating system's error if it refuses a pipe or a process.
pub(crate) fn fork(serve: impl FnOnce(File, File)) -> io::Result<Child> {
    /// Between the pipes of a child and its fork, no other child is forked: that one would keep their ends
    /// open, and this one's end would not be seen.
    static FORKS: Mutex<()> = Mutex::new(());
    let _alone = FORKS.lock().unwrap_or_else(PoisonError::into_inner);
    let (their_requests, requests) = pipe()?;
    let (answers, their_answers) = pipe()?;
    // SAFETY: the child runs on with a copy of this thread only. It takes no lock that another thread of this
    // process could have held, but for those that the checked code takes, as the crate's documentation says.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            drop((requests, answers));
            serve(their_requests, their_answers);
            exit_now(0)
        }
        pid => Ok(Child { pid, requests: Some(requests), answers }),
    }
}

/// Ends this process without running destructors.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: the call touches no memory of ours.
    unsafe { libc::_exit(code) }
}

/// Makes the kernel end this process when the thread that forked it ends.
pub(crate) fn end_with_parent() {
    // SAFETY: the call takes numbers only.
    let _ = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

/// Returns the numbers of the processors that this thread may use. The list is empty if the system does not
/// tell.
pub(crate) fn processors() -> Vec<usize> {
    // SAFETY: a set of processors is plain memory, for which zeros are a valid value: the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the call writes to the set, which outlives it. If it fails, the set stays empty.
    let _ = unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) };
    // SAFETY: the set is ours, and no number is beyond its end.
    (0..libc::CPU_SETSIZE as usize).filter(|&number| unsafe { libc::CPU_ISSET(number, &set) }).collect()
}

/// Keeps all threads of this process on one processor, since only one of them runs at a time.
pub(crate) fn stay_on_processor(number: usize) {
    // SAFETY: a set of processors is plain memory, for which zeros are a valid value: the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set is ours. A number beyond its end is ignored.
    unsafe { libc::CPU_SET(number, &mut set) };
    // SAFETY: the call reads the set, which outlives it. If the system refuses, nothing is lost but speed.
    let _ = unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) };
}

/// Kills a child, if it lives, and takes its end.
pub(crate) fn reap(pid: libc::pid_t, kills: Kills) -> io::Result<Exit> {
    if kills == Kills::Yes {
        // SAFETY: the child was not reaped yet, so the number is still its own.
        let _ = unsafe { libc::kill(pid, libc::SIGKILL) };
    }
    let mut status = 0;
    loop {
        // SAFETY: the call writes to `status` alone, which outlives it.
        if unsafe { libc::waitpid(pid, &raw mut status, 0) } == pid {
            let exit = if libc::WIFSIGNALED(status) {
                Exit::Signal(libc::WTERMSIG(status))
            } else {
                Exit::Code(libc::WEXITSTATUS(status))
            };
            return Ok(exit);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Whether a child is killed before it is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kills {
    Yes,
    No,
}
