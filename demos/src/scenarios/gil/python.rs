//! Two sums in the Pythons of this machine: one after the other, on two threads, and in two interpreters of
//! one process where there are some.

use crate::{
    interrupt::Interruptible,
    show::{Column, Output, Style, Table},
};
use serde::Deserialize;
use serde_json::json;
use std::{
    env,
    io::{self, Read},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

/// The program that each Python runs.
const PROGRAM: &str = include_str!("../../../python/gil.py");

/// The names that a free-threaded Python has, and the usual one.
const FREE_THREADED: [&str; 4] = ["python3.15t", "python3.14t", "python3.13t", "python3t"];
const USUAL: &str = "python3";

/// How many terms each sum has at the document's speed.
const TERMS: f64 = 2e6;
const TERMS_MIN: f64 = 1e4;

/// How long a Python may take.
const LIMIT: Duration = Duration::from_secs(60);

/// How much of its output is read.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// A gain that is more than noise.
const GAIN_MIN: f64 = 1.3;

const COLUMNS: &[Column] = &[
    Column::new("python", 13),
    Column::new("version", 9),
    Column::new("GIL", 4),
    Column::new("one thread", 10),
    Column::new("2 threads", 9),
    Column::new("gain", 7),
    Column::new("2 interpreters", 14),
];

/// The answer of the program.
#[derive(Deserialize)]
struct Answer {
    version: String,
    /// Whether the GIL was on.
    gil: bool,
    one_thread: f64,
    two_threads: f64,
    /// The seconds in two interpreters, if this Python has them.
    two_interpreters: Option<f64>,
}

impl Answer {
    fn gain(&self) -> f64 {
        self.one_thread / self.two_threads
    }
}

/// Measures every Python that there is, and says what is missing.
pub(super) fn measure(output: &Output) {
    let free: Vec<_> = FREE_THREADED.into_iter().filter(|name| is_on_path(name)).collect();
    let usual = [USUAL].into_iter().filter(|name| is_on_path(name));
    let terms = (TERMS / output.settings().speed).max(TERMS_MIN) as u64;
    output.heading("Measured here: two sums");
    let mut table = None;
    let mut answers = Vec::new();
    for name in usual.chain(free) {
        match ask(name, terms) {
            Ok(answer) => {
                row(output, table.get_or_insert_with(|| Table::begin(output, COLUMNS)), name, &answer);
                answers.push(answer);
            }
            Err(why) => {
                output.record("python", &json!({ "python": name, "failure": why }));
                output.paragraph(&format!("{name}: {why}"));
            }
        }
    }
    if answers.is_empty() {
        output.paragraph("No python3 could be measured here.");
    } else {
        output.lesson(&lesson(&answers));
    }
    if answers.iter().all(|answer| answer.gil) {
        output.line("");
        output.paragraph(&format!(
            "There is no free-threaded Python on the PATH, so its gain is not measured here. Looked for {}, and asked \
             python3. If you install one, this measures it.",
            FREE_THREADED.join(", "),
        ));
    }
}

/// Whether a program of this name is in a folder of the PATH.
fn is_on_path(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| Path::new(&folder).join(name).is_file())
}

fn row(output: &Output, table: &Table<'_>, name: &str, answer: &Answer) {
    let Answer { version, gil, one_thread, two_threads, two_interpreters } = answer;
    output.record(
        "python",
        &json!({ "python": name, "version": version, "gil": gil,
        "one_thread": one_thread, "two_threads": two_threads, "gain": answer.gain(),
        "two_interpreters": two_interpreters }),
    );
    let seconds = |seconds: &f64| format!("{seconds:.3} s");
    let interpreters = two_interpreters.as_ref().map_or("–".into(), seconds);
    let gil = if *gil { "on" } else { "off" };
    let gain = format!("{:.2} ×", answer.gain());
    let cells = [
        name.into(),
        version.clone(),
        gil.into(),
        seconds(one_thread),
        seconds(two_threads),
        gain,
        interpreters,
    ];
    table.row(Style::Plain, &cells);
}

fn lesson(answers: &[Answer]) -> String {
    let gain = |gil: bool| answers.iter().find(|answer| answer.gil == gil).map(Answer::gain);
    let with = match gain(true) {
        Some(0.0..0.87) => {
            "With the GIL two threads took longer than one: they took turns, and lost time to hand-overs or to other \
             programs."
        }
        Some(0.87..1.15) => "With the GIL two threads took about as long as one: they took turns.",
        Some(_) => {
            "With the GIL two threads can gain nothing, so this gain came from elsewhere: other programs slowed the single \
             thread down."
        }
        None => "",
    };
    let without = match gain(false) {
        Some(GAIN_MIN..) => "Without it they computed at the same time.",
        Some(_) => {
            "Without it they could compute at the same time, but they had hardly more than one core to themselves."
        }
        None => "",
    };
    [with, without].join(" ").trim().to_owned()
}

/// Lets a Python compute both sums.
fn ask(name: &str, terms: u64) -> Result<Answer, String> {
    let mut command = Command::new(name);
    command.args(["-I", "-c", PROGRAM, &terms.to_string()]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("cannot run it: {error}"))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let owner = Interruptible::new(Running(child));
    let (done, read) = mpsc::channel();
    let reader = move || {
        let words = text(stdout);
        let _ = done.send((words, text(stderr)));
    };
    thread::Builder::new().name("python".into()).spawn(reader).map_err(|error| error.to_string())?;
    let answer = read.recv_timeout(LIMIT);
    drop(owner);
    let (words, errors) =
        answer.map_err(|_| format!("no answer within {} s, so it was ended", LIMIT.as_secs()))?;
    let last = errors.lines().last().unwrap_or("it ended without an answer").to_owned();
    serde_json::from_str(&words).map_err(|_| last)
}

fn text(source: Option<impl Read>) -> String {
    let mut bytes = Vec::new();
    // A part of an answer is no answer, and is told as such.
    let _: io::Result<_> =
        source.map_or(Ok(0), |source| source.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A Python that runs. Dropping it ends and reaps it.
#[derive(Debug)]
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(gil: bool, two_threads: f64) -> Answer {
        Answer { version: "3.14.0".into(), gil, one_thread: 1.0, two_threads, two_interpreters: None }
    }

    #[test]
    fn the_lesson_says_what_was_measured() {
        assert!(lesson(&[answer(true, 1.0)]).ends_with("they took turns."));
        assert!(lesson(&[answer(true, 0.8)]).contains("came from elsewhere"));
        assert!(lesson(&[answer(true, 1.3)]).contains("took longer"));
        let both = lesson(&[answer(true, 1.0), answer(false, 0.5)]);
        assert!(both.contains("took turns") && both.ends_with("at the same time."), "{both}");
        assert!(lesson(&[answer(false, 1.0)]).starts_with("Without it"));
    }
}
