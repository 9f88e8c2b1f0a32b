//! The keeper: a process between this program and the command that `decide -- CMD` judges. The command and
//! all its descendants end with this program, however it ends.
//!
//! ```text
//!   brigade ─────── socket ─────── keeper ─── command ─── descendants
//!      │   end of the socket: kill all    │
//!      │  ◄── report: status and usage ── │
//! ```
//!
//! The keeper is this program too, started again with a first argument of its own. It adopts the processes
//! that its descendants leave behind, so that it finds them all. Only if the keeper itself is killed do the
//! descendants of the command escape; the command does not.
//!
//! A command that ends by itself may leave processes behind on purpose. They are left alone.

use super::descendants;
use crate::{show::Output, sys};
use brigade_process::usage::{self as kernel, Waits};
use brigade_trace::clock;
use serde::{Deserialize, Serialize};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM},
    flag,
};
use std::{
    env,
    io::{self, Read, Write},
    net::Shutdown,
    os::{
        fd::{AsFd, AsRawFd},
        unix::{net::UnixStream, process::ExitStatusExt},
    },
    process::{self, Child, Command, ExitCode, ExitStatus},
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
    thread,
};

/// The first argument of the keeper. The number of its descriptor and the command follow.
const ARGUMENT: &str = "keep-a-command";

/// The keeper's report on the command.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Report {
    /// The command has ended: its status as the system encodes it, and how it spent its time.
    Ended { status: i32, wall: f64, cpu: f64, times: u64, blocks_read: u64, blocks_written: u64 },
    /// The command could not be started: the number of the system's error.
    NotRun { error: i32 },
}

impl Report {
    /// Waits for the report.
    pub(super) fn read(mut reports: UnixStream) -> io::Result<Self> {
        let mut text = String::new();
        reports.read_to_string(&mut text)?;
        if text.is_empty() {
            return Err(io::Error::other("the process that kept it was killed, and so was the command"));
        }
        Ok(serde_json::from_str(&text)?)
    }
}

/// A keeper and its command. Dropping it kills the command, if it still runs, with all its descendants.
#[derive(Debug)]
pub(super) struct Running {
    keeper: Child,
    leash: UnixStream,
}

impl Running {
    /// Starts a keeper with this command. Returns the end of the socket that [`Report::read`] reads, too.
    pub(super) fn start(output: &Output, words: &[String]) -> io::Result<(Self, UnixStream)> {
        let (leash, theirs) = UnixStream::pair()?;
        let reports = leash.try_clone()?;
        let mut command = Command::new(env::current_exe()?);
        command.arg(ARGUMENT).arg(theirs.as_raw_fd().to_string()).args(words);
        if output.is_json() {
            // Standard output carries nothing but JSON.
            command.stdout(io::stderr().as_fd().try_clone_to_owned()?);
        }
        sys::hand_over(&mut command, theirs.into());
        let keeper = command.spawn()?;
        Ok((Self { keeper, leash }, reports))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The other copy of the socket is shut down as well.
        let _ = self.leash.shutdown(Shutdown::Both);
        let _ = self.keeper.wait();
    }
}

/// Keeps a command, if this process was started as a keeper. Returns None if it was not.
pub(crate) fn keep_a_command() -> Option<ExitCode> {
    let mut arguments = env::args_os().skip(1);
    if arguments.next()? != ARGUMENT {
        return None;
    }
    let number = arguments.next()?.to_str()?.parse().ok()?;
    let mut command = Command::new(arguments.next()?);
    command.args(arguments);
    // The parent sees the end of the socket, and says so.
    Some(keep(number, command).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS))
}

fn keep(number: i32, mut command: Command) -> io::Result<()> {
    let mut parent = UnixStream::from(sys::take_over(number)?);
    // Ctrl-C goes to all processes of the terminal. The keeper must outlive it, to end the others. Caught
    // signals, unlike ignored ones, are as usual in the command.
    for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] {
        flag::register(signal, Arc::new(AtomicBool::new(false)))?;
    }
    sys::adopt_orphans()?;
    sys::end_with_parent(&mut command);
    // Held by whoever ends this process: after the report nothing is killed, and after a kill nothing is
    // reported.
    let ending = Arc::new(Mutex::new(()));
    let (theirs, leash) = (ending.clone(), parent.try_clone()?);
    let watch = move || {
        await_end(leash);
        let _ending = theirs.lock().unwrap_or_else(PoisonError::into_inner);
        descendants::kill_all();
        process::exit(0);
    };
    let report = match thread::Builder::new().name("leash".into()).spawn(watch) {
        Ok(_) => run(command),
        Err(error) => Report::NotRun { error: error.raw_os_error().unwrap_or_default() },
    };
    let _ending = ending.lock().unwrap_or_else(PoisonError::into_inner);
    parent.write_all(&serde_json::to_vec(&report)?)?;
    // The lock is held until this process has ended.
    process::exit(0);
}

/// Waits until the parent has closed its end of the socket. It never writes.
fn await_end(mut leash: UnixStream) {
    while let Err(error) = leash.read(&mut [0]) {
        if error.kind() != io::ErrorKind::Interrupted {
            break;
        }
    }
}

/// Runs the command to its end.
fn run(mut command: Command) -> Report {
    let (status, wall) = clock::timed(|| command.status());
    match status {
        Ok(status) => ended(status, wall.as_secs_f64()),
        Err(error) => Report::NotRun { error: error.raw_os_error().unwrap_or_default() },
    }
}

/// The command is the only child that was waited for, so its usage is that of all such children.
fn ended(status: ExitStatus, wall: f64) -> Report {
    let Waits { times, blocks_read, blocks_written } = kernel::waits_of_reaped_children();
    let cpu = kernel::reaped_children().cpu.as_secs_f64();
    Report::Ended { status: status.into_raw(), wall, cpu, times, blocks_read, blocks_written }
}
