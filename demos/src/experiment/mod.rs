//! The same work in several modes, side by side: measure, shown as it comes, compared at the end.

mod measure;
mod mode;
pub mod python;
mod record;
mod row;

pub use measure::{Cost, Peak, peak_bytes};
pub use mode::{Completed, Mode, Outcome, PythonRun, Workers};
pub use row::Row;

use crate::{
    fetch::Failure,
    scenario::{CommandError, Exit},
    server::ThreadClock,
    show::{Column, Output, Progress, Style, Table, bar_chart, thousands},
};
use record::RowRecord;
use row::PYTHON_LABEL;
use serde_json::json;
use std::io;

/// Modes side by side on a output.
#[derive(Debug)]
pub struct Experiment<'a> {
    output: &'a Output,
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
const FAILURES_SHOWN_MAX: usize = 5;

impl<'a> Experiment<'a> {
    /// Begins with the table's head. The CPU time of the thread of `server` is not counted.
    pub fn begin(output: &'a Output, server: Option<&'a ThreadClock>) -> Self {
        let table = Table::begin(output, COLUMNS);
        Self { output, server, table, rows: Vec::new(), with_python: false, python_failed: false }
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
    pub fn run<F>(&mut self, mode: Mode, total: usize, work: F) -> Result<(), CommandError>
    where
        F: FnOnce(&Progress) -> io::Result<Completed>,
    {
        let row = self.measure(mode, mode.name(), total, work);
        let row =
            row.map_err(|error| CommandError::failed(&format!("cannot start {}", mode.name()), error))?;
        self.show(row);
        Ok(())
    }

    /// Runs the same in Python and shows its row below, if that was asked for; says so if Python fails.
    pub fn run_python<F>(&mut self, mode: Mode, total: usize, work: F)
    where
        F: FnOnce(&Progress) -> io::Result<Completed>,
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
        F: FnOnce(&Progress) -> io::Result<Completed>,
    {
        let progress = Progress::begin(self.output, label, total);
        let (completed, mut cost) = measure::measure(self.server, || work(&progress));
        progress.end();
        let completed = completed?;
        if let Some(run) = &completed.python {
            cost.peak = Peak { bytes: run.peak_bytes, is_own: true };
        }
        let (start, wall) = progress.laps();
        let is_baseline = |row: &&Row| {
            row.mode == Mode::Sync && row.completed.python.is_some() == completed.python.is_some()
        };
        let sync = self.rows.iter().find(is_baseline).map(|row| row.wall);
        let sync = if mode == Mode::Sync { Some(wall) } else { sync };
        let speedup = sync.map(|sync| sync.as_secs_f64() / wall.as_secs_f64());
        Ok(Row { mode, start, wall, cost, completed, speedup })
    }

    fn show(&mut self, row: Row) {
        self.output.record(&RowRecord::of(self.output, &row));
        self.table.row(row.mode.style(), &row.cells());
        self.rows.push(row);
    }

    fn python_fails(&mut self, mode: Option<Mode>, error: &io::Error) {
        self.python_failed = true;
        let mode = mode.map(Mode::name);
        let scenario = self.output.scenario();
        let why = error.to_string();
        self.output.record(&json!({ "scenario": scenario, "mode": mode, "runtime": "python", "error": why }));
        self.output.labelled(Style::Bad, &format!("  {PYTHON_LABEL:<9}  "), &format!("not done: {why}"));
    }

    /// Ends with the chart, a sentence a row, and the failures.
    pub fn end(self, why: impl Fn(&Row) -> String) -> Exit {
        let output = self.output;
        if self.rows.len() > 1 {
            let names: Vec<_> = self.rows.iter().map(Row::name).collect();
            let bars = self.rows.iter().zip(&names);
            let bars = bars.map(|(row, name)| (name.as_str(), row.mode.style(), row.wall.as_secs_f64()));
            output.line("");
            bar_chart(output, &bars.collect::<Vec<_>>());
        }
        // Where nothing was done there is nothing to explain but the failures.
        let done = |row: &&Row| row.completed.outcomes.iter().any(|outcome| outcome.failure.is_none());
        for (place, row) in self.rows.iter().filter(done).enumerate() {
            if place == 0 {
                output.line("");
            }
            let sentence = format!("{}{}{}", self.comparison(row), why(row), row.caveat());
            output.labelled(row.mode.style(), &format!("  {:<9}  ", row.label()), &sentence);
        }
        self.tell_failures()
    }

    /// How Python's row compares with the one above it.
    fn comparison(&self, row: &Row) -> String {
        let Some(PythonRun { library, .. }) = &row.completed.python else { return String::new() };
        let ours = self.rows.iter().find(|ours| ours.mode == row.mode && ours.completed.python.is_none());
        let ratio = ours.map_or(f64::NAN, |ours| row.wall.as_secs_f64() / ours.wall.as_secs_f64());
        format!("With {library}, in {ratio:.2} × the time. ")
    }

    fn tell_failures(&self) -> Exit {
        let failures =
            |row: &Row| row.completed.outcomes.iter().filter(|outcome| outcome.failure.is_some()).count();
        if self.rows.iter().all(|row| failures(row) == 0) {
            return if self.python_failed { Exit::FAILURE } else { Exit::SUCCESS };
        }
        let output = self.output;
        output.line("");
        for row in self.rows.iter().filter(|row| failures(row) > 0) {
            let label = format!("  {:<9}  ", row.label());
            let (failed, all) = (failures(row), row.completed.outcomes.len());
            let mut reasons = row.completed.outcomes.iter().filter_map(|outcome| outcome.failure.as_ref());
            let first = reasons.next().map(Failure::to_string).unwrap_or_default();
            if failed > 1 && reasons.all(|reason| reason.to_string() == first) {
                output.labelled(Style::Bad, &label, &format!("{failed} of {all} failed, all alike: {first}"));
                continue;
            }
            output.labelled(Style::Bad, &label, &format!("{failed} of {all} failed:"));
            let told = row.completed.outcomes.iter().enumerate();
            let told = told.filter_map(|(place, outcome)| Some((place + 1, outcome.failure.as_ref()?)));
            for (number, failure) in told.take(FAILURES_SHOWN_MAX) {
                output.labelled(
                    Style::Plain,
                    &format!("{:label$}", "", label = label.chars().count()),
                    &format!("{number}. {failure}"),
                );
            }
            if failed > FAILURES_SHOWN_MAX {
                output.line(format_args!(
                    "{:13}… and {} more (--json tells all)",
                    "",
                    thousands((failed - FAILURES_SHOWN_MAX) as u64)
                ));
            }
        }
        Exit::FAILURE
    }
}
