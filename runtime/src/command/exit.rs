//! The watch for a child's end.

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

/// What tells that a child may have ended.
pub(super) enum ExitWatch {
    /// A descriptor that is readable from the end on.
    PidFd(AsyncFd<OwnedFd>),
    /// Any child's end, where there are no such descriptors.
    AnyChild(Signal),
}

impl ExitWatch {
    /// Begins to watch a child that nobody has waited for.
    #[track_caller]
    pub(super) fn watch(child: u32) -> io::Result<Self> {
        match sys::pidfd_open(child) {
            Ok(fd) => AsyncFd::new_pending(fd).map(Self::PidFd),
            Err(_) => Self::watch_by_signal(),
        }
    }

    /// Begins to watch all children.
    #[track_caller]
    pub(super) fn watch_by_signal() -> io::Result<Self> {
        signal(SignalKind::CHILD).map(Self::AnyChild)
    }

    /// Whether the child ends within that time, for which this thread waits. Where nothing tells, it is taken to do so.
    pub(super) fn ends_within(&self, timeout: Duration) -> bool {
        match self {
            Self::PidFd(fd) => sys::is_readable_within(fd.as_fd(), timeout),
            Self::AnyChild(_) => true,
        }
    }

    /// How the child has ended, or registers the task. Reaps it. Never wakes the task itself.
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
        command::orphan::{OrphanState, adopt},
        gather, run, spawn, yield_now,
    };
    use std::{future::poll_fn, process::Command};

    fn start(code: i32) -> Child {
        Command::new("sh").args(["-c", &format!("exit {code}")]).spawn().unwrap()
    }

    #[test]
    fn where_there_is_no_pidfd_the_signal_tells() {
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
    fn where_there_is_no_pidfd_an_orphan_is_reaped_as_well() {
        run(async {
            let exit = ExitWatch::watch_by_signal().unwrap();
            let child = start(0);
            let id = child.id();
            adopt(child, exit, OrphanState::Running);
            // An error says that there is no such process, not even a zombie.
            while sys::kill(id, 0).is_ok() {
                yield_now().await;
            }
        });
    }
}
