//! Forking, which needs unsafe code: by libc's `fork`, and by a system call that runs no handler of
//! `pthread_atfork`.
//!
//! The fork tests of the other crates use this file as well.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// A way to fork a process.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    /// libc's `fork`.
    Fork,
    /// The system call, without libc.
    #[cfg(target_os = "linux")]
    Clone,
}

impl Way {
    pub(crate) const ALL: &[Self] = &[
        Self::Fork,
        #[cfg(target_os = "linux")]
        Self::Clone,
    ];

    /// Returns 0 in the child, and the child's number in the parent.
    fn fork(self) -> libc::pid_t {
        match self {
            // SAFETY: the child runs on the one thread that called this, and asks for nothing that other
            // threads of the parent hold.
            Self::Fork => unsafe { libc::fork() },
            #[cfg(target_os = "linux")]
            Self::Clone => {
                // This does not protect the allocator's locks, as libc's `fork` does.
                others_sleep();
                // SAFETY: as above. Without a stack of its own the child goes on with a copy of this one.
                unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) as libc::pid_t }
            }
        }
    }

    /// Forks. The child leaves by `_exit`, with status 0 if `inside` returns true. No destructor and no
    /// other case runs in it. The parent waits and checks the status.
    #[track_caller]
    pub(crate) fn in_child(self, inside: impl FnOnce() -> bool) {
        self.beside_child(inside).join();
    }

    /// Forks. Returns `None` in the child. In the parent it waits and returns the child's status from
    /// `waitpid`.
    #[allow(dead_code, reason = "some of the crates that share this file have no use for it")]
    pub(crate) fn fork_and_wait(self) -> Option<i32> {
        let pid = self.fork();
        (pid != 0).then(|| Child(pid).wait())
    }

    /// Forks like [`in_child`](Self::in_child), but does not wait.
    pub(crate) fn beside_child(self, inside: impl FnOnce() -> bool) -> Child {
        let pid = self.fork();
        assert_ne!(pid, -1, "the process can be forked");
        if pid == 0 {
            // A child that waits for something in the parent waits for ever. A minute is longer than any
            // case takes.
            // SAFETY: it takes a number.
            unsafe { libc::alarm(60) };
            let said = catch_unwind(AssertUnwindSafe(inside));
            let status = i32::from(!matches!(said, Ok(true)));
            // SAFETY: this ends the child at once.
            unsafe { libc::_exit(status) };
        }
        Child(pid)
    }
}

/// A child that runs beside its parent.
pub(crate) struct Child(libc::pid_t);

impl Child {
    /// Waits for its end, and checks that it returned true.
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

/// Returns when each other thread of this process sleeps, so that none holds a lock.
#[cfg(target_os = "linux")]
fn others_sleep() {
    let me = std::fs::read_link("/proc/thread-self").expect("this is Linux");
    let me = me.file_name().expect("it ends with the thread's number");
    let sleeps = |thread: std::fs::DirEntry| {
        // A thread that has ended meanwhile holds nothing. The state comes after the name, which is in
        // parentheses.
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        thread.file_name() == me || stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('S'))
    };
    let all_sleep =
        || std::fs::read_dir("/proc/self/task").is_ok_and(|mut all| all.all(|one| one.is_ok_and(sleeps)));
    while !(all_sleep() && all_sleep()) {
        std::thread::yield_now();
    }
}

/// Returns whether a process that ended with this status was aborted.
#[allow(dead_code, reason = "as above")]
pub(crate) fn is_abort(status: i32) -> bool {
    libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGABRT
}
