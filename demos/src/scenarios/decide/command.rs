//! `brigade decide -- CMD`: runs a command once, measures how it spends its time, and says which of the four
//! modes fits.

use crate::{
    interrupt::Interruptible,
    scenario::{CommandError, Exit},
    show::{Output, thousands},
};
use brigade_process::usage::{self as kernel, Waits};
use brigade_trace::clock;
use serde_json::json;
use signal_hook::{consts::SIGCHLD, iterator::Signals};
use std::{
    io::{self, ErrorKind},
    os::{fd::AsFd, unix::process::ExitStatusExt},
    process::{Child, Command, ExitStatus},
    thread::available_parallelism,
};

/// A command that takes less than this many seconds is over before workers would have started.
const SHORT_COMMAND_SECONDS: f64 = 0.02;

/// How many blocks of 512 bytes a slow disk reads in a second, page by page: 256 KiB.
const SLOW_DISK_BLOCKS_PER_SECOND: f64 = 512.0;

/// How a command usage its time.
#[derive(Debug, Clone, Copy)]
struct Usage {
    /// The seconds that passed.
    wall: f64,
    /// The seconds on the CPU, of all cores together.
    cpu: f64,
    waits: Waits,
}

/// Runs the command and judges it. Returns the exit code of the command, as a shell would report it.
pub(super) fn judge(output: &Output, words: &[String]) -> Result<Exit, CommandError> {
    let before = (kernel::reaped_children().cpu, kernel::waits_of_reaped_children());
    let (status, wall) = clock::timed(|| run(output, words));
    let status = status.map_err(|error| cannot_run(&words[0], &error))?;
    let cpu = kernel::reaped_children().cpu.saturating_sub(before.0);
    let waits = kernel::waits_of_reaped_children();
    let waits = Waits {
        times: waits.times - before.1.times,
        blocks_read: waits.blocks_read - before.1.blocks_read,
        blocks_written: waits.blocks_written - before.1.blocks_written,
    };
    let usage = Usage { wall: wall.as_secs_f64(), cpu: cpu.as_secs_f64(), waits };
    let (fits, why) = usage.verdict(available_parallelism().map_or(1, usize::from));
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    output.record(&json!({ "scenario": "decide", "wall": usage.wall, "cpu": usage.cpu, "waits": waits.times,
        "blocks_read": waits.blocks_read, "blocks_written": waits.blocks_written, "code": code, "fits": fits, "why": why }));
    output.line("");
    output.line(format_args!("  {:9.3} s passed", usage.wall));
    output.line(format_args!("  {:9.3} s on the CPU, {:.0} % of one core", usage.cpu, usage.share() * 100.0));
    output.line(format_args!("  {:9.3} s of waiting, in {} waits", usage.idle(), thousands(waits.times)));
    // Blocks of 512 bytes.
    let kib = |blocks: u64| thousands(blocks / 2);
    let (read, written) = (kib(waits.blocks_read), kib(waits.blocks_written));
    output.line(format_args!("  {read:>9} KiB read from disk, {written} KiB written"));
    if !status.success() {
        output.line("");
        output.paragraph(&format!(
            "The command failed ({status}), so these numbers show how it spends its time when it fails."
        ));
    }
    output.lesson(&format!("{fits}: {why}."));
    Ok(Exit(u8::try_from(code).unwrap_or(Exit::FAILURE.0)))
}

/// Runs the command to its end. If a signal ends this program first, it ends the command too.
fn run(output: &Output, words: &[String]) -> io::Result<ExitStatus> {
    // Registered before the child is there, so that its end is not missed.
    let mut ended = Signals::new([SIGCHLD])?;
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    if output.is_json() {
        // Standard output carries nothing but JSON.
        command.stdout(io::stderr().as_fd().try_clone_to_owned()?);
    }
    let running = Interruptible::new(Running(command.spawn()?));
    loop {
        if let Some(status) = running.with_mut(|running| running.0.try_wait())? {
            return Ok(status);
        }
        ended.wait().for_each(drop);
    }
}

/// A command that may still run. Dropping it kills and reaps the command.
#[derive(Debug)]
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both do nothing to a child that has been reaped.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Explains why a command cannot run, with the exit code that a shell uses.
fn cannot_run(name: &str, error: &io::Error) -> CommandError {
    let (exit, why) = match error.kind() {
        ErrorKind::NotFound => {
            (127, "there is no such command (for shell syntax run a shell: sh -c '…')".to_owned())
        }
        ErrorKind::PermissionDenied => {
            (126, "it is not a program, or not a program that you may run".to_owned())
        }
        _ => (126, error.to_string()),
    };
    CommandError { exit: Exit(exit), message: format!("cannot run {name:?}: {why}") }
}

impl Usage {
    /// How many cores the command kept busy.
    fn share(&self) -> f64 {
        self.cpu / self.wall.max(1e-9)
    }

    /// How many seconds it did nothing at all.
    fn idle(&self) -> f64 {
        (self.wall - self.cpu).max(0.0)
    }

    /// Whether the command waited for a disk: while it was idle, it read at least as fast as a slow disk can.
    fn waits_for_disk(&self) -> bool {
        self.waits.blocks_read as f64 >= SLOW_DISK_BLOCKS_PER_SECOND * self.idle()
            && self.waits.blocks_read > 0
    }

    /// Says which of the four modes fits more work of this kind, and why.
    fn verdict(&self, cores: usize) -> (&'static str, &'static str) {
        let share = self.share();
        if self.wall < SHORT_COMMAND_SECONDS {
            return ("sync", "it is over before workers would have started");
        }
        if share < 0.2 {
            return if self.waits_for_disk() {
                (
                    "threads",
                    "it waits, mostly for a disk; nothing tells a task when a file is ready, so each wait needs a thread",
                )
            } else {
                (
                    "async",
                    "it waits nearly all the time, and not for a disk: many such waits fit on one thread",
                )
            };
        }
        if share < 0.7 {
            return ("threads", "it computes and waits by turns: while one thread waits another can compute");
        }
        if share < 1.2 || share < 0.8 * cores as f64 {
            return (
                "processes",
                "it computes nearly all the time and leaves cores idle: only more cores help (or threads, \
                 where there is no GIL)",
            );
        }
        ("sync", "it keeps all cores busy by itself: two such commands would only share them")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(wall: f64, cpu: f64, times: u64, blocks_read: u64) -> &'static str {
        Usage { wall, cpu, waits: Waits { times, blocks_read, blocks_written: 0 } }.verdict(4).0
    }

    #[test]
    fn each_of_the_four_fits_something() {
        assert_eq!(fits(0.005, 0.004, 1, 0), "sync", "short");
        assert_eq!(fits(1.0, 3.9, 9, 0), "sync", "parallel by itself");
        assert_eq!(fits(1.0, 0.01, 100, 16), "async", "waits for a network or a clock");
        assert_eq!(fits(1.0, 0.1, 100, 25_600), "threads", "waits for a disk");
        assert_eq!(fits(1.0, 0.5, 100, 0), "threads", "both");
        assert_eq!(fits(1.0, 0.99, 5, 0), "processes", "computes");
        assert_eq!(fits(1.0, 2.0, 5, 0), "processes", "on two of four cores");
    }
}
