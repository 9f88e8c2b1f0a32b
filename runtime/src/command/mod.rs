//! Child processes: started, fed, read, awaited and killed, without a thread that waits.
//!
//! # Why no exit is missed, and no child is left behind
//!
//! A child is watched by a descriptor that becomes readable when it ends (a *pidfd*), through the reactor like any other.
//! Where the operating system has none, each SIGCHLD makes every waiting child be asked whether it has ended; the listener is
//! there before the first question, so an exit between the two is heard. Only `wait` of this module takes the exit, of this one
//! child by its number, so it disturbs nobody else's children, and as long as it was not taken, the number belongs to the
//! child.
//!
//! A [`Child`] that is dropped before it has ended goes on running (unless `kill_on_drop`), and is *orphaned*: its watch
//! stays with the reactor, which takes the exit when it comes, so that no zombie is left. When the runtime ends before
//! that, the child moves to a list of the process, which is swept whenever a child is started or dropped.

mod child;
mod exit;
mod orphan;

pub use child::Child;

use orphan::OrphanState;
use std::{
    ffi::OsStr,
    io,
    path::Path,
    process::{self, ExitStatus, Output, Stdio},
};

/// How to start a child: the program, its arguments, its environment, and where its input and output go.
///
/// Built on [`std::process::Command`], and like it: [`From`] takes over one with settings that have no method here.
///
/// # Example
///
/// ```
/// use brigade_runtime::{command::Command, run};
///
/// run(async {
///     let output = Command::new("echo").arg("hello").output().await?;
///     assert!(output.status.success());
///     assert_eq!(output.stdout, b"hello\n");
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
#[derive(Debug)]
pub struct Command {
    inner: process::Command,
    kill_on_drop: bool,
    /// Which of the three streams were said.
    stdio_set: [bool; 3],
}

impl Command {
    /// Starts from a program: a path, or a name to be looked up in `PATH`.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        process::Command::new(program).into()
    }

    /// Adds an argument.
    pub fn arg(&mut self, arg: impl AsRef<OsStr>) -> &mut Self {
        self.inner.arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args(&mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> &mut Self {
        self.inner.args(args);
        self
    }

    /// Sets a variable of the environment, which is otherwise the one of this process.
    pub fn env(&mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Self {
        self.inner.env(key, value);
        self
    }

    /// Takes a variable out of the environment.
    pub fn env_remove(&mut self, key: impl AsRef<OsStr>) -> &mut Self {
        self.inner.env_remove(key);
        self
    }

    /// Takes all variables out of the environment.
    pub fn env_clear(&mut self) -> &mut Self {
        self.inner.env_clear();
        self
    }

    /// The folder in which the child runs.
    pub fn current_dir(&mut self, folder: impl AsRef<Path>) -> &mut Self {
        self.inner.current_dir(folder);
        self
    }

    /// Where the child's input comes from. Without this: the same place as ours, or nowhere for [`output`](Self::output).
    pub fn stdin(&mut self, stdin: impl Into<Stdio>) -> &mut Self {
        self.stdio_set[0] = true;
        self.inner.stdin(stdin);
        self
    }

    /// Where the child's output goes. Without this: the same place as ours, or to us for [`output`](Self::output).
    pub fn stdout(&mut self, stdout: impl Into<Stdio>) -> &mut Self {
        self.stdio_set[1] = true;
        self.inner.stdout(stdout);
        self
    }

    /// Where the child's errors go. Without this: the same place as ours, or to us for [`output`](Self::output).
    pub fn stderr(&mut self, stderr: impl Into<Stdio>) -> &mut Self {
        self.stdio_set[2] = true;
        self.inner.stderr(stderr);
        self
    }

    /// Whether the child is killed when its [`Child`] is dropped before it has ended, such as by a
    /// [`timeout`](crate::timeout) around [`output`](Self::output). Not, as it begins.
    pub fn kill_on_drop(&mut self, kill: bool) -> &mut Self {
        self.kill_on_drop = kill;
        self
    }

    /// Starts the child. This blocks for as long as fork and exec take, as does that of the standard library.
    ///
    /// # Errors
    ///
    /// If there is no such program, or the operating system refuses a process or a descriptor.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn spawn(&mut self) -> io::Result<Child> {
        orphan::reap_unwatched();
        Child::watch(
            self.inner.spawn()?,
            if self.kill_on_drop { OrphanState::Killed } else { OrphanState::Running },
        )
    }

    /// Starts the child and waits for its end.
    ///
    /// # Errors
    ///
    /// Those of [`spawn`](Self::spawn) and [`Child::wait`].
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    ///
    /// # Cancellation
    ///
    /// The child runs on, or is killed if [`kill_on_drop`](Self::kill_on_drop) says so. Either way it is reaped.
    pub async fn status(&mut self) -> io::Result<ExitStatus> {
        self.spawn()?.wait().await
    }

    /// Starts the child, takes in all that it writes, and waits for its end.
    ///
    /// # Errors
    ///
    /// Those of [`spawn`](Self::spawn) and [`Child::wait_with_output`].
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    ///
    /// # Cancellation
    ///
    /// The child runs on without anybody to read what it writes, or is killed if [`kill_on_drop`](Self::kill_on_drop) says
    /// so. Either way it is reaped.
    pub async fn output(&mut self) -> io::Result<Output> {
        let [stdin, stdout, stderr] = self.stdio_set;
        if !stdin {
            self.inner.stdin(Stdio::null());
        }
        if !stdout {
            self.inner.stdout(Stdio::piped());
        }
        if !stderr {
            self.inner.stderr(Stdio::piped());
        }
        self.spawn()?.wait_with_output().await
    }
}

/// Takes over the settings. Of the three streams it is not known whether they were said, so they count as not.
impl From<process::Command> for Command {
    fn from(inner: process::Command) -> Self {
        Self { inner, kill_on_drop: false, stdio_set: [false; 3] }
    }
}
