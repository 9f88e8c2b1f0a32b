//! A submission: a runner, called once for each test.
//!
//! The runner is a process of its own. Its output is read up to a bound, so that it never waits for the
//! grader, and the grader never stores without end.

use brigade_course_kit::{Finding, Picture, Test, Verdict};
use std::{
    io::{self, Read},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

/// The bytes of a runner's stdout, and of its stderr, after which it is killed.
const MAX_OUTPUT: u64 = 1 << 20;
/// The last resort. No right runner takes so long: a run has a budget of steps and of processor time.
const LAST_RESORT: Duration = Duration::from_secs(120);

/// A runner, and how it is called.
#[derive(Clone, Debug)]
pub struct Submission {
    program: PathBuf,
    arguments: Vec<String>,
}

/// A message of a thread that reads.
enum Told {
    /// The runner has closed its stdout.
    Verdict(Vec<u8>),
    /// It has printed more than the bound.
    TooMuch,
}

impl Submission {
    /// Makes a submission of a runner. The arguments come before those of the grader.
    #[must_use]
    pub fn new(program: PathBuf, arguments: &[&str]) -> Self {
        Self { program, arguments: arguments.iter().map(ToString::to_string).collect() }
    }

    /// Makes the runs of a test for the case of a seed.
    ///
    /// # Errors
    ///
    /// Returns the operating system's error if the runner cannot be started.
    pub fn run(&self, test: &Test, seed: u64) -> io::Result<Verdict> {
        self.call(&[test.name, "--seed", &seed.to_string()])
    }

    /// Makes one run of a test under a schedule, and returns its lanes.
    ///
    /// # Errors
    ///
    /// Returns an error if the runner cannot be started, or prints no picture.
    pub fn picture(&self, test: &Test, schedule: &str) -> io::Result<Picture> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).args([test.name, "--schedule", schedule, "--picture"]);
        let output = command.stdin(Stdio::null()).output()?;
        serde_json::from_slice(&output.stdout)
            .map_err(|_| io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
    }

    /// Calls the runner with these arguments, the first of which is the name of a test.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn call(&self, arguments: &[&str]) -> io::Result<Verdict> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let verdict = watch(&mut child);
        // It may have ended. Its runs end with it.
        let _ = child.kill();
        child.wait()?;
        Ok(verdict)
    }
}

/// Reads what a runner prints, until it has told its verdict or must be killed.
fn watch(child: &mut Child) -> Verdict {
    let (sender, receiver) = mpsc::channel();
    let errors = child.stderr.take().expect("it was piped");
    let output = child.stdout.take().expect("it was piped");
    let of_errors = sender.clone();
    // The threads end when the runner and its runs have, which the caller sees to.
    thread::spawn(move || {
        if !matches!(read_bounded(errors), Ok(bytes) if bytes.len() as u64 <= MAX_OUTPUT) {
            let _ = of_errors.send(Told::TooMuch);
        }
    });
    thread::spawn(move || {
        let told = match read_bounded(output) {
            Ok(bytes) if bytes.len() as u64 <= MAX_OUTPUT => Told::Verdict(bytes),
            _ => Told::TooMuch,
        };
        let _ = sender.send(told);
    });
    let failed =
        |happened| Verdict::Failed(Box::new(Finding::new("limits", "the run ends by itself", happened)));
    match receiver.recv_timeout(LAST_RESORT) {
        Ok(Told::Verdict(bytes)) => serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| failed("the process of the test has ended without a verdict")),
        Ok(Told::TooMuch) => failed("it prints without end: more than 1 MiB"),
        Err(_) => failed("the test has not ended"),
    }
}

/// Reads to the end, or one byte more than the bound.
fn read_bounded(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(MAX_OUTPUT + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
