//! The same work in Python, for `--compare-python`: the machine's `python3` runs the programs in
//! `demos/python`.
//!
//! Each mode has an interpreter of its own, so that the interpreter's CPU time and memory are those of the
//! mode. It gets its job as a line of JSON on standard input, and answers with lines of JSON on standard
//! output (`harness.py` describes them). Standard input stays open as a *lifeline*: when it is closed,
//! because Ctrl-C or an error ends the comparison, or because this process was killed, the interpreter and
//! the processes that it has forked end by themselves.

use super::mode::{Completed, Outcome, PythonRun, Workers};
use crate::{interrupt::Interruptible, show::Progress};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    fs::File,
    io::{self, BufRead, BufReader, Write},
    os::{fd::AsFd, unix::process::CommandExt},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

const PYTHON: &str = "python3";

/// The pause between two checks whether an interpreter has ended after its lifeline was cut.
const EXIT_POLL_INTERVAL: Duration = Duration::from_millis(5);

/// How many such checks there are before the interpreter is killed.
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

/// Asks the Python of this machine for its version.
///
/// # Errors
///
/// Fails if there is no `python3`, or if it does not work.
pub fn version() -> io::Result<String> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("cannot run {PYTHON}: {error}"));
    let output = Command::new(PYTHON).arg("--version").stdin(Stdio::null()).output().map_err(named)?;
    if !output.status.success() {
        return Err(io::Error::other(format!("{PYTHON} --version ended with {}", output.status)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Lets `program` do `job`. `outcome` reads each of its results.
///
/// # Errors
///
/// Fails if Python cannot be started, or if it ends without an answer. The error then holds the last line
/// that it printed.
pub fn run(
    program: &str,
    job: &impl Serialize,
    progress: &Progress,
    outcome: impl Fn(Value) -> Outcome,
) -> io::Result<Completed> {
    let (reader, writer) = io::pipe()?;
    let mut command = Command::new(PYTHON);
    command.args(["-B", "-c", program]).stdin(Stdio::piped());
    // The interpreter has a process group of its own, so that Ctrl-C in the terminal goes to us alone and
    // causes no traceback.
    command.stdout(writer.try_clone()?).stderr(writer).process_group(0);
    let child = command.spawn()?;
    // The command holds our copies of the pipe's other end, and the pipe ends only when the last copy is
    // closed.
    drop(command);
    let mut line = serde_json::to_vec(job)?;
    line.push(b'\n');
    let stdin = child.stdin.as_ref().map(|stdin| stdin.as_fd().try_clone_to_owned()).transpose();
    let interpreter = Interruptible::new(Interpreter(child));
    if let Some(stdin) = stdin? {
        // An error is ignored: Python may have ended already. It has printed why, and that is read below.
        let _ = File::from(stdin).write_all(&line);
    }
    let (end, last_words) = listen(BufReader::new(reader), progress)?;
    let status = interpreter.take().wait()?;
    match end {
        Some(end) if status.success() => Ok(end.completed(outcome)),
        _ if last_words.is_empty() => Err(io::Error::other(format!("{PYTHON} ended with {status}"))),
        _ => Err(io::Error::other(format!("{PYTHON} ended with {status}: {last_words}"))),
    }
}

/// Reads what the program prints, to its end. Returns its answer, if it gave one, and the last line that was
/// no message.
fn listen(reader: impl BufRead, progress: &Progress) -> io::Result<(Option<Summary>, String)> {
    let (mut end, mut last_words) = (None, String::new());
    for line in reader.split(b'\n') {
        let line = line?;
        match serde_json::from_slice(&line) {
            Ok(Message::Ready(())) => progress.workers_ready(),
            Ok(Message::Tick(())) => progress.tick(()),
            Ok(Message::Done(())) => progress.work_done(),
            Ok(Message::End(said)) => end = Some(said),
            Err(_) => last_words = String::from_utf8_lossy(line.trim_ascii()).into_owned(),
        }
    }
    Ok((end, last_words))
}

impl Summary {
    fn completed(self, outcome: impl Fn(Value) -> Outcome) -> Completed {
        let workers = match self.kind {
            WorkerKind::Threads => Workers::Threads(self.workers),
            WorkerKind::Children => Workers::Children { count: self.workers, peak_bytes: self.child_peak },
        };
        let run = PythonRun { library: self.library, peak_bytes: self.peak, gil: self.gil };
        Completed { workers, outcomes: self.results.into_iter().map(outcome).collect(), python: Some(run) }
    }
}

/// A running interpreter. Dropping it cuts the lifeline and reaps the interpreter.
#[derive(Debug)]
struct Interpreter(Child);

impl Interpreter {
    fn wait(mut self) -> io::Result<ExitStatus> {
        self.0.wait()
    }
}

impl Drop for Interpreter {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        for _ in 0..EXIT_POLLS_MAX {
            if !matches!(self.0.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(EXIT_POLL_INTERVAL);
        }
        // It hangs somewhere where it does not notice the end of its input.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
