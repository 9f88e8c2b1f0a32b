//! Benches of the trace: an event, and three benches of the executors with the trace's calls and without.
//!
//! The work is done by `trace-cost`, which cargo builds for both sides before the first bench: with the calls
//! and, by the feature `compiled-out`, without. Each side is a process, which stays until its side is
//! dropped.

use super::pool::join::FIB_30_JOINS;
use crate::bench::{Bench, Measure, Side, Sides, Skip, limit_of, sides};
use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
    sync::OnceLock,
    time::Duration,
};

/// How many operations an iteration of each work is.
const EVENTS: u64 = 10_000;
const SPAWNS: u64 = 10_000;
const PAIRS: u64 = 1000;
/// One of the two builds of the work.
#[derive(Clone, Copy)]
enum Build {
    /// With the trace's calls.
    Traced,
    /// Without them.
    CompiledOut,
}

/// Whether the work records.
#[derive(Clone, Copy)]
enum Mode {
    Off,
    On,
}

pub(crate) fn benches() -> Vec<Bench> {
    let mut benches = vec![
        event("event_off", Mode::Off, Duration::from_micros(5)).goal(1.0),
        event("event_on", Mode::On, Duration::from_micros(200)).goal(1.0),
    ];
    for (names, work, ops) in [
        (["spawn_join_ct_off", "spawn_join_ct_on"], "spawn_join_ct", SPAWNS),
        (["ping_pong_ct_off", "ping_pong_ct_on"], "ping_pong_ct", PAIRS),
        (["fib30_join_off", "fib30_join_on"], "fib30_join", FIB_30_JOINS),
    ] {
        let off = against(
            names[0],
            "compiled out",
            work,
            ops,
            [(Build::Traced, Mode::Off), (Build::CompiledOut, Mode::Off)],
        );
        benches.push(off.goal(1.02));
        let on = against(names[1], "off", work, ops, [(Build::Traced, Mode::On), (Build::Traced, Mode::Off)]);
        benches.push(if work == "ping_pong_ct" { on.goal(1.1) } else { on });
    }
    benches
}

/// An event, held against a limit for [`EVENTS`] of them.
fn event(name: &'static str, mode: Mode, all: Duration) -> Bench {
    Bench::needing(built, name, "limit", move || {
        Ok(sides(start(Build::Traced, "event", mode, EVENTS)?, limit_of(EVENTS, all)))
    })
}

/// The same work in two processes.
fn against(
    name: &'static str,
    peer: &'static str,
    work: &'static str,
    ops: u64,
    [ours, theirs]: [(Build, Mode); 2],
) -> Bench {
    Bench::needing(built, name, peer, move || {
        Ok(Sides { ours: start(ours.0, work, ours.1, ops)?, peer: start(theirs.0, work, theirs.1, ops)? })
    })
}

/// The folder in which cargo has put this program, and puts those of the work.
fn folder() -> Option<PathBuf> {
    let mut folder = env::current_exe().ok()?;
    folder.pop();
    if folder.ends_with("deps") {
        folder.pop();
    }
    Some(folder)
}

/// Builds both programs, if that has not happened yet.
fn built() -> Result<(), Skip> {
    static BUILT: OnceLock<Result<(), Skip>> = OnceLock::new();
    BUILT.get_or_init(build).clone()
}

fn build() -> Result<(), Skip> {
    let target = folder().and_then(|folder| Some(folder.parent()?.to_owned()));
    let target = target.ok_or("the folder of this program is not known")?;
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    for options in [&["trace-cost"][..], &["trace-cost-compiled-out", "--features", "compiled-out"]] {
        let mut command = Command::new(&cargo);
        command
            .args(["build", "--release", "--locked", "-p", "brigade-trace-cost", "--target-dir"])
            .arg(&target);
        command.arg("--bin").args(options).current_dir(env!("CARGO_MANIFEST_DIR"));
        match command.status() {
            Ok(status) if status.success() => {}
            Ok(status) => return Err(format!("cargo could not build {}: {status}", options[0])),
            Err(error) => {
                return Err(format!("{} is needed to build {}: {error}", cargo.display(), options[0]));
            }
        }
    }
    Ok(())
}

/// A process that does the work.
struct Worker {
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Worker {
    /// Does so many iterations, and returns the time that they took.
    fn time(&mut self, iterations: u64) -> Duration {
        let input = self.child.stdin.as_mut().expect("it is a pipe");
        writeln!(input, "{iterations}").expect("the worker reads");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the worker answers");
        Duration::from_nanos(line.trim().parse().expect("the worker answers with a time, or says why not"))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // The end of its input ends the worker.
        drop(self.child.stdin.take());
        _ = self.child.wait();
    }
}

/// Starts a process that does this work.
fn start(build: Build, work: &str, mode: Mode, ops: u64) -> Result<Side, Skip> {
    let name = match build {
        Build::Traced => "trace-cost",
        Build::CompiledOut => "trace-cost-compiled-out",
    };
    let mode = match mode {
        Mode::Off => "off",
        Mode::On => "on",
    };
    let program = folder().ok_or("the folder of this program is not known")?.join(name);
    let mut command = Command::new(program);
    command.args([work, mode]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("{name} does not start: {error}"))?;
    let answers = BufReader::new(child.stdout.take().expect("it is a pipe"));
    let mut worker = Worker { child, answers };
    Ok(Box::new(move |iterations| {
        let wall = worker.time(iterations);
        // The work runs in another process, so its CPU time is not ours to read.
        Measure { ops: ops * iterations, wall, ..Measure::default() }
    }))
}
