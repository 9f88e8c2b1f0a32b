//! The output: where a scenario speaks from, whoever listens: a terminal, a pipe, or a program that reads JSON.

use super::text::{Style, wrap};
use crate::interrupt;
use brigade_trace::clock;
use console::Term;
use serde::Serialize;
use serde_json::json;
use std::{
    env, fmt,
    io::{self, IsTerminal, Write},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// What the command line says about every scenario.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// One JSON object a line instead of words.
    pub json: bool,
    /// How many workers to use instead of the scenario's own choice.
    pub workers: Option<usize>,
    /// How many times faster than in the document time goes by.
    pub speed: f64,
}

/// The widest that text gets, however wide the terminal is: longer lines are hard to read.
const WIDTH_COLUMNS_MAX: usize = 100;
const PIPE_COLUMNS: usize = 80;
/// What a shell reports for a program that SIGPIPE has ended, which is what happens to others at a closed pipe.
const BROKEN_PIPE_EXIT_CODE: i32 = 141;

/// A place to speak from. Clones speak from the same place, on any thread, a whole line at a time.
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
    /// The output of a scenario, on standard output.
    pub fn new(scenario: &'static str, settings: Settings) -> Self {
        let terminal = Term::stdout();
        let is_terminal = io::stdout().is_terminal();
        let dumb = env::var_os("TERM").is_some_and(|value| value == "dumb");
        let plain = dumb || env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let width =
            if is_terminal { usize::from(terminal.size().1).min(WIDTH_COLUMNS_MAX) } else { PIPE_COLUMNS };
        Self(Arc::new(Shared {
            scenario,
            settings,
            colour: is_terminal && !plain,
            live: !settings.json && is_terminal && io::stderr().is_terminal() && !dumb,
            // Below this there is no good way to show a table.
            width: width.max(40),
            start: clock::now(),
            out: Mutex::new(io::stdout()),
        }))
    }

    /// The same place for another scenario, with its clock at zero.
    pub fn for_scenario(&self, scenario: &'static str) -> Self {
        Self::new(scenario, self.0.settings)
    }

    /// The scenario that speaks here.
    pub fn scenario(&self) -> &'static str {
        self.0.scenario
    }

    /// What the command line said.
    pub fn settings(&self) -> Settings {
        self.0.settings
    }

    /// Whether a program listens and not a person.
    pub fn is_json(&self) -> bool {
        self.0.settings.json
    }

    /// Whether what is shown may be drawn anew while it happens: a person looks at a terminal.
    pub fn is_live(&self) -> bool {
        self.0.live
    }

    /// How many characters a line has.
    pub fn width(&self) -> usize {
        self.0.width
    }

    /// A delay of the document, at the speed that the command line asks for.
    pub fn delay(&self, seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds / self.0.settings.speed)
    }

    /// The text in this style, if the listener sees colours.
    pub fn paint(&self, style: Style, text: impl AsRef<str>) -> String {
        if self.0.colour { style.paint(text.as_ref()) } else { text.as_ref().to_owned() }
    }

    /// A line for people.
    pub fn line(&self, text: impl fmt::Display) {
        if !self.is_json() {
            self.write(format_args!("{text}"));
        }
    }

    /// A heading for people, with room above it.
    pub fn heading(&self, text: &str) {
        self.line("");
        self.paragraph_in(Style::Strong, "", text);
    }

    /// A text for people, broken into lines.
    pub fn paragraph(&self, text: &str) {
        self.paragraph_in(Style::Plain, "", text);
    }

    /// A text for people after a label; its lines stand right of the label.
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

    /// Something happens, now, to `who`: a line with the time for people, an object for programs.
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

    /// The end: what there was to see, and why.
    pub fn lesson(&self, lesson: &str) {
        self.record(&json!({ "scenario": self.0.scenario, "seen": lesson }));
        self.line("");
        self.paragraph(lesson);
    }

    /// An object for programs, on a line.
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
        // One call a line, so that lines from other processes fall between lines and not into them.
        if out.write_all(format!("{line}\n").as_bytes()).and_then(|()| out.flush()).is_err() {
            drop(out);
            // Nobody listens any more.
            interrupt::exit(BROKEN_PIPE_EXIT_CODE);
        }
    }
}

fn pad(who: &str) -> String {
    format!("{who:<11}")
}
