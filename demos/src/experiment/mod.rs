//! The same work in several modes, side by side: each mode is measured and shown as it ends, and all are
//! compared at the end.

mod failures;
mod measure;
mod mode;
pub mod python;
mod record;
mod row;

pub use measure::{Cost, Peak, peak_bytes};
pub use mode::{Completed, Mode, Outcome, PythonRun, Workers};
pub use row::Row;

use crate::{
    scenario::{CommandError, Exit},
    server::ThreadClock,
    show::{Column, Laps, Output, Progress, Style, Table, bar_chart},
};
use failures::show_failures;
use record::RowRecord;
use row::PYTHON_LABEL;
use serde_json::json;
use std::io;

/// Several modes, whose rows are shown in one table.
#[derive(Debug)]
pub struct Experiment<'a> {
    output: &'a Output,
    server: Option<&'a ThreadClock>,
    table: Table<'a>,
    rows: Vec<Row>,
    /// Whether Python does the same work, too.
    with_python: bool,
    /// Whether Python failed at something.
    python_failed: bool,
}

const COLUMNS: &[Column] = &[
    Column::new("mode", 9),
    Column::new("start", 6),
    Column::new("seconds", 7),
    Column::new("speed-up", 8),
    Column::new("CPU s", 6),
    Column::new("workers", 11),
    Column::new("peak memory", 18),
];

impl<'a> Experiment<'a> {
    /// Begins with the head of the table. The CPU time of the server's thread, which `server` tells, is not
    /// counted.
    pub fn begin(output: &'a Output, server: Option<&'a ThreadClock>) -> Self {
        let table = Table::begin(output, COLUMNS);
        Self { output, server, table, rows: Vec::new(), with_python: false, python_failed: false }
    }

    /// Lets [`run_python`](Self::run_python) run from now on, if the machine has Python.
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
    /// Fails if the mode's executor could not be started.
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

    /// Runs the same work in Python and shows its row below, if that was asked for. Shows the reason if
    /// Python fails.
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
        let Laps { start, work: wall } = progress.laps();
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

    /// Ends with the chart, a sentence for each row from `explain`, and the failures.
    pub fn end(self, explain: impl Fn(&Row) -> String) -> Exit {
        let output = self.output;
        if self.rows.len() > 1 {
            let names: Vec<_> = self.rows.iter().map(Row::name).collect();
            let bars = self.rows.iter().zip(&names);
            let bars = bars.map(|(row, name)| (name.as_str(), row.mode.style(), row.wall.as_secs_f64()));
            output.line("");
            bar_chart(output, &bars.collect::<Vec<_>>());
        }
        // A row in which everything failed has nothing to explain but the failures.
        let done = |row: &&Row| row.completed.outcomes.iter().any(|outcome| outcome.failure.is_none());
        for (place, row) in self.rows.iter().filter(done).enumerate() {
            if place == 0 {
                output.line("");
            }
            let sentence = format!("{}{}{}", self.comparison(row), explain(row), row.caveat());
            output.labelled(row.mode.style(), &format!("  {:<9}  ", row.label()), &sentence);
        }
        let failed = show_failures(output, &self.rows) || self.python_failed;
        if failed { Exit::FAILURE } else { Exit::SUCCESS }
    }

    /// Compares Python's row with our row above it.
    fn comparison(&self, row: &Row) -> String {
        let Some(PythonRun { library, .. }) = &row.completed.python else { return String::new() };
        let ours = self.rows.iter().find(|ours| ours.mode == row.mode && ours.completed.python.is_none());
        let ratio = ours.map_or(f64::NAN, |ours| row.wall.as_secs_f64() / ours.wall.as_secs_f64());
        format!("With {library}, in {ratio:.2} × our time. ")
    }
}
