//! The stage: where a scenario speaks from, whoever listens: a terminal, a pipe, or a program that reads JSON.

use super::text::{Ink, wrap};
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
pub struct Setting {
    /// One JSON object a line instead of words.
    pub json: bool,
    /// How many workers to use instead of the scenario's own choice.
    pub workers: Option<usize>,
    /// How many times faster than in the document time goes by.
    pub speed: f64,
}

/// The widest that text gets, however wide the terminal is: longer lines are hard to read.
const WIDTH_MAX: usize = 100;
const WIDTH_PIPE: usize = 80;
/// What a shell reports for a program that SIGPIPE has ended, which is what happens to others at a closed pipe.
const EXIT_PIPE: i32 = 141;

/// A place to speak from. Clones speak from the same place, on any thread, a whole line at a time.
#[derive(Debug, Clone)]
pub struct Stage(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    scenario: &'static str,
    setting: Setting,
    colour: bool,
    live: bool,
    width: usize,
    start: Instant,
    // --- under the lock: whole lines, in order ---
    out: Mutex<io::Stdout>,
}

impl Stage {
    /// The stage of a scenario, on standard output.
    pub fn new(scenario: &'static str, setting: Setting) -> Self {
        let terminal = Term::stdout();
        let is_terminal = io::stdout().is_terminal();
        let dumb = env::var_os("TERM").is_some_and(|value| value == "dumb");
        let plain = dumb || env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let width = if is_terminal { usize::from(terminal.size().1).min(WIDTH_MAX) } else { WIDTH_PIPE };
        Self(Arc::new(Shared {
            scenario,
            setting,
            colour: is_terminal && !plain,
            live: !setting.json && is_terminal && io::stderr().is_terminal() && !dumb,
            // Below this there is no good way to show a table.
            width: width.max(40),
            start: clock::now(),
            out: Mutex::new(io::stdout()),
        }))
    }

    /// The same place for another scenario, with its clock at zero.
    pub fn for_scenario(&self, scenario: &'static str) -> Self {
        Self::new(scenario, self.0.setting)
    }

    /// The scenario that speaks here.
    pub fn scenario(&self) -> &'static str {
        self.0.scenario
    }

    /// What the command line said.
    pub fn setting(&self) -> Setting {
        self.0.setting
    }

    /// Whether a program listens and not a person.
    pub fn json(&self) -> bool {
        self.0.setting.json
    }

    /// Whether what is shown may be drawn anew while it happens: a person looks at a terminal.
    pub fn live(&self) -> bool {
        self.0.live
    }

    /// How many characters a line has.
    pub fn width(&self) -> usize {
        self.0.width
    }

    /// A delay of the document, at the speed that the command line asks for.
    pub fn delay(&self, seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds / self.0.setting.speed)
    }

    /// The text in this ink, if the listener sees colours.
    pub fn paint(&self, ink: Ink, text: impl AsRef<str>) -> String {
        if self.0.colour { ink.paint(text.as_ref()) } else { text.as_ref().to_owned() }
    }

    /// A line for people.
    pub fn line(&self, text: impl fmt::Display) {
        if !self.json() {
            self.write(format_args!("{text}"));
        }
    }

    /// A heading for people, with room above it.
    pub fn heading(&self, text: &str) {
        self.line("");
        self.paragraph_in(Ink::Strong, "", text);
    }

    /// A text for people, broken into lines.
    pub fn paragraph(&self, text: &str) {
        self.paragraph_in(Ink::Plain, "", text);
    }

    /// A text for people after a label; its lines stand right of the label.
    pub fn labelled(&self, ink: Ink, label: &str, text: &str) {
        self.paragraph_in(ink, label, text);
    }

    fn paragraph_in(&self, ink: Ink, label: &str, text: &str) {
        let indent = label.chars().count();
        for (number, line) in wrap(text, self.width().saturating_sub(indent)).into_iter().enumerate() {
            match (indent, number) {
                (0, _) => self.line(self.paint(ink, line)),
                (_, 0) => self.line(format_args!("{}{line}", self.paint(ink, label))),
                _ => self.line(format_args!("{:indent$}{line}", "")),
            }
        }
    }

    /// Something happens, now, to `who`: a line with the time for people, an object for programs.
    pub fn event(&self, who: &str, what: impl fmt::Display) {
        let at = self.0.start.elapsed().as_secs_f64();
        if self.json() {
            let at = (at * 1e6).round() / 1e6;
            self.object(
                &json!({ "scenario": self.0.scenario, "at": at, "who": who, "event": what.to_string() }),
            );
        } else {
            self.write(format_args!("{} {} {what}", self.paint(Ink::Faint, format!("{at:7.3} s")), pad(who)));
        }
    }

    /// The end: what there was to see, and why.
    pub fn seen(&self, lesson: &str) {
        self.object(&json!({ "scenario": self.0.scenario, "seen": lesson }));
        self.line("");
        self.paragraph(lesson);
    }

    /// An object for programs, on a line.
    pub fn object(&self, object: &impl Serialize) {
        if self.json() {
            let text =
                serde_json::to_string(object).expect("what scenarios say has text keys and finite numbers");
            self.write(format_args!("{text}"));
        }
    }

    fn write(&self, line: fmt::Arguments<'_>) {
        interrupt::stay_out_of_the_way();
        let mut out = self.0.out.lock().unwrap_or_else(PoisonError::into_inner);
        // One call a line, so that lines from other processes fall between lines and not into them.
        if out.write_all(format!("{line}\n").as_bytes()).and_then(|()| out.flush()).is_err() {
            drop(out);
            // Nobody listens any more.
            interrupt::leave(EXIT_PIPE);
        }
    }
}

fn pad(who: &str) -> String {
    format!("{who:<11}")
}
