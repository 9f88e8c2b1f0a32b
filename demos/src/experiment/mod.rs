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
use serde_json::json;
use std::{io, time::Duration};

/// Several modes, whose rows are shown in one table.
#[derive(Debug)]
pub struct Experiment<'a> {
    output: &'a Output,
    server: Option<&'a ThreadClock>,
    table: Table<'a>,
    rows: Vec<Row>,
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
        Self { output, server, table, rows: Vec::new(), python_failed: false }
    }

    /// Runs `work` in Python for each mode, and shows the rows below ours. Shows the reason if Python
    /// fails. If it does not answer within `limit`, the other modes are not tried.
    pub fn compare_python<F>(&mut self, modes: &[Mode], total: usize, limit: Duration, work: F)
    where
        F: Fn(Mode, &Progress) -> io::Result<Completed>,
    {
        match python::version(limit) {
            Ok(version) => {
                self.output.line("");
                self.output.line(self.output.paint(Style::Faint, format!("  the same in {version}")));
            }
            Err(error) => return self.python_fails(None, &error),
        }
        for &mode in modes {
            match self
                .measure(mode, &format!("Python {}", mode.name()), total, |progress| work(mode, progress))
            {
                Ok(row) => self.show(row),
                Err(error) => {
                    self.python_fails(Some(mode), &error);
                    if error.kind() == io::ErrorKind::TimedOut {
                        return;
                    }
                }
            }
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
        let sync = self.rows.iter().find(is_baseline).filter(|row| row.is_whole()).map(|row| row.wall);
        let sync = if mode == Mode::Sync { Some(wall) } else { sync };
        // The time of a failure compares with nothing.
        let speedup =
            sync.filter(|_| completed.is_whole()).map(|sync| sync.as_secs_f64() / wall.as_secs_f64());
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
        let label = mode.unwrap_or("Python");
        self.output.labelled(Style::Bad, &format!("  {label:<9}  "), &format!("not done: {why}"));
    }

    /// Ends with the chart, a sentence for each row from `explain`, and the failures.
    pub fn end(self, explain: impl Fn(&Row) -> String) -> Exit {
        let output = self.output;
        let whole: Vec<_> = self.rows.iter().filter(|row| row.is_whole()).collect();
        if whole.len() > 1 {
            let names: Vec<_> = whole.iter().map(|row| row.name()).collect();
            let bars = whole.iter().zip(&names);
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
            output.labelled(row.mode.style(), &label(&self.rows, row), &sentence);
        }
        let failed = show_failures(output, &self.rows) || self.python_failed;
        if failed { Exit::FAILURE } else { Exit::SUCCESS }
    }

    /// Compares Python's row with our row of the same mode.
    fn comparison(&self, row: &Row) -> String {
        let Some(PythonRun { library, .. }) = &row.completed.python else { return String::new() };
        let is_ours = |ours: &&Row| ours.mode == row.mode && ours.completed.python.is_none();
        match self.rows.iter().find(is_ours).filter(|ours| ours.is_whole() && row.is_whole()) {
            Some(ours) => {
                let ratio = row.wall.as_secs_f64() / ours.wall.as_secs_f64();
                format!("With {library}, in {ratio:.2} × our time. ")
            }
            None => format!("With {library}. "),
        }
    }
}

/// The label of a row left of a text: its name, as wide as the widest of all rows.
fn label(rows: &[Row], row: &Row) -> String {
    let widest = rows.iter().map(|row| row.name().len()).max().unwrap_or_default().max(9);
    format!("  {:<widest$}  ", row.name())
}
