//! Forking, which only unsafe code can do: by libc's `fork`, and by a system call that runs no handler of `pthread_atfork`.
//!
//! The fork tests of the other crates use this file as well.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// How a process is forked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    /// libc's `fork`.
    Fork,
    /// The system call, past libc.
    #[cfg(target_os = "linux")]
    Clone,
}

impl Way {
    pub(crate) const ALL: &[Self] = &[
        Self::Fork,
        #[cfg(target_os = "linux")]
        Self::Clone,
    ];

    /// 0 in the child, and the child's number in the parent.
    fn fork(self) -> libc::pid_t {
        match self {
            // SAFETY: the child runs on the one thread that called this; what other threads of the parent hold it never asks for.
            Self::Fork => unsafe { libc::fork() },
            #[cfg(target_os = "linux")]
            Self::Clone => {
                // The allocator's locks are not looked after as by libc's `fork`.
                others_sleep();
                // SAFETY: as above. Without a stack of its own the child goes on with a copy of this one.
                unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) as libc::pid_t }
            }
        }
    }

    /// Forks. The child leaves by `_exit`: 0 if `inside` says yes, and no destructor and no other case runs in it. The parent
    /// waits and checks that.
    #[track_caller]
    pub(crate) fn in_child(self, inside: impl FnOnce() -> bool) {
        self.beside_child(inside).join();
    }

    /// Forks, and comes back in the child with `None`, in the parent with how the child has ended: the status of `waitpid`.
    #[allow(dead_code, reason = "some of the crates that share this file have no use for it")]
    pub(crate) fn fork_and_wait(self) -> Option<i32> {
        let pid = self.fork();
        (pid != 0).then(|| Child(pid).wait())
    }

    /// As [`in_child`](Self::in_child), but does not wait.
    pub(crate) fn beside_child(self, inside: impl FnOnce() -> bool) -> Child {
        let pid = self.fork();
        assert_ne!(pid, -1, "the process can be forked");
        if pid == 0 {
            // A child that waits for what is in the parent waits for ever. A minute is longer than any case takes.
            // SAFETY: it takes a number.
            unsafe { libc::alarm(60) };
            let said = catch_unwind(AssertUnwindSafe(inside));
            let status = i32::from(!matches!(said, Ok(true)));
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(status) };
        }
        Child(pid)
    }
}

/// A child that runs beside its parent.
pub(crate) struct Child(libc::pid_t);

impl Child {
    /// Waits for its end, and checks that it said yes.
    #[track_caller]
    pub(crate) fn join(self) {
        assert_eq!(self.wait(), 0, "the child failed");
    }

    fn wait(self) -> i32 {
        let mut status = -1;
        // SAFETY: the child is ours and not yet waited for; the place is an integer.
        let waited = unsafe { libc::waitpid(self.0, &raw mut status, 0) };
        assert_eq!(waited, self.0);
        status
    }
}

/// Comes back when each other thread of this process sleeps, and holds no lock on its way there.
#[cfg(target_os = "linux")]
fn others_sleep() {
    let me = std::fs::read_link("/proc/thread-self").expect("this is Linux");
    let me = me.file_name().expect("it ends with the thread's number");
    let sleeps = |thread: std::fs::DirEntry| {
        // A thread that has ended meanwhile holds nothing. The state comes after the name, which is in parentheses.
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        thread.file_name() == me || stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('S'))
    };
    let all_sleep =
        || std::fs::read_dir("/proc/self/task").is_ok_and(|mut all| all.all(|one| one.is_ok_and(sleeps)));
    while !(all_sleep() && all_sleep()) {
        std::thread::yield_now();
    }
}

/// Whether a process that has ended with this status was aborted.
#[allow(dead_code, reason = "as above")]
pub(crate) fn is_abort(status: i32) -> bool {
    libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGABRT
}
