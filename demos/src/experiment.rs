//! The same work in several modes, side by side: measured, shown as it comes, compared at the end.

use crate::{
    fetch::Failure,
    measure::{self, Cost},
    scenario::{Exit, Trouble},
    serve::Server,
    show::{Column, Ink, Progress, Stage, Table, chart, count, memory},
};
use serde::{Serialize, Serializer};
use serde_json::Value;
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
    /// How many times faster than sync, if that has run.
    pub speedup: Option<f64>,
}

/// Modes side by side on a stage.
#[derive(Debug)]
pub struct Experiment<'a> {
    stage: &'a Stage,
    server: Option<&'a Server>,
    table: Table<'a>,
    rows: Vec<Row>,
}

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
        Self { stage, server, table: Table::begin(stage, COLUMNS), rows: Vec::new() }
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
        let progress = Progress::begin(self.stage, mode.name(), total);
        let (effort, cost) = measure::measured(self.server, || work(&progress));
        progress.end();
        let effort =
            effort.map_err(|error| Trouble::failed(&format!("cannot start {}", mode.name()), error))?;
        let (start, wall) = progress.laps();
        let sync = self.rows.iter().find(|row| row.mode == Mode::Sync).map(|row| row.wall);
        let sync = if mode == Mode::Sync { Some(wall) } else { sync };
        let speedup = sync.map(|sync| sync.as_secs_f64() / wall.as_secs_f64());
        let row = Row { mode, start, wall, cost, effort, speedup };
        self.stage.object(&Line::of(self.stage, &row));
        self.table.row(mode.ink(), &row.cells());
        self.rows.push(row);
        Ok(())
    }

    /// Ends with the chart, a sentence a row, and the failures.
    pub fn end(self, why: impl Fn(&Row) -> String) -> Exit {
        let stage = self.stage;
        if self.rows.len() > 1 {
            let bars: Vec<_> = self
                .rows
                .iter()
                .map(|row| (row.mode.name(), row.mode.ink(), row.wall.as_secs_f64()))
                .collect();
            stage.line("");
            chart(stage, &bars);
        }
        stage.line("");
        for row in &self.rows {
            stage.labelled(row.mode.ink(), &format!("  {:<9}  ", row.mode.name()), &why(row));
        }
        self.tell_failures()
    }

    fn tell_failures(&self) -> Exit {
        let failures =
            |row: &Row| row.effort.outcomes.iter().filter(|outcome| outcome.failure.is_some()).count();
        if self.rows.iter().all(|row| failures(row) == 0) {
            return Exit::FINE;
        }
        let stage = self.stage;
        stage.line("");
        for row in self.rows.iter().filter(|row| failures(row) > 0) {
            let label = format!("  {:<9}  ", row.mode.name());
            let (failed, all) = (failures(row), row.effort.outcomes.len());
            stage.labelled(Ink::Bad, &label, &format!("{failed} of {all} failed:"));
            let told = row.effort.outcomes.iter().enumerate();
            let told = told.filter_map(|(place, outcome)| Some((place + 1, outcome.failure.as_ref()?)));
            for (number, failure) in told.take(TOLD) {
                stage.labelled(
                    Ink::Plain,
                    &format!("{:label$}", "", label = label.len()),
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

impl Row {
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
            self.mode.name().into(),
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
