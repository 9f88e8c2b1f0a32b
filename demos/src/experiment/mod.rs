//! The same work in several modes, side by side: measured, shown as it comes, compared at the end.

mod effort;
mod measure;
pub mod python;
mod record;
mod row;

pub use effort::{Account, Crew, Effort, Mode, Outcome};
pub use measure::{Cost, Peak, peak_bytes};
pub use row::Row;

use crate::{
    fetch::Failure,
    scenario::{Exit, Trouble},
    server::ThreadClock,
    show::{Column, Ink, Progress, Stage, Table, chart, count},
};
use record::Line;
use row::SECOND;
use serde_json::json;
use std::io;

/// Modes side by side on a stage.
#[derive(Debug)]
pub struct Experiment<'a> {
    stage: &'a Stage,
    server: Option<&'a ThreadClock>,
    table: Table<'a>,
    rows: Vec<Row>,
    /// Whether Python is to do the same.
    with_python: bool,
    /// Whether Python could not do what it was asked for.
    python_failed: bool,
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
    /// Begins with the table's head. The CPU time of the thread of `server` is not counted.
    pub fn begin(stage: &'a Stage, server: Option<&'a ThreadClock>) -> Self {
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
