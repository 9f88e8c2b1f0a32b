//! A child process that was started.

use super::{
    exit::ExitWatch,
    orphan::{self, OrphanState},
};
use crate::{
    combine::gather::gather,
    io::{PipeReader, PipeWriter},
    signal::SignalKind,
    sys,
    task::budget,
};
use futures_io::AsyncRead;
use std::{
    future::poll_fn,
    io,
    pin::Pin,
    process::{self, ExitStatus, Output},
    task::{Poll, ready},
};

/// A child process, from [`Command::spawn`](super::Command::spawn).
///
/// If it is dropped before the process has ended, the process keeps running, or is killed if
/// [`kill_on_drop`](super::Command::kill_on_drop) is set. Either way it is reaped when it ends.
///
/// ```
/// use brigade_runtime::{command::Command, run};
/// use futures_util::{AsyncReadExt, AsyncWriteExt};
/// use std::process::Stdio;
///
/// run(async {
///     let mut command = Command::new("tr");
///     command.args(["a-z", "A-Z"]).stdin(Stdio::piped()).stdout(Stdio::piped());
///     let mut child = command.spawn()?;
///     let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
///     stdin.write_all(b"soup").await?;
///     drop(stdin);
///     let mut text = String::new();
///     stdout.read_to_string(&mut text).await?;
///     assert_eq!(text, "SOUP");
///     assert!(child.wait().await?.success());
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
#[derive(Debug)]
pub struct Child {
    /// The child's input, if that was [`Stdio::piped`](process::Stdio::piped). Once it is dropped or
    /// closed, the child reads to the end.
    pub stdin: Option<PipeWriter>,
    /// The child's output, if that was [`Stdio::piped`](process::Stdio::piped).
    pub stdout: Option<PipeReader>,
    /// The child's error output, if that was [`Stdio::piped`](process::Stdio::piped).
    pub stderr: Option<PipeReader>,
    state: State,
    /// The state in which dropping this leaves the process, if it has not ended.
    state_when_dropped: OrphanState,
}

enum State {
    Running(process::Child, ExitWatch),
    Ended(ExitStatus),
    /// The destructor has taken the process.
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
    /// Watches a child that has just been started. If that fails, kills the child.
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
                // No handle leads to the child. It ends at once, because it is killed.
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    /// Returns the process ID. None once the end was observed, since the number may then belong to another
    /// process.
    ///
    /// ```
    /// # use brigade_runtime::command::Command;
    /// # brigade_runtime::run(async {
    /// let mut child = Command::new("true").spawn()?;
    /// assert!(child.id().is_some());
    /// child.wait().await?;
    /// assert_eq!(child.id(), None);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn id(&self) -> Option<u32> {
        match &self.state {
            State::Running(child, _) => Some(child.id()),
            _ => None,
        }
    }

    /// Closes the child's input, waits for its end, and returns its exit status. Later calls return the
    /// same status.
    ///
    /// A child whose output is a pipe that nobody reads may never end.
    ///
    /// # Errors
    ///
    /// * `Other` if the runtime has ended.
    /// * `ECHILD` (a kind without a name) if the exit status was taken elsewhere, such as by a process that
    ///   ignores SIGCHLD.
    ///
    /// # Cancellation
    ///
    /// Dropping the future ends only the wait. The exit status is not lost: call `wait` again.
    ///
    /// ```
    /// # use brigade_runtime::command::Command;
    /// # brigade_runtime::run(async {
    /// let mut child = Command::new("sh").args(["-c", "exit 7"]).spawn()?;
    /// assert_eq!(child.wait().await?.code(), Some(7));
    /// assert_eq!(child.wait().await?.code(), Some(7));
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.stdin = None;
        poll_fn(|cx| {
            ready!(budget::poll(cx));
            let status = match &mut self.state {
                State::Running(child, exit) => ready!(exit.poll(cx, child))?,
                State::Ended(status) => *status,
                State::Dropped => unreachable!("only the destructor leaves this state"),
            };
            budget::spend();
            self.state = State::Ended(status);
            Poll::Ready(Ok(status))
        })
        .await
    }

    /// Returns the exit status if the child has ended, without waiting.
    ///
    /// # Errors
    ///
    /// `ECHILD` (a kind without a name) if the exit status was taken elsewhere.
    ///
    /// ```
    /// # use brigade_runtime::command::Command;
    /// # brigade_runtime::run(async {
    /// let mut child = Command::new("sleep").arg("60").spawn()?;
    /// assert_eq!(child.try_wait()?, None);
    /// child.kill()?;
    /// child.wait().await?;
    /// assert!(child.try_wait()?.is_some());
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
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
            State::Dropped => unreachable!("only the destructor leaves this state"),
        }
    }

    /// Closes the child's input, reads its output and error output at the same time, and waits for its end.
    /// A stream that is not piped counts as empty.
    ///
    /// # Errors
    ///
    /// Those of [`wait`](Self::wait), and those of reading.
    ///
    /// # Cancellation
    ///
    /// Bytes that were read are lost, and the child is dropped.
    ///
    /// ```
    /// # use brigade_runtime::command::Command;
    /// # use std::process::Stdio;
    /// # brigade_runtime::run(async {
    /// let child = Command::new("echo").arg("soup").stdout(Stdio::piped()).spawn()?;
    /// assert_eq!(child.wait_with_output().await?.stdout, b"soup\n");
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[doc(alias = "communicate")]
    pub async fn wait_with_output(mut self) -> io::Result<Output> {
        self.stdin = None;
        let pipes = [self.stdout.take(), self.stderr.take()];
        let mut read = gather(pipes.map(read_all)).await.into_iter();
        let mut next = || read.next().expect("there are as many results as futures");
        let (stdout, stderr) = (next()?, next()?);
        Ok(Output { status: self.wait().await?, stdout, stderr })
    }

    /// Kills the child, by SIGKILL. [`wait`](Self::wait) then returns its exit status. Does nothing if its
    /// end was observed already.
    ///
    /// # Errors
    ///
    /// The operating system's error, such as `PermissionDenied`.
    ///
    /// ```
    /// # use brigade_runtime::command::Command;
    /// # use std::os::unix::process::ExitStatusExt;
    /// # brigade_runtime::run(async {
    /// let mut child = Command::new("sleep").arg("60").spawn()?;
    /// child.kill()?;
    /// assert_eq!(child.wait().await?.signal(), Some(9));
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[doc(alias = "start_kill")]
    pub fn kill(&mut self) -> io::Result<()> {
        match &mut self.state {
            State::Running(child, _) => child.kill(),
            _ => Ok(()),
        }
    }

    /// Sends a signal to the child, such as [`SignalKind::TERMINATE`] to ask it to end. Does nothing if its
    /// end was observed already.
    ///
    /// # Errors
    ///
    /// The operating system's error: `InvalidInput` if there is no such signal, `PermissionDenied` if the
    /// child may not be signalled.
    ///
    /// ```
    /// # use brigade_runtime::{command::Command, signal::SignalKind};
    /// # use std::os::unix::process::ExitStatusExt;
    /// # brigade_runtime::run(async {
    /// let mut child = Command::new("sleep").arg("60").spawn()?;
    /// child.signal(SignalKind::TERMINATE)?;
    /// assert_eq!(child.wait().await?.signal(), Some(15));
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn signal(&mut self, kind: SignalKind) -> io::Result<()> {
        match self.id() {
            Some(id) => sys::kill(id, kind.as_raw()),
            None => Ok(()),
        }
    }
}

/// Reads a pipe to its end, if there is one.
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
        // An error means that the exit status was taken elsewhere: there is nothing to reap.
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
