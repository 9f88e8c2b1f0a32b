//! The same work in several modes, side by side: measured, shown as it comes, compared at the end.

use crate::{
    fetch::Failure,
    measure::{self, Cost, Peak},
    python::{self, Account},
    scenario::{Exit, Trouble},
    serve::Server,
    show::{Column, Ink, Progress, Stage, Table, chart, count, memory},
};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use std::{io, time::Duration};

/// A way to do many things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// One after the other.
    Sync,
    /// On threads of the pool.
    Threads,
    /// As tasks on one thread.
    Async,
    /// In child processes.
    Processes,
}

impl Mode {
    /// All modes, in the order of the document.
    pub const ALL: [Self; 4] = [Self::Sync, Self::Threads, Self::Async, Self::Processes];

    /// Its name on the command line and in tables.
    pub fn name(self) -> &'static str {
        ["sync", "threads", "async", "processes"][self as usize]
    }

    /// Those of `modes` that a word of the command line names: one, or `all`.
    pub fn named(word: &str, modes: &[Self]) -> Vec<Self> {
        modes.iter().copied().filter(|mode| word == "all" || word == mode.name()).collect()
    }

    fn ink(self) -> Ink {
        Ink::Way(self as usize)
    }
}

/// Who did the work.
#[derive(Debug, Clone, Copy)]
pub enum Crew {
    /// So many threads of this process.
    Threads(usize),
    /// So many child processes, of which the largest held so many bytes at its peak.
    Children(usize, u64),
}

/// What came of one piece of work: its value if there is one, its failure if it failed. A status other than 200 is both.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What the JSON shows.
    pub value: Value,
    /// Why it does not count as done.
    pub failure: Option<Failure>,
}

/// What a mode's function hands back.
#[derive(Debug)]
pub struct Effort {
    /// Who did it.
    pub crew: Crew,
    /// What came of each piece, in order.
    pub outcomes: Vec<Outcome>,
    /// If Python did it: what with.
    pub python: Option<Account>,
}

/// A mode that has run.
#[derive(Debug)]
pub struct Row {
    /// Which.
    pub mode: Mode,
    /// How long it took to get its workers.
    pub start: Duration,
    /// How long the work took then, to the last result.
    pub wall: Duration,
    /// What both cost.
    pub cost: Cost,
    /// What came of it.
    pub effort: Effort,
    /// How many times faster than sync in the same language, if that has run.
    pub speedup: Option<f64>,
}

/// Modes side by side on a stage.
#[derive(Debug)]
pub struct Experiment<'a> {
    stage: &'a Stage,
    server: Option<&'a Server>,
    table: Table<'a>,
    rows: Vec<Row>,
    /// Whether Python is to do the same.
    with_python: bool,
    /// Whether Python could not do what it was asked for.
    python_failed: bool,
}

/// The name of a mode's second row, in Python.
const SECOND: &str = "└ Python";

const COLUMNS: &[Column] = &[
    Column("mode", 9),
    Column("start", 6),
    Column("seconds", 7),
    Column("speed-up", 8),
    Column("CPU s", 6),
    Column("workers", 11),
    Column("peak memory", 18),
];

/// How many failures of a mode are told in full.
const TOLD: usize = 5;

impl<'a> Experiment<'a> {
    /// Begins with the table's head. The CPU time of `server` is not counted.
    pub fn begin(stage: &'a Stage, server: Option<&'a Server>) -> Self {
        let table = Table::begin(stage, COLUMNS);
        Self { stage, server, table, rows: Vec::new(), with_python: false, python_failed: false }
    }

    /// From now on, [`run_python`](Self::run_python) runs what it is given, if the machine has Python.
    pub fn compare_python(&mut self) {
        match python::version() {
            Ok(_) => self.with_python = true,
            Err(error) => self.python_fails(None, &error),
        }
    }

    /// Runs one mode over `total` pieces of work and shows its row.
    ///
    /// # Errors
    ///
    /// If the mode's executor could not be started.
    pub fn run<F>(&mut self, mode: Mode, total: usize, work: F) -> Result<(), Trouble>
    where
        F: FnOnce(&Progress) -> io::Result<Effort>,
    {
        let row = self.measure(mode, mode.name(), total, work);
        let row = row.map_err(|error| Trouble::failed(&format!("cannot start {}", mode.name()), error))?;
        self.show(row);
        Ok(())
    }

    /// Runs the same in Python and shows its row below, if that was asked for; says so if Python fails.
    pub fn run_python<F>(&mut self, mode: Mode, total: usize, work: F)
    where
        F: FnOnce(&Progress) -> io::Result<Effort>,
    {
        if self.with_python {
            match self.measure(mode, "Python", total, work) {
                Ok(row) => self.show(row),
                Err(error) => self.python_fails(Some(mode), &error),
            }
        }
    }

    fn measure<F>(&self, mode: Mode, label: &str, total: usize, work: F) -> io::Result<Row>
    where
        F: FnOnce(&Progress) -> io::Result<Effort>,
    {
        let progress = Progress::begin(self.stage, label, total);
        let (effort, mut cost) = measure::measured(self.server, || work(&progress));
        progress.end();
        let effort = effort?;
        if let Some(account) = &effort.python {
            cost.peak = Peak { bytes: account.peak, is_own: true };
        }
        let (start, wall) = progress.laps();
        let is_baseline =
            |row: &&Row| row.mode == Mode::Sync && row.effort.python.is_some() == effort.python.is_some();
        let sync = self.rows.iter().find(is_baseline).map(|row| row.wall);
        let sync = if mode == Mode::Sync { Some(wall) } else { sync };
        let speedup = sync.map(|sync| sync.as_secs_f64() / wall.as_secs_f64());
        Ok(Row { mode, start, wall, cost, effort, speedup })
    }

    fn show(&mut self, row: Row) {
        self.stage.object(&Line::of(self.stage, &row));
        self.table.row(row.mode.ink(), &row.cells());
        self.rows.push(row);
    }

    fn python_fails(&mut self, mode: Option<Mode>, error: &io::Error) {
        self.python_failed = true;
        let mode = mode.map(Mode::name);
        let scenario = self.stage.scenario();
        let why = error.to_string();
        self.stage.object(&json!({ "scenario": scenario, "mode": mode, "runtime": "python", "error": why }));
        self.stage.labelled(Ink::Bad, &format!("  {SECOND:<9}  "), &format!("not done: {why}"));
    }

    /// Ends with the chart, a sentence a row, and the failures.
    pub fn end(self, why: impl Fn(&Row) -> String) -> Exit {
        let stage = self.stage;
        if self.rows.len() > 1 {
            let names: Vec<_> = self.rows.iter().map(Row::name).collect();
            let bars = self.rows.iter().zip(&names);
            let bars = bars.map(|(row, name)| (name.as_str(), row.mode.ink(), row.wall.as_secs_f64()));
            stage.line("");
            chart(stage, &bars.collect::<Vec<_>>());
        }
        // Where nothing was done there is nothing to explain but the failures.
        let done = |row: &&Row| row.effort.outcomes.iter().any(|outcome| outcome.failure.is_none());
        for (place, row) in self.rows.iter().filter(done).enumerate() {
            if place == 0 {
                stage.line("");
            }
            let sentence = format!("{}{}{}", self.comparison(row), why(row), row.doubt());
            stage.labelled(row.mode.ink(), &format!("  {:<9}  ", row.label()), &sentence);
        }
        self.tell_failures()
    }

    /// How Python's row compares with the one above it.
    fn comparison(&self, row: &Row) -> String {
        let Some(Account { library, .. }) = &row.effort.python else { return String::new() };
        let ours = self.rows.iter().find(|ours| ours.mode == row.mode && ours.effort.python.is_none());
        let ratio = ours.map_or(f64::NAN, |ours| row.wall.as_secs_f64() / ours.wall.as_secs_f64());
        format!("With {library}, in {ratio:.2} × the time. ")
    }

    fn tell_failures(&self) -> Exit {
        let failures =
            |row: &Row| row.effort.outcomes.iter().filter(|outcome| outcome.failure.is_some()).count();
        if self.rows.iter().all(|row| failures(row) == 0) {
            return if self.python_failed { Exit::FAILED } else { Exit::FINE };
        }
        let stage = self.stage;
        stage.line("");
        for row in self.rows.iter().filter(|row| failures(row) > 0) {
            let label = format!("  {:<9}  ", row.label());
            let (failed, all) = (failures(row), row.effort.outcomes.len());
            let mut reasons = row.effort.outcomes.iter().filter_map(|outcome| outcome.failure.as_ref());
            let first = reasons.next().map(Failure::to_string).unwrap_or_default();
            if failed > 1 && reasons.all(|reason| reason.to_string() == first) {
                stage.labelled(Ink::Bad, &label, &format!("{failed} of {all} failed, all alike: {first}"));
                continue;
            }
            stage.labelled(Ink::Bad, &label, &format!("{failed} of {all} failed:"));
            let told = row.effort.outcomes.iter().enumerate();
            let told = told.filter_map(|(place, outcome)| Some((place + 1, outcome.failure.as_ref()?)));
            for (number, failure) in told.take(TOLD) {
                stage.labelled(
                    Ink::Plain,
                    &format!("{:label$}", "", label = label.chars().count()),
                    &format!("{number}. {failure}"),
                );
            }
            if failed > TOLD {
                stage.line(format_args!(
                    "{:13}… and {} more (--json tells all)",
                    "",
                    count((failed - TOLD) as u64)
                ));
            }
        }
        Exit::FAILED
    }
}

/// From so much on it is a gain, and not the weather.
const GAIN: f64 = 1.3;

impl Row {
    /// What is to be said where ours gained nothing over sync, though there was something to gain.
    fn doubt(&self) -> &'static str {
        let several = match self.effort.crew {
            Crew::Threads(n) | Crew::Children(n, _) => n > 1 || self.mode == Mode::Async,
        };
        let shared_out = several && self.mode != Mode::Sync && self.effort.outcomes.len() > 1;
        let ours = self.effort.python.is_none();
        if ours && shared_out && self.speedup.is_some_and(|speedup| speedup < GAIN) {
            " It gained little here: there was too little work, or the machine was busy with something else."
        } else {
            ""
        }
    }

    /// What its line begins with; Python's stands below ours.
    fn label(&self) -> &'static str {
        if self.effort.python.is_some() { SECOND } else { self.mode.name() }
    }

    /// What it is called where it stands alone.
    fn name(&self) -> String {
        let mode = self.mode.name();
        if self.effort.python.is_some() { format!("Python {mode}") } else { mode.to_owned() }
    }

    fn cells(&self) -> [String; 7] {
        let Cost { cpu, peak } = self.cost;
        let own = if peak.is_own { memory(peak.bytes) } else { format!("≤ {}", memory(peak.bytes)) };
        let (workers, memory) = match self.effort.crew {
            Crew::Threads(1) => ("1 thread".into(), own),
            Crew::Threads(n) => (format!("{n} threads"), own),
            Crew::Children(1, child) => ("1 child".into(), format!("{own} + {}", memory(child))),
            Crew::Children(n, child) => {
                (format!("{n} children"), format!("{own} + {n} × {}", memory(child)).replacen(" MiB", "", 1))
            }
        };
        let speedup = self.speedup.map_or("–".into(), |speedup| format!("{speedup:.2} ×"));
        [
            self.label().into(),
            format!("{:.3}", self.start.as_secs_f64()),
            format!("{:.3}", self.wall.as_secs_f64()),
            speedup,
            format!("{:.3}", cpu.as_secs_f64()),
            workers,
            memory,
        ]
    }
}

/// A row as a JSON object.
#[derive(Serialize)]
struct Line<'a> {
    scenario: &'a str,
    mode: &'a str,
    /// Both only there if Python did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    runtime: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    library: Option<&'a str>,
    #[serde(serialize_with = "millis")]
    seconds: f64,
    #[serde(serialize_with = "hundredths")]
    speedup: Option<f64>,
    #[serde(serialize_with = "millis")]
    cpu_seconds: f64,
    results: Vec<&'a Value>,
    /// Only there if something failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failures: Vec<Failed<'a>>,
}

/// A failed piece of work; `index` is its place in `results`.
#[derive(Serialize)]
struct Failed<'a> {
    index: usize,
    #[serde(flatten)]
    failure: &'a Failure,
}

impl<'a> Line<'a> {
    fn of(stage: &Stage, row: &'a Row) -> Self {
        let outcomes = &row.effort.outcomes;
        let failed = |(index, outcome): (usize, &'a Outcome)| {
            outcome.failure.as_ref().map(|failure| Failed { index, failure })
        };
        Self {
            scenario: stage.scenario(),
            mode: row.mode.name(),
            runtime: row.effort.python.as_ref().map(|_| "python"),
            library: row.effort.python.as_ref().map(|python| python.library.as_str()),
            seconds: row.wall.as_secs_f64(),
            speedup: row.speedup,
            cpu_seconds: row.cost.cpu.as_secs_f64(),
            results: outcomes.iter().map(|outcome| &outcome.value).collect(),
            failures: outcomes.iter().enumerate().filter_map(failed).collect(),
        }
    }
}

fn millis<S: Serializer>(seconds: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((seconds * 1e3).round() / 1e3)
}

fn hundredths<S: Serializer>(ratio: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    ratio.map(|ratio| (ratio * 1e2).round() / 1e2).serialize(serializer)
}
