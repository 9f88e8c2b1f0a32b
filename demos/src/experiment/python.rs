//! The same work in Python, for `--compare-python`: the machine's `python3` runs the programs in
//! `demos/python`.
//!
//! Each mode has an interpreter of its own, so that the interpreter's CPU time and memory are those of the
//! mode. It gets its job as a line of JSON on standard input, and answers with lines of JSON on standard
//! output (`harness.py` describes them). Standard input stays open as a *lifeline*: when it is closed,
//! because Ctrl-C or an error ends the comparison, or because this process was killed, the interpreter and
//! the processes that it has forked end by themselves.

use super::mode::{Completed, Outcome, PythonRun, Workers};
use crate::{interrupt::Interruptible, show::Progress, sys};
use brigade_trace::clock;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    fs::File,
    io::{self, BufRead, BufReader, Write},
    os::{fd::AsFd, unix::process::CommandExt},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

const PYTHON: &str = "python3";

/// The pause between two checks whether an interpreter has ended.
const EXIT_POLL_INTERVAL: Duration = Duration::from_millis(5);

/// How many such checks there are after the lifeline was cut, before the interpreter is killed.
const EXIT_POLLS_MAX: u32 = 200;

/// A line that the program prints.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Message {
    Ready(()),
    Tick(()),
    Done(()),
    End(Summary),
}

/// The content of the last line.
#[derive(Deserialize)]
struct Summary {
    results: Vec<Value>,
    kind: WorkerKind,
    workers: usize,
    child_peak: u64,
    /// In seconds, like `cpu`.
    child_cpu: f64,
    cpu: f64,
    library: String,
    peak: u64,
    gil: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum WorkerKind {
    Threads,
    Children,
}

/// How long Python may take to tell its version at most.
const VERSION_LIMIT: Duration = Duration::from_secs(10);

/// Parses a number of seconds that Python may take.
pub(crate) fn limit_seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.001..=86_400.0).contains(&seconds) => Ok(seconds),
        _ => Err("not a number of seconds from 0.001 to 86400".into()),
    }
}

/// Asks the Python of this machine for its version.
///
/// # Errors
///
/// Fails if there is no `python3`, if it does not work, or (with [`io::ErrorKind::TimedOut`]) if it does not
/// answer within `limit`.
pub fn version(limit: Duration) -> io::Result<String> {
    let run = Run::start(&["--version"])?;
    let mut version = String::new();
    let until = Deadline::after(limit.min(VERSION_LIMIT));
    while let Some(line) = run.next_line(&until)? {
        version = line;
    }
    let status = run.end(&until)?;
    if !status.success() {
        return Err(io::Error::other(format!("{PYTHON} --version ended with {status}")));
    }
    Ok(version)
}

/// Lets `program` do `job`. `outcome` reads each of its results.
///
/// # Errors
///
/// Fails if Python cannot be started, if it does not answer within `limit` ([`io::ErrorKind::TimedOut`]), or
/// if it ends without an answer. The error then holds the last line that it printed.
pub fn run(
    program: &str,
    job: &impl Serialize,
    limit: Duration,
    progress: &Progress,
    outcome: impl Fn(Value) -> Outcome,
) -> io::Result<Completed> {
    let mut line = serde_json::to_vec(job)?;
    line.push(b'\n');
    let run = Run::start(&["-B", "-c", program])?;
    run.tell(line)?;
    let until = Deadline::after(limit);
    let (end, last_words) = listen(&run, &until, progress)?;
    let status = run.end(&until)?;
    match end {
        Some(end) if status.success() => Ok(end.completed(outcome)),
        _ if last_words.is_empty() => Err(io::Error::other(format!("{PYTHON} ended with {status}"))),
        _ => Err(io::Error::other(format!("{PYTHON} ended with {status}: {last_words}"))),
    }
}

/// Reads what the program prints, to its end. Returns its answer, if it gave one, and the last line that was
/// no message.
fn listen(run: &Run, until: &Deadline, progress: &Progress) -> io::Result<(Option<Summary>, String)> {
    let (mut end, mut last_words) = (None, String::new());
    while let Some(line) = run.next_line(until)? {
        match serde_json::from_str(&line) {
            Ok(Message::Ready(())) => progress.workers_ready(),
            Ok(Message::Tick(())) => progress.tick(()),
            Ok(Message::Done(())) => progress.work_done(),
            Ok(Message::End(said)) => end = Some(said),
            Err(_) => last_words = line.trim().to_owned(),
        }
    }
    Ok((end, last_words))
}

/// A time limit, and when it is over.
#[derive(Debug)]
struct Deadline {
    limit: Duration,
    start: Instant,
}

impl Deadline {
    fn after(limit: Duration) -> Self {
        Self { limit, start: clock::now() }
    }

    fn left(&self) -> Duration {
        self.limit.saturating_sub(self.start.elapsed())
    }

    fn elapsed(&self) -> io::Error {
        let seconds = self.limit.as_secs_f64();
        let why = format!("{PYTHON} did not end within {seconds} s (--python-limit S allows more)");
        io::Error::new(io::ErrorKind::TimedOut, why)
    }
}

/// An interpreter that runs, and the lines that it prints.
#[derive(Debug)]
struct Run {
    interpreter: Interruptible<Interpreter>,
    lines: Receiver<io::Result<String>>,
}

impl Run {
    fn start(arguments: &[&str]) -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        let mut command = Command::new(PYTHON);
        command.args(arguments).stdin(Stdio::piped()).stdout(writer.try_clone()?).stderr(writer);
        // The interpreter has a process group of its own, so that Ctrl-C in the terminal goes to us alone
        // and causes no traceback.
        command.process_group(0);
        sys::end_with_parent(&mut command);
        let named = |error: io::Error| io::Error::new(error.kind(), format!("cannot run {PYTHON}: {error}"));
        let interpreter = Interruptible::new(Interpreter(command.spawn().map_err(named)?));
        // The command holds our copies of the pipe's other end, and the pipe ends only when the last copy is
        // closed.
        drop(command);
        let (report, lines) = mpsc::channel();
        // A read has no time limit, so a thread reads. It ends with the pipe, which ends with the
        // interpreter.
        let body = move || {
            for line in BufReader::new(reader).split(b'\n') {
                let line = line.map(|line| String::from_utf8_lossy(&line).into_owned());
                if report.send(line).is_err() {
                    break;
                }
            }
        };
        thread::Builder::new().name("python".into()).spawn(body)?;
        Ok(Self { interpreter, lines })
    }

    /// Writes a line to the interpreter's standard input, which stays open.
    fn tell(&self, line: Vec<u8>) -> io::Result<()> {
        let stdin = self.interpreter.with_mut(|interpreter| {
            interpreter.0.stdin.as_ref().map(|stdin| stdin.as_fd().try_clone_to_owned()).transpose()
        })?;
        let Some(stdin) = stdin else { return Ok(()) };
        let body = move || {
            // An error is ignored: Python may have ended already. It has printed why, and that is read.
            let _ = File::from(stdin).write_all(&line);
        };
        // A long line waits until the interpreter reads, and a thread waits with it: this one keeps the
        // limit.
        thread::Builder::new().name("python".into()).spawn(body)?;
        Ok(())
    }

    /// The next line that the interpreter prints, or None if it prints no more.
    fn next_line(&self, until: &Deadline) -> io::Result<Option<String>> {
        match self.lines.recv_timeout(until.left()) {
            Ok(line) => line.map(Some),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => Err(until.elapsed()),
        }
    }

    /// Waits for the interpreter, which has closed its output.
    fn end(self, until: &Deadline) -> io::Result<ExitStatus> {
        loop {
            if let Some(status) = self.interpreter.with_mut(|interpreter| interpreter.0.try_wait())? {
                return Ok(status);
            }
            if until.left().is_zero() {
                return Err(until.elapsed());
            }
            thread::sleep(EXIT_POLL_INTERVAL);
        }
    }
}

impl Summary {
    fn completed(self, outcome: impl Fn(Value) -> Outcome) -> Completed {
        let workers = match self.kind {
            WorkerKind::Threads => Workers::Threads(self.workers),
            WorkerKind::Children => {
                let cpu = seconds(self.child_cpu);
                Workers::Children { count: self.workers, peak_bytes: self.child_peak, cpu }
            }
        };
        let cpu = seconds(self.cpu);
        let run = PythonRun { library: self.library, peak_bytes: self.peak, cpu, gil: self.gil };
        Completed { workers, outcomes: self.results.into_iter().map(outcome).collect(), python: Some(run) }
    }
}

/// Reads a number of seconds that Python sent, which may be a little below zero.
fn seconds(number: f64) -> Duration {
    Duration::try_from_secs_f64(number).unwrap_or_default()
}

/// A running interpreter. Dropping it cuts the lifeline and reaps the interpreter.
#[derive(Debug)]
struct Interpreter(Child);

impl Drop for Interpreter {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        for _ in 0..EXIT_POLLS_MAX {
            if !matches!(self.0.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(EXIT_POLL_INTERVAL);
        }
        // It hangs somewhere where it does not notice the end of its input. It is not reaped yet, so the
        // group is still its own.
        sys::kill_group(self.0.id());
        let _ = self.0.wait();
    }
}
