//! A child that was started.

use super::{
    exit::ExitWatch,
    orphan::{self, OrphanState},
};
use crate::{
    context::budget,
    gather,
    io::{PipeReader, PipeWriter},
    signal::SignalKind,
    sys,
};
use futures_io::AsyncRead;
use std::{
    future::poll_fn,
    io,
    pin::Pin,
    process::{self, ExitStatus, Output},
    task::{Poll, ready},
};

/// A child process.
///
/// Dropping it before it has ended lets it run on, or kills it if
/// [`kill_on_drop`](super::Command::kill_on_drop) says so; either way it is reaped when it ends.
#[derive(Debug)]
pub struct Child {
    /// Its input, if that was [`Stdio::piped`](process::Stdio::piped). Dropping or closing it ends what the child reads.
    pub stdin: Option<PipeWriter>,
    /// Its output, if that was [`Stdio::piped`](process::Stdio::piped).
    pub stdout: Option<PipeReader>,
    /// Its errors, if those were [`Stdio::piped`](process::Stdio::piped).
    pub stderr: Option<PipeReader>,
    state: State,
    state_when_dropped: OrphanState,
}

enum State {
    Running(process::Child, ExitWatch),
    Ended(ExitStatus),
    /// In the hands of who drops it.
    Dropped,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Running(child, _) => write!(f, "Running({})", child.id()),
            Self::Ended(status) => write!(f, "Ended({status})"),
            Self::Dropped => f.write_str("Dropped"),
        }
    }
}

impl Child {
    /// Watches a child that has just begun.
    #[track_caller]
    pub(super) fn watch(mut child: process::Child, state_when_dropped: OrphanState) -> io::Result<Self> {
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let watched = ExitWatch::watch(child.id()).and_then(|exit| {
            let stdin = stdin.map(|end| PipeWriter::from_fd(end.into())).transpose()?;
            let stdout = stdout.map(|end| PipeReader::from_fd(end.into())).transpose()?;
            let stderr = stderr.map(|end| PipeReader::from_fd(end.into())).transpose()?;
            Ok((exit, stdin, stdout, stderr))
        });
        match watched {
            Ok((exit, stdin, stdout, stderr)) => {
                Ok(Self { stdin, stdout, stderr, state: State::Running(child, exit), state_when_dropped })
            }
            Err(error) => {
                // Nobody will know of it. Killed, it ends at once.
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    /// The number of the process. None once its end was seen, since the number may then belong to another.
    pub fn id(&self) -> Option<u32> {
        match &self.state {
            State::Running(child, _) => Some(child.id()),
            _ => None,
        }
    }

    /// Closes its input and waits for its end. Afterwards this says the same again.
    ///
    /// A child whose output is a pipe that nobody reads may never end.
    ///
    /// # Errors
    ///
    /// If the runtime is gone, or somebody else took the exit, such as a process that ignores SIGCHLD.
    ///
    /// # Cancellation
    ///
    /// Only the waiting ends. The exit is not lost: `wait` again.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.stdin = None;
        poll_fn(|cx| {
            ready!(budget::poll(cx));
            let status = match &mut self.state {
                State::Running(child, exit) => ready!(exit.poll(cx, child))?,
                State::Ended(status) => *status,
                State::Dropped => unreachable!("nobody waits for what is being dropped"),
            };
            budget::spend();
            self.state = State::Ended(status);
            Poll::Ready(Ok(status))
        })
        .await
    }

    /// How it has ended, if it has.
    ///
    /// # Errors
    ///
    /// If somebody else took the exit.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        match &mut self.state {
            State::Running(child, _) => {
                let status = child.try_wait()?;
                if let Some(status) = status {
                    self.state = State::Ended(status);
                }
                Ok(status)
            }
            State::Ended(status) => Ok(Some(*status)),
            State::Dropped => unreachable!("nobody waits for what is being dropped"),
        }
    }

    /// Closes its input, takes in all that it writes to its pipes, both at once, and waits for its end.
    ///
    /// # Errors
    ///
    /// Those of [`wait`](Self::wait) and of reading.
    ///
    /// # Cancellation
    ///
    /// What was read is lost, and the child is dropped.
    pub async fn wait_with_output(mut self) -> io::Result<Output> {
        self.stdin = None;
        let pipes = [self.stdout.take(), self.stderr.take()];
        let mut read = gather(pipes.map(read_all)).await.into_iter();
        let mut next = || read.next().expect("there are as many results as futures");
        let (stdout, stderr) = (next()?, next()?);
        Ok(Output { status: self.wait().await?, stdout, stderr })
    }

    /// Kills it, by SIGKILL. [`wait`](Self::wait) then says how it ended. One that has ended already stays as it is.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn kill(&mut self) -> io::Result<()> {
        match &mut self.state {
            State::Running(child, _) => child.kill(),
            _ => Ok(()),
        }
    }

    /// Sends it a signal, such as [`SignalKind::TERMINATE`] to ask it to end. One that has ended already stays as it is.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn signal(&mut self, kind: SignalKind) -> io::Result<()> {
        match self.id() {
            Some(id) => sys::kill(id, kind.as_raw()),
            None => Ok(()),
        }
    }
}

/// All that comes from a pipe, if there is one.
async fn read_all(pipe: Option<PipeReader>) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    let Some(mut pipe) = pipe else { return Ok(all) };
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match poll_fn(|cx| Pin::new(&mut pipe).poll_read(cx, &mut buffer)).await? {
            0 => return Ok(all),
            read => all.extend_from_slice(&buffer[..read]),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let State::Running(mut child, exit) = std::mem::replace(&mut self.state, State::Dropped) else {
            return;
        };
        // An error means that somebody else took the exit: there is nothing to reap.
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        let state = match self.state_when_dropped {
            OrphanState::Killed if child.kill().is_ok() => OrphanState::Killed,
            _ => OrphanState::Running,
        };
        orphan::adopt(child, exit, state);
    }
}
