//! Watching for the end of a child.

use crate::{
    io::AsyncFd,
    signal::{Signal, SignalKind, signal},
    sys,
};
use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    process::{Child, ExitStatus},
    task::{Context, Poll, ready},
    time::Duration,
};

/// A source of reports that a child may have ended.
pub(super) enum ExitWatch {
    /// A pidfd, which is readable once the child has ended.
    PidFd(AsyncFd<OwnedFd>),
    /// SIGCHLD, which reports the end of any child, where there are no pidfds.
    AnyChild(Signal),
}

impl ExitWatch {
    /// Begins to watch a child whose exit status was not taken.
    #[track_caller]
    pub(super) fn watch(child: u32) -> io::Result<Self> {
        match sys::pidfd_open(child) {
            Ok(fd) => AsyncFd::new_pending(fd).map(Self::PidFd),
            Err(_) => Self::watch_by_signal(),
        }
    }

    /// Begins to watch all children, by SIGCHLD.
    #[track_caller]
    pub(super) fn watch_by_signal() -> io::Result<Self> {
        signal(SignalKind::CHILD).map(Self::AnyChild)
    }

    /// Waits on this thread until the child ends, for at most `timeout`, and returns whether it has.
    /// Without a pidfd this is not known, and returns true at once.
    pub(super) fn ends_within(&self, timeout: Duration) -> bool {
        match self {
            Self::PidFd(fd) => sys::is_readable_within(fd.as_fd(), timeout),
            Self::AnyChild(_) => true,
        }
    }

    /// Reaps the child and returns its exit status, or registers the task. Uses no budget, so it never
    /// wakes the task itself.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, child: &mut Child) -> Poll<io::Result<ExitStatus>> {
        loop {
            match self {
                Self::PidFd(fd) => {
                    let mut ready = ready!(fd.poll_unbudgeted(cx))?;
                    if let Some(status) = child.try_wait()? {
                        return Poll::Ready(Ok(status));
                    }
                    ready.clear_ready();
                }
                Self::AnyChild(signal) => {
                    if let Some(status) = child.try_wait()? {
                        return Poll::Ready(Ok(status));
                    }
                    ready!(signal.poll_unbudgeted(cx))?;
                }
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
// A test fails by panicking, in what it calls as well.
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{
        combine::{gather::gather, yield_now::yield_now},
        command::orphan::{OrphanState, adopt},
        executor::spawn::spawn,
        run::run,
    };
    use std::{future::poll_fn, process::Command};

    fn start(code: i32) -> Child {
        Command::new("sh").args(["-c", &format!("exit {code}")]).spawn().unwrap()
    }

    #[test]
    fn without_a_pidfd_the_signal_reports_an_exit() {
        run(async {
            let wait = |code| async move {
                let mut exit = ExitWatch::watch_by_signal().unwrap();
                let mut child = start(code);
                poll_fn(|cx| exit.poll(cx, &mut child)).await.unwrap().code()
            };
            let codes = gather((0..20).map(|code| spawn(wait(code)))).await;
            assert!(codes.into_iter().map(Result::unwrap).eq((0..20).map(Some)));
        });
    }

    #[test]
    fn without_a_pidfd_an_orphan_is_reaped_as_well() {
        run(async {
            let exit = ExitWatch::watch_by_signal().unwrap();
            let child = start(0);
            let id = child.id();
            adopt(child, exit, OrphanState::Running);
            // An error means that there is no such process, not even a zombie.
            while sys::kill(id, 0).is_ok() {
                yield_now().await;
            }
        });
    }
}
