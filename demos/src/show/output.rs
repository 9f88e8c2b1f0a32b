//! The output of a scenario, for a person at a terminal, for a pipe, or as JSON for a program.

use super::{
    held,
    text::{Style, columns, fold, wrap},
};
use crate::{interrupt, remedy::remedy, sys};
use brigade_trace::clock;
use console::Term;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    env, fmt,
    io::{self, IsTerminal, Write},
    os::fd::AsFd,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The options that every scenario has.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
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

/// How many columns text takes in a pipe, and on a terminal that does not tell its size.
const PIPE_COLUMNS: usize = 80;

/// The fewest columns that text takes. A narrower terminal breaks the lines.
const COLUMNS_MIN: usize = 20;

/// The fewest columns to the right of a label that are enough for its text. With fewer the text stands below
/// the label.
const TEXT_COLUMNS_MIN: usize = 16;

/// The exit code that a shell reports for a program that SIGPIPE has ended. Other programs end that way when
/// their pipe is closed.
const BROKEN_PIPE_EXIT_CODE: i32 = 141;

/// The exit code if the output cannot be written for another reason, such as a full disk.
const WRITE_FAILED_EXIT_CODE: i32 = 1;

/// The output of one scenario. Clones print to the same place, from any thread, a whole line at a time.
#[derive(Debug, Clone)]
pub struct Output(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    scenario: &'static str,
    settings: Settings,
    colour: bool,
    live: bool,
    is_terminal: bool,
    start: Instant,
    // --- under the lock: whole lines, in order ---
    out: Mutex<io::Stdout>,
}

impl Output {
    /// Opens the output of a scenario on standard output. Its clock starts at zero.
    pub fn new(scenario: &'static str, settings: Settings) -> Self {
        Self::begun(scenario, settings, clock::now())
    }

    /// Opens the output of a scenario whose clock started at this time.
    fn begun(scenario: &'static str, settings: Settings, start: Instant) -> Self {
        let is_terminal = io::stdout().is_terminal();
        Self(Arc::new(Shared {
            scenario,
            settings,
            colour: is_terminal && Self::wants_colour(),
            live: !settings.json && held::has_screen() && io::stderr().is_terminal() && !held::is_held(),
            is_terminal,
            start,
            out: Mutex::new(io::stdout()),
        }))
    }

    /// Whether the environment allows colours on a terminal.
    pub fn wants_colour() -> bool {
        !is_dumb() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
    }

    /// Makes what a child process needs to print to this output with the same clock.
    pub fn for_child(&self) -> ChildOutput {
        ChildOutput { settings: self.0.settings, elapsed: self.0.start.elapsed(), is_silent: held::is_held() }
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

    /// How many columns a line of text has now: not more than can be read with ease.
    pub fn width(&self) -> usize {
        self.columns().min(WIDTH_COLUMNS_MAX)
    }

    /// How many columns a drawing has now: all that there are.
    pub fn columns(&self) -> usize {
        self.size().1
    }

    /// How many rows and columns there are now. The terminal may have been resized since the last call.
    pub(super) fn size(&self) -> (usize, usize) {
        let size = if self.0.is_terminal { terminal_size(&Term::stdout()) } else { None };
        size.unwrap_or((24, PIPE_COLUMNS))
    }

    /// Scales a delay of the document by the speed that the command line asks for.
    pub fn delay(&self, seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds / self.0.settings.speed)
    }

    /// Whether the terminal has colours, and the user wants them.
    pub(super) fn has_colour(&self) -> bool {
        self.0.colour
    }

    /// Puts the text in this style, if the terminal has colours.
    pub fn paint(&self, style: Style, text: impl AsRef<str>) -> String {
        if self.0.colour { style.paint(text.as_ref()) } else { text.as_ref().to_owned() }
    }

    /// Prints a line for people. A line that is wider than the terminal is broken at spaces.
    pub fn line(&self, text: impl fmt::Display) {
        if !self.is_json() {
            self.write(&fold(&text.to_string(), self.columns()).join("\n"));
        }
    }

    /// Prints a line for people as it is. Where it is wider than the terminal, the terminal breaks it.
    pub(crate) fn line_as_it_is(&self, text: &str) {
        if !self.is_json() {
            self.write(text);
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
        if self.is_json() {
            return;
        }
        if label.is_empty() {
            let lines = wrap(text, self.width()).into_iter().map(|line| self.paint(style, line));
            return self.write(&lines.collect::<Vec<_>>().join("\n"));
        }
        self.write(&beside(&self.paint(style, label), text, self.width()));
    }

    /// Reports that something happens to `who` now: as a line with the time for people, as an object for
    /// programs.
    pub fn event(&self, who: &str, what: impl fmt::Display) {
        let at = self.0.start.elapsed().as_secs_f64();
        if self.is_json() {
            let at = micros(at);
            self.record("event", &json!({ "at": at, "who": who, "event": what.to_string() }));
        } else {
            let time = self.paint(Style::Faint, format!("{at:7.3} s"));
            self.write(&beside(&format!("{time} {} ", pad(who)), &what.to_string(), self.width()));
        }
    }

    /// Reports numbers as an event of `who`: in the words of `what` for people, as fields for programs.
    pub fn measured(&self, who: &str, what: impl fmt::Display, numbers: Value) {
        if self.is_json() {
            let mut fields = numbers;
            fields["at"] = micros(self.0.start.elapsed().as_secs_f64()).into();
            fields["who"] = who.into();
            self.record("measurement", &fields);
        } else {
            self.event(who, what);
        }
    }

    /// Prints the lesson at the end: what there was to see, and why.
    pub fn lesson(&self, lesson: &str) {
        self.record("lesson", &json!({ "seen": lesson }));
        self.line("");
        self.paragraph(lesson);
    }

    /// Prints an object for programs, on a line: its kind, the scenario, and these fields.
    /// `docs/brigade-json.schema.json` has the kinds and their fields.
    pub fn record(&self, kind: &str, fields: &impl Serialize) {
        if self.is_json() {
            let record = Record { kind, scenario: self.0.scenario, fields };
            let text =
                serde_json::to_string(&record).expect("what scenarios say has text keys and finite numbers");
            self.write(&text);
        }
    }

    /// Writes one line, or several that belong together.
    fn write(&self, line: &str) {
        interrupt::park_if_exiting();
        if held::keep(line) {
            return;
        }
        let mut out = self.0.out.lock().unwrap_or_else(PoisonError::into_inner);
        // This is one call, so that lines of other processes fall between our lines and not into them.
        let written = write_patiently(&mut *out, format!("{line}\n").as_bytes());
        // Other threads may want to print meanwhile.
        drop(out);
        exit_unless_written(written);
    }
}

/// An object for programs.
#[derive(Serialize)]
struct Record<'a, T> {
    kind: &'a str,
    scenario: &'a str,
    #[serde(flatten)]
    fields: &'a T,
}

/// Rounds a time in seconds to microseconds.
fn micros(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e6
}

/// Whether the terminal understands no escape sequences.
pub(super) fn is_dumb() -> bool {
    env::var_os("TERM").is_some_and(|value| value == "dumb")
}

/// How many rows and columns the terminal of a stream has, if it tells.
pub(super) fn terminal_size(stream: &Term) -> Option<(usize, usize)> {
    let (rows, columns) = stream.size_checked()?;
    (columns > 0).then(|| (rows.into(), usize::from(columns).max(COLUMNS_MIN)))
}

/// Exits if the standard output cannot be written, and says why. A pipe that is closed needs no words.
pub(super) fn exit_unless_written(written: io::Result<()>) {
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

/// The output of a scenario as it is sent to a child process, which prints to the same place.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct ChildOutput {
    settings: Settings,
    /// The time on the clock of the output when this was made.
    elapsed: Duration,
    /// Something else is drawn on the terminal, which the lines of a child would tear.
    is_silent: bool,
}

impl ChildOutput {
    /// Opens the output in the child.
    pub fn open(self, scenario: &'static str) -> Output {
        let now = clock::now();
        if self.is_silent {
            held::hold();
        }
        Output::begun(scenario, self.settings, now.checked_sub(self.elapsed).unwrap_or(now))
    }
}

/// Sets a text to the right of a label, or below it if there is little room. A text that fits keeps its
/// spaces.
pub(super) fn beside(label: &str, text: &str, width: usize) -> String {
    let indent = columns(label);
    if indent + columns(text) <= width {
        return format!("{label}{text}").trim_end().to_owned();
    }
    let room = width.saturating_sub(indent);
    if room >= TEXT_COLUMNS_MIN {
        return format!("{label}{}", wrap(text, room).join(&format!("\n{:indent$}", "")));
    }
    let below = wrap(text, width.saturating_sub(4)).into_iter().map(|line| format!("    {line}"));
    std::iter::once(label.trim_end().to_owned()).chain(below).collect::<Vec<_>>().join("\n")
}

/// Writes and flushes all of `bytes`. The stream may be non-blocking, since others share it: then this waits
/// until it takes more, where `write_all` would give up.
pub(super) fn write_patiently(out: &mut (impl Write + AsFd), mut bytes: &[u8]) -> io::Result<()> {
    loop {
        let step = if bytes.is_empty() { out.flush().map(|()| None) } else { out.write(bytes).map(Some) };
        match step {
            Ok(None) => return Ok(()),
            Ok(Some(0)) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(Some(written)) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => sys::wait_until_writable(out.as_fd())?,
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
    use std::{fs::File, os::fd::BorrowedFd};

    /// Takes one byte at a time, and every other time nothing yet.
    struct Slow {
        taken: Vec<u8>,
        calls: u32,
        /// Is always ready, so that no wait is long.
        ready: File,
    }

    impl AsFd for Slow {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.ready.as_fd()
        }
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
    fn a_text_stands_beside_its_label_or_below_it() {
        assert_eq!(beside("one ", "a  b", 30), "one a  b");
        assert_eq!(beside("one ", "the soup simmers, and waits", 22), "one the soup simmers,\n    and waits");
        let label = "  0.000 s  get_number  ";
        assert_eq!(beside(label, "wake: by its timer", 30), "  0.000 s  get_number\n    wake: by its timer");
        assert_eq!(beside("  empty  ", "", 30), "  empty");
    }

    #[test]
    fn a_stream_that_does_not_block_is_given_everything() {
        let ready = File::options().write(true).open("/dev/null").unwrap();
        let mut slow = Slow { taken: Vec::new(), calls: 0, ready };
        write_patiently(&mut slow, b"the soup is ready").unwrap();
        assert_eq!(slow.taken, b"the soup is ready");
    }
}
