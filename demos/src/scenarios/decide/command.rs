//! `brigade decide -- CMD`: runs a command once, measures how it spends its time, and says which of the four
//! modes fits.

use super::keeper::{Report, Running};
use crate::{
    interrupt::{self, Interruptible},
    remedy::remedy,
    scenario::{CommandError, Exit},
    show::{Output, thousands},
};
use brigade_process::usage::Waits;
use serde_json::json;
use std::{
    io::{self, ErrorKind},
    os::unix::process::ExitStatusExt,
    process::ExitStatus,
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
    let (running, reports) = Running::start(output, words).map_err(|error| cannot_run(&words[0], &error))?;
    // If a signal ends this program meanwhile, it ends the command too.
    let running = Interruptible::new(running);
    let report = Report::read(reports);
    interrupt::park_if_exiting();
    drop(running.take());
    let (status, usage) = match report.map_err(|error| cannot_run(&words[0], &error))? {
        Report::Ended { status, wall, cpu, times, blocks_read, blocks_written } => (
            ExitStatus::from_raw(status),
            Usage { wall, cpu, waits: Waits { times, blocks_read, blocks_written } },
        ),
        Report::NotRun { error } => return Err(cannot_run(&words[0], &io::Error::from_raw_os_error(error))),
    };
    let waits = usage.waits;
    let (fits, why) = usage.verdict(available_parallelism().map_or(1, usize::from));
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    output.record("command", &json!({ "wall": usage.wall, "cpu": usage.cpu, "waits": waits.times,
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

/// Explains why a command cannot run, with the exit code that a shell uses.
fn cannot_run(name: &str, error: &io::Error) -> CommandError {
    let (exit, why) = match error.kind() {
        ErrorKind::NotFound => {
            (127, "there is no such command (for shell syntax run a shell: sh -c '…')".to_owned())
        }
        ErrorKind::PermissionDenied => {
            (126, "it is not a program, or not a program that you may run".to_owned())
        }
        _ => {
            let why = error.to_string();
            let remedy = remedy(&why).unwrap_or_default();
            (126, format!("{why}{remedy}"))
        }
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
