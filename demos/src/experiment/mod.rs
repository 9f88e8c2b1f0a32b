//! The same work in several modes, side by side: each mode is measured and shown as it ends, and all are
//! compared at the end.

mod failures;
mod measure;
mod mode;
pub mod python;
mod quiet;
mod record;
mod results;
mod row;

pub use measure::{CallCost, Cost, Peak, measure_call, peak_bytes};
pub use mode::{Completed, Mode, Outcome, PythonRun, Workers};
pub use quiet::cores;
pub use row::{Row, fewer_than_asked};

use crate::{
    scenario::{CommandError, Exit},
    server::ThreadClock,
    show::{Column, Laps, Output, Progress, Style, Table, bar_chart},
};
use failures::show_failures;
use quiet::Disturbed;
use record::RowRecord;
use results::show_results;
use serde_json::json;
use std::{io, time::Duration};

/// Several modes, whose rows are shown in one table.
#[derive(Debug)]
pub struct Experiment<'a> {
    output: &'a Output,
    server: Option<&'a ThreadClock>,
    table: Table<'a>,
    rows: Vec<Row>,
    /// The end of each sum, if the work computes. Then each mode wants all its cores.
    sums_to: Option<u64>,
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
        Self { output, server, table, rows: Vec::new(), sums_to: None, python_failed: false }
    }

    /// Says that the work computes, as sums whose end is `n`. Such work suffers if the machine has something
    /// else to do, and then that is told.
    pub fn computes(&mut self, n: u64) {
        self.sums_to = Some(n);
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
        let progress = Progress::begin(self.output, label, total, measure::cpu_clock(self.server));
        let ((completed, peak), load) = quiet::watch(|| measure::measure_peak(|| work(&progress)));
        progress.end();
        let completed = completed?;
        let Laps { start, work: wall, work_cpu } = progress.laps();
        let cost = completed.cost(work_cpu, peak);
        let sync = self.sync_of(&completed).filter(|row| row.is_whole()).map(|row| row.wall);
        let sync = if mode == Mode::Sync { Some(wall) } else { sync };
        // The time of a failure compares with nothing.
        let speedup =
            sync.filter(|_| completed.is_whole()).map(|sync| sync.as_secs_f64() / wall.as_secs_f64());
        Ok(Row { mode, start, wall, cost, load, quiet: true, completed, speedup })
    }

    fn show(&mut self, mut row: Row) {
        let sync_is_quiet = self.sync_of(&row.completed).is_none_or(|sync| sync.quiet);
        row.quiet = sync_is_quiet && self.disturbed(&row).is_none();
        self.output.record("row", &RowRecord::of(&row, self.sums_to));
        self.table.row(row.mode.style(), &row.cells());
        self.rows.push(row);
    }

    /// Judges whether other load disturbed a row. Waiting is not disturbed by it.
    fn disturbed(&self, row: &Row) -> Option<Disturbed> {
        self.sums_to?;
        quiet::judge(row, self.sync_of(&row.completed))
    }

    /// The row of sync in the language that completed this work.
    fn sync_of(&self, completed: &Completed) -> Option<&Row> {
        let in_python = completed.python.is_some();
        self.rows.iter().find(|row| row.mode == Mode::Sync && row.completed.python.is_some() == in_python)
    }

    fn python_fails(&mut self, mode: Option<Mode>, error: &io::Error) {
        self.python_failed = true;
        let mode = mode.map(Mode::name);
        let why = error.to_string();
        self.output.record("failure", &json!({ "mode": mode, "runtime": "python", "error": why }));
        let label = mode.unwrap_or("Python");
        self.output.labelled(Style::Bad, &format!("  {label:<9}  "), &format!("not done: {why}"));
    }

    /// Ends with the results, the chart, a sentence for each row from `explain`, and the failures.
    pub fn end(self, explain: impl Fn(&Row) -> String) -> Exit {
        let output = self.output;
        show_results(output, &self.rows);
        let whole: Vec<_> = self.rows.iter().filter(|row| row.is_whole()).collect();
        if !self.show_why_no_bars() && whole.len() > 1 {
            let names: Vec<_> = whole.iter().map(|row| row.name()).collect();
            let bars = whole.iter().zip(&names);
            let bars = bars.map(|(row, name)| (name.as_str(), row.mode.style(), row.wall.as_secs_f64()));
            output.line("");
            bar_chart(output, &bars.collect::<Vec<_>>());
        }
        // A row in which everything failed has nothing to explain but the failures.
        for (place, row) in self.rows.iter().filter(|row| row.has_results()).enumerate() {
            if place == 0 {
                output.line("");
            }
            let caveat = match self.sums_to {
                Some(_) if self.disturbed(row).is_some() => "",
                Some(_) => row.caveat_of_computing(),
                None => row.caveat_of_waiting(),
            };
            let sentence = format!("{}{}{caveat}", self.comparison(row), explain(row));
            output.labelled(row.mode.style(), &label(&self.rows, row), &sentence);
        }
        let failed = show_failures(output, &self.rows) || self.python_failed;
        if failed { Exit::FAILURE } else { Exit::SUCCESS }
    }

    /// Tells why bars would not compare the modes, if they compute: other load has disturbed some of them, or
    /// all are too short. Returns whether that is so.
    fn show_why_no_bars(&self) -> bool {
        let output = self.output;
        if self.sums_to.is_some() && self.rows.iter().all(quiet::is_too_short) {
            output.line("");
            let sentence =
                "No mode took 0.1 s, so the times are noise and there are no bars: take a larger --n.";
            output.labelled(Style::Bad, &wide_label(&self.rows, "too short"), sentence);
            return true;
        }
        let disturbed = self.rows.iter().filter_map(|row| Some((row, self.disturbed(row)?)));
        let disturbed: Vec<_> = disturbed.collect();
        if disturbed.is_empty() {
            return false;
        }
        output.line("");
        let sentence =
            "The machine had something else to do, so there are no bars: run this again when it is quiet.";
        output.labelled(Style::Bad, &wide_label(&self.rows, "not quiet"), sentence);
        for (row, disturbed) in disturbed {
            let sentence = format!("{}: {}", row.name(), disturbed.explain());
            output.labelled(Style::Plain, &wide_label(&self.rows, ""), &sentence);
        }
        true
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
    wide_label(rows, &row.name())
}

/// A label left of a text, as wide as the widest name of all rows.
fn wide_label(rows: &[Row], name: &str) -> String {
    let widest = rows.iter().map(|row| row.name().len()).max().unwrap_or_default().max(9);
    format!("  {name:<widest$}  ")
}
