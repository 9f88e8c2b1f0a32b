//! The output of a scenario, for a person at a terminal, for a pipe, or as JSON for a program.

use super::text::{Style, wrap};
use crate::{interrupt, remedy::remedy};
use brigade_trace::clock;
use console::Term;
use serde::Serialize;
use serde_json::json;
use std::{
    env, fmt,
    io::{self, IsTerminal, Write},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// The options that every scenario has.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Prints one JSON object a line instead of words.
    pub json: bool,
    /// How many workers to use instead of the scenario's own choice.
    pub workers: Option<usize>,
    /// How many times faster time passes than in the document.
    pub speed: f64,
}

/// The most columns that text takes, however wide the terminal is: longer lines are hard to read.
const WIDTH_COLUMNS_MAX: usize = 100;

/// How many columns text takes in a pipe.
const PIPE_COLUMNS: usize = 80;

/// The exit code that a shell reports for a program that SIGPIPE has ended. Other programs end that way when
/// their pipe is closed.
const BROKEN_PIPE_EXIT_CODE: i32 = 141;

/// The exit code if the output cannot be written for another reason, such as a full disk.
const WRITE_FAILED_EXIT_CODE: i32 = 1;

/// How long to wait before a write is tried again that would have blocked.
const RETRY_INTERVAL: Duration = Duration::from_millis(1);

/// The output of one scenario. Clones print to the same place, from any thread, a whole line at a time.
#[derive(Debug, Clone)]
pub struct Output(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    scenario: &'static str,
    settings: Settings,
    colour: bool,
    live: bool,
    width: usize,
    start: Instant,
    // --- under the lock: whole lines, in order ---
    out: Mutex<io::Stdout>,
}

impl Output {
    /// Opens the output of a scenario on standard output. Its clock starts at zero.
    pub fn new(scenario: &'static str, settings: Settings) -> Self {
        let terminal = Term::stdout();
        let is_terminal = io::stdout().is_terminal();
        let width =
            if is_terminal { usize::from(terminal.size().1).min(WIDTH_COLUMNS_MAX) } else { PIPE_COLUMNS };
        Self(Arc::new(Shared {
            scenario,
            settings,
            colour: is_terminal && Self::wants_colour(),
            live: !settings.json && is_terminal && io::stderr().is_terminal() && !is_dumb(),
            // In fewer columns no table can be shown well.
            width: width.max(40),
            start: clock::now(),
            out: Mutex::new(io::stdout()),
        }))
    }

    /// Whether the environment allows colours on a terminal.
    pub fn wants_colour() -> bool {
        !is_dumb() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
    }

    /// Opens the output of another scenario with the same settings.
    pub fn for_scenario(&self, scenario: &'static str) -> Self {
        Self::new(scenario, self.0.settings)
    }

    /// The name of the scenario.
    pub fn scenario(&self) -> &'static str {
        self.0.scenario
    }

    /// The settings from the command line.
    pub fn settings(&self) -> Settings {
        self.0.settings
    }

    /// Whether a program reads the output, and not a person.
    pub fn is_json(&self) -> bool {
        self.0.settings.json
    }

    /// Whether a person looks at a terminal, so that drawings may change while things happen.
    pub fn is_live(&self) -> bool {
        self.0.live
    }

    /// How many characters a line has.
    pub fn width(&self) -> usize {
        self.0.width
    }

    /// Scales a delay of the document by the speed that the command line asks for.
    pub fn delay(&self, seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds / self.0.settings.speed)
    }

    /// Puts the text in this style, if the terminal has colours.
    pub fn paint(&self, style: Style, text: impl AsRef<str>) -> String {
        if self.0.colour { style.paint(text.as_ref()) } else { text.as_ref().to_owned() }
    }

    /// Prints a line for people.
    pub fn line(&self, text: impl fmt::Display) {
        if !self.is_json() {
            self.write(format_args!("{text}"));
        }
    }

    /// Prints a heading for people, with an empty line above it.
    pub fn heading(&self, text: &str) {
        self.line("");
        self.paragraph_in(Style::Strong, "", text);
    }

    /// Prints a text for people, broken into lines.
    pub fn paragraph(&self, text: &str) {
        self.paragraph_in(Style::Plain, "", text);
    }

    /// Prints a text for people to the right of a label.
    pub fn labelled(&self, style: Style, label: &str, text: &str) {
        self.paragraph_in(style, label, text);
    }

    fn paragraph_in(&self, style: Style, label: &str, text: &str) {
        let indent = label.chars().count();
        for (number, line) in wrap(text, self.width().saturating_sub(indent)).into_iter().enumerate() {
            match (indent, number) {
                (0, _) => self.line(self.paint(style, line)),
                (_, 0) => self.line(format_args!("{}{line}", self.paint(style, label))),
                _ => self.line(format_args!("{:indent$}{line}", "")),
            }
        }
    }

    /// Reports that something happens to `who` now: as a line with the time for people, as an object for
    /// programs.
    pub fn event(&self, who: &str, what: impl fmt::Display) {
        let at = self.0.start.elapsed().as_secs_f64();
        if self.is_json() {
            let at = (at * 1e6).round() / 1e6;
            self.record(
                &json!({ "scenario": self.0.scenario, "at": at, "who": who, "event": what.to_string() }),
            );
        } else {
            self.write(format_args!(
                "{} {} {what}",
                self.paint(Style::Faint, format!("{at:7.3} s")),
                pad(who)
            ));
        }
    }

    /// Prints the lesson at the end: what there was to see, and why.
    pub fn lesson(&self, lesson: &str) {
        self.record(&json!({ "scenario": self.0.scenario, "seen": lesson }));
        self.line("");
        self.paragraph(lesson);
    }

    /// Prints an object for programs, on a line.
    pub fn record(&self, object: &impl Serialize) {
        if self.is_json() {
            let text =
                serde_json::to_string(object).expect("what scenarios say has text keys and finite numbers");
            self.write(format_args!("{text}"));
        }
    }

    fn write(&self, line: fmt::Arguments<'_>) {
        interrupt::park_if_exiting();
        let mut out = self.0.out.lock().unwrap_or_else(PoisonError::into_inner);
        // Each line is one call, so that lines of other processes fall between our lines and not into them.
        let written = write_patiently(&mut *out, format!("{line}\n").as_bytes());
        // Other threads may want to print meanwhile.
        drop(out);
        exit_unless_written(written);
    }
}

/// Whether the terminal understands no escape sequences.
fn is_dumb() -> bool {
    env::var_os("TERM").is_some_and(|value| value == "dumb")
}

/// Prints a text as it is.
pub(crate) fn print_page(page: &str) {
    exit_unless_written(write_patiently(&mut io::stdout(), page.as_bytes()));
}

/// Exits if the standard output cannot be written, and says why. A pipe that is closed needs no words.
fn exit_unless_written(written: io::Result<()>) {
    let Err(error) = written else { return };
    if error.kind() == io::ErrorKind::BrokenPipe {
        interrupt::exit(BROKEN_PIPE_EXIT_CODE);
    }
    let message = error.to_string();
    let remedy = remedy(&message).unwrap_or_default();
    // Standard error may be gone as well.
    let _ = writeln!(io::stderr(), "brigade: cannot write to the standard output: {message}{remedy}");
    interrupt::exit(WRITE_FAILED_EXIT_CODE);
}

/// Writes and flushes all of `bytes`. The stream may be non-blocking, since others share it: then it is tried
/// again, where `write_all` would give up.
fn write_patiently(out: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
    loop {
        let step = if bytes.is_empty() { out.flush().map(|()| None) } else { out.write(bytes).map(Some) };
        match step {
            Ok(None) => return Ok(()),
            Ok(Some(0)) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(Some(written)) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(RETRY_INTERVAL),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn pad(who: &str) -> String {
    format!("{who:<11}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes one byte at a time, and every other time nothing yet.
    #[derive(Default)]
    struct Slow {
        taken: Vec<u8>,
        calls: u32,
    }

    impl Slow {
        fn refuses(&mut self) -> io::Result<()> {
            self.calls += 1;
            if self.calls % 2 == 1 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        }
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.refuses()?;
            self.taken.extend_from_slice(&bytes[..1]);
            Ok(1)
        }

        fn flush(&mut self) -> io::Result<()> {
            self.refuses()
        }
    }

    #[test]
    fn a_stream_that_does_not_block_is_given_everything() {
        let mut slow = Slow::default();
        write_patiently(&mut slow, b"the soup is ready").unwrap();
        assert_eq!(slow.taken, b"the soup is ready");
    }
}
