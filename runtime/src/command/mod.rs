//! Child processes: started, written to, read from, awaited and killed, without a thread that waits.
//!
//! # Why no exit is missed, and no child is left behind
//!
//! A *pidfd* watches each child: a descriptor that becomes readable when the child ends, which the reactor
//! watches like any other. Where the operating system has no pidfd, each SIGCHLD makes every waiting task
//! ask whether its child has ended. The listener for SIGCHLD exists before the first question, so an exit
//! between the two is heard.
//!
//! Only the waits of this module take an exit status, and only that of this one child, by its number. So
//! they do not disturb children that were started elsewhere. As long as the exit status was not taken, the
//! number belongs to the child.
//!
//! A [`Child`] that is dropped before it has ended keeps running (unless `kill_on_drop` is set) and is
//! *orphaned*: its watch stays with the reactor, which takes the exit status when it comes, so that no
//! zombie is left. If the runtime ends before that, the child moves to a list of the process. Whenever a
//! child is started or dropped, the children of that list that have ended are reaped.

mod child;
mod exit;
mod orphan;

pub use child::Child;

use crate::{driver::explored::refuse, executor::context};
use orphan::OrphanState;
use std::{
    ffi::OsStr,
    io,
    path::Path,
    process::{self, ExitStatus, Output, Stdio},
};

/// How to start a child process: the program, its arguments, its environment, and where its input and
/// output go.
///
/// It builds on [`std::process::Command`] and has the same methods. [`From`] takes over one whose settings
/// have no method here.
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
#[doc(alias("create_subprocess_exec", "subprocess"))]
#[derive(Debug)]
pub struct Command {
    inner: process::Command,
    kill_on_drop: bool,
    /// Which of stdin, stdout and stderr have been set, in this order.
    stdio_set: [bool; 3],
}

impl Command {
    /// Makes a command for a program: a path, or a name that is looked up in `PATH`.
    ///
    /// ```
    /// # use brigade_runtime::command::Command;
    /// # brigade_runtime::run(async {
    /// assert!(Command::new("true").status().await?.success());
    /// let missing = Command::new("no-such-program").status().await;
    /// assert_eq!(missing.unwrap_err().kind(), std::io::ErrorKind::NotFound);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        process::Command::new(program).into()
    }

    /// Adds an argument.
    pub fn arg(&mut self, arg: impl AsRef<OsStr>) -> &mut Self {
        self.inner.arg(arg);
        self
    }

    /// Adds several arguments.
    ///
    /// ```
    /// # use brigade_runtime::command::Command;
    /// # brigade_runtime::run(async {
    /// let output = Command::new("echo").args(["soup", "salad"]).output().await?;
    /// assert_eq!(output.stdout, b"soup salad\n");
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn args(&mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> &mut Self {
        self.inner.args(args);
        self
    }

    /// Sets an environment variable. By default the child inherits the environment of this process.
    ///
    /// ```
    /// # use brigade_runtime::command::Command;
    /// # brigade_runtime::run(async {
    /// let output = Command::new("sh").args(["-c", "echo $DISH"]).env("DISH", "soup").output().await?;
    /// assert_eq!(output.stdout, b"soup\n");
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn env(&mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Self {
        self.inner.env(key, value);
        self
    }

    /// Removes an environment variable.
    pub fn env_remove(&mut self, key: impl AsRef<OsStr>) -> &mut Self {
        self.inner.env_remove(key);
        self
    }

    /// Removes all environment variables.
    pub fn env_clear(&mut self) -> &mut Self {
        self.inner.env_clear();
        self
    }

    /// Sets the folder in which the child runs. By default it is the one of this process.
    ///
    /// ```
    /// # use brigade_runtime::command::Command;
    /// # brigade_runtime::run(async {
    /// let output = Command::new("pwd").current_dir("/").output().await?;
    /// assert_eq!(output.stdout, b"/\n");
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn current_dir(&mut self, folder: impl AsRef<Path>) -> &mut Self {
        self.inner.current_dir(folder);
        self
    }

    /// Sets where the child's input comes from. The default is the input of this process, or `/dev/null` for
    /// [`output`](Self::output).
    ///
    /// ```
    /// # use brigade_runtime::command::Command;
    /// # use futures_util::AsyncWriteExt;
    /// # use std::process::Stdio;
    /// # brigade_runtime::run(async {
    /// let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    /// let mut stdin = child.stdin.take().expect("it is piped");
    /// stdin.write_all(b"soup").await?;
    /// drop(stdin); // `cat` reads to the end.
    /// assert_eq!(child.wait_with_output().await?.stdout, b"soup");
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn stdin(&mut self, stdin: impl Into<Stdio>) -> &mut Self {
        self.stdio_set[0] = true;
        self.inner.stdin(stdin);
        self
    }

    /// Sets where the child's output goes. The default is the output of this process, or a pipe for
    /// [`output`](Self::output).
    ///
    /// ```
    /// # use brigade_runtime::command::Command;
    /// # use futures_util::AsyncReadExt;
    /// # use std::process::Stdio;
    /// # brigade_runtime::run(async {
    /// let mut child = Command::new("echo").arg("soup").stdout(Stdio::piped()).spawn()?;
    /// let mut text = String::new();
    /// child.stdout.as_mut().expect("it is piped").read_to_string(&mut text).await?;
    /// assert_eq!(text, "soup\n");
    /// # child.wait().await?;
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn stdout(&mut self, stdout: impl Into<Stdio>) -> &mut Self {
        self.stdio_set[1] = true;
        self.inner.stdout(stdout);
        self
    }

    /// Sets where the child's error output goes. The default is the error output of this process, or a pipe
    /// for [`output`](Self::output).
    pub fn stderr(&mut self, stderr: impl Into<Stdio>) -> &mut Self {
        self.stdio_set[2] = true;
        self.inner.stderr(stderr);
        self
    }

    /// Sets whether the child is killed when its [`Child`] is dropped before it has ended, such as by a
    /// [`timeout`](crate::timeout) around [`output`](Self::output). The default is false.
    ///
    /// ```
    /// use brigade_runtime::{command::Command, run, timeout};
    /// use std::time::Duration;
    ///
    /// run(async {
    ///     let mut command = Command::new("sleep");
    ///     let output = command.arg("60").kill_on_drop(true).output();
    ///     assert!(timeout(Duration::from_millis(20), output).await.is_err());
    ///     // `sleep` has been killed.
    /// });
    /// ```
    pub fn kill_on_drop(&mut self, kill: bool) -> &mut Self {
        self.kill_on_drop = kill;
        self
    }

    /// Starts the child. This blocks for as long as fork and exec take, as the standard library's method
    /// does.
    ///
    /// # Errors
    ///
    /// * `NotFound` if there is no such program, `PermissionDenied` if it may not be executed.
    /// * The operating system's error if it refuses a process or a descriptor, such as `WouldBlock` if
    ///   there are too many processes.
    ///
    /// # Panics
    ///
    /// Panics outside of a runtime; no child is started then.
    ///
    /// ```
    /// # use brigade_runtime::command::Command;
    /// # brigade_runtime::run(async {
    /// let mut child = Command::new("sh").args(["-c", "exit 3"]).spawn()?;
    /// assert_eq!(child.wait().await?.code(), Some(3));
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn spawn(&mut self) -> io::Result<Child> {
        // Panics before the child is started, which could not be watched.
        refuse("children of the operating system (Command::spawn)")?;
        context::executor("Command::spawn").driver().reactor.assert_not_forked();
        orphan::reap_unwatched();
        Child::watch(
            self.inner.spawn()?,
            if self.kill_on_drop { OrphanState::Killed } else { OrphanState::Running },
        )
    }

    /// Starts the child, waits for its end, and returns its exit status.
    ///
    /// # Errors
    ///
    /// Those of [`spawn`](Self::spawn) and [`Child::wait`].
    ///
    /// # Panics
    ///
    /// Panics outside of a runtime.
    ///
    /// # Cancellation
    ///
    /// The child keeps running, or is killed if [`kill_on_drop`](Self::kill_on_drop) is set. Either way it
    /// is reaped.
    ///
    /// ```
    /// # use brigade_runtime::command::Command;
    /// # brigade_runtime::run(async {
    /// assert!(!Command::new("false").status().await?.success());
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub async fn status(&mut self) -> io::Result<ExitStatus> {
        self.spawn()?.wait().await
    }

    /// Starts the child, collects its output and error output, and waits for its end.
    ///
    /// # Errors
    ///
    /// Those of [`spawn`](Self::spawn) and [`Child::wait_with_output`].
    ///
    /// # Panics
    ///
    /// Panics outside of a runtime.
    ///
    /// # Cancellation
    ///
    /// The child keeps running and nobody reads its output, or it is killed if
    /// [`kill_on_drop`](Self::kill_on_drop) is set. Either way it is reaped.
    ///
    /// ```
    /// # use brigade_runtime::command::Command;
    /// # brigade_runtime::run(async {
    /// let output = Command::new("sh").args(["-c", "echo soup; echo burnt >&2"]).output().await?;
    /// assert_eq!((&output.stdout[..], &output.stderr[..]), (&b"soup\n"[..], &b"burnt\n"[..]));
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
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

/// Takes over the settings. Whether the three streams were set is not known, so they count as not set.
impl From<process::Command> for Command {
    fn from(inner: process::Command) -> Self {
        Self { inner, kill_on_drop: false, stdio_set: [false; 3] }
    }
}
