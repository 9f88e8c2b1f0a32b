//! A row of the table: a mode that has run, in the words and numbers for people.

use super::{
    measure::Cost,
    mode::{Completed, Mode, Workers},
    quiet::{OtherLoad, cores, is_too_short},
};
use crate::show::{mebibytes, thousands};
use std::time::Duration;

/// A mode that has run.
#[derive(Debug)]
pub struct Row {
    /// The mode.
    pub mode: Mode,
    /// How long it took to start the workers.
    pub start: Duration,
    /// How long the work took after that, until the last result.
    pub wall: Duration,
    /// The CPU time and memory of the work.
    pub cost: Cost,
    /// How many cores others had meanwhile, if the system tells.
    pub(super) load: Option<OtherLoad>,
    /// Whether no other load disturbed this row or the sync row with which it is compared.
    pub quiet: bool,
    /// The completed work.
    pub completed: Completed,
    /// How many times faster this mode was than sync in the same language, if sync has run. None if a piece
    /// of either failed: a failure may be quicker than the work, or slower.
    pub speedup: Option<f64>,
}

/// The least speed-up that counts as a gain: smaller ones may be noise.
const SPEEDUP_MIN: f64 = 1.3;

impl Row {
    /// Whether no piece of the work failed, so that the time tells how long the work takes.
    pub fn is_whole(&self) -> bool {
        self.completed.is_whole()
    }

    /// A remark for a row that waited and gained little over sync although several workers shared the work.
    /// It is empty for other rows.
    pub(super) fn caveat_of_waiting(&self) -> &'static str {
        match self.gained_little() {
            true => " It gained little here: there was too little to wait for, or the machine was busy.",
            false => "",
        }
    }

    /// A remark for a row that computed, without being disturbed by other load, if its speed-up says little;
    /// otherwise nothing.
    pub(super) fn caveat_of_computing(&self) -> &'static str {
        if self.gained_little() && cores() == 1 {
            " It gained little, because this machine has one core."
        } else if self.is_shared_out() && is_too_short(self) {
            " It took less than 0.1 s, so its speed-up may be noise."
        } else {
            ""
        }
    }

    fn gained_little(&self) -> bool {
        self.is_shared_out() && self.speedup.is_some_and(|speedup| speedup < SPEEDUP_MIN)
    }

    /// Whether this is a row of ours in which several workers share several pieces of work.
    fn is_shared_out(&self) -> bool {
        let several = self.completed.workers.count() > 1 || self.mode == Mode::Async;
        let ours = self.completed.python.is_none();
        ours && several && self.mode != Mode::Sync && self.completed.outcomes.len() > 1
    }

    /// Whether any of the work was done.
    pub(super) fn has_results(&self) -> bool {
        self.completed.outcomes.iter().any(|outcome| outcome.failure.is_none())
    }

    /// The name where a row does not stand in the table.
    pub(super) fn name(&self) -> String {
        let mode = self.mode.name();
        if self.completed.python.is_some() { format!("Python {mode}") } else { mode.to_owned() }
    }

    /// The cells of the table. Python's rows stand below their own line, so the mode is enough.
    pub(super) fn cells(&self) -> [String; 7] {
        let Cost { cpu, peak } = self.cost;
        let own = if peak.is_own { mebibytes(peak.bytes) } else { format!("≤ {}", mebibytes(peak.bytes)) };
        // No commas and, for many children, no tenths: with 1024 workers the row still fits into 80 columns.
        let (workers, memory) = match self.completed.workers {
            Workers::Threads(1) => ("1 thread".into(), own),
            Workers::Threads(n) => (format!("{n} threads"), own),
            Workers::Children { count: 1, peak_bytes: child, .. } => {
                ("1 child".into(), format!("{own} + {}", mebibytes(child)))
            }
            Workers::Children { count: n, peak_bytes: child, .. } if n < 100 => (
                format!("{n} children"),
                format!("{own} + {n} × {}", mebibytes(child)).replacen(" MiB", "", 1),
            ),
            Workers::Children { count: n, peak_bytes: child, .. } => {
                let [own, child] = [peak.bytes, child].map(|bytes| bytes >> 20);
                (format!("{n} child."), format!("{own} + {n} × {child} MiB"))
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

/// Says, for the text below the table, why there are fewer `workers` than the user asked for: there are as
/// many as `pieces` of work. Says nothing if there are not fewer.
pub fn fewer_than_asked(asked: Option<usize>, pieces: usize, workers: &str, noun: &str) -> String {
    match asked.filter(|&asked| asked > pieces) {
        Some(asked) => {
            let [pieces, asked] = [pieces, asked].map(|number| thousands(number as u64));
            format!(" There are no more {workers} than {noun}: {pieces}, and not {asked}.")
        }
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Peak;

    #[test]
    fn a_row_of_many_workers_fits_into_its_columns() {
        let children = Workers::Children { count: 1024, peak_bytes: 20 << 20, cpu: Duration::ZERO };
        for workers in [Workers::Threads(1024), children] {
            let cost = Cost { cpu: Duration::ZERO, peak: Peak { bytes: 900 << 20, is_own: true } };
            let completed = Completed { workers, outcomes: Vec::new(), python: None };
            let (start, wall) = (Duration::ZERO, Duration::from_secs(1));
            let row = Row {
                mode: Mode::Threads,
                start,
                wall,
                cost,
                load: None,
                quiet: true,
                completed,
                speedup: None,
            };
            let [.., workers, memory] = row.cells();
            // One column more than the 79 of the table is left.
            let widths = [workers.chars().count().max(11), memory.chars().count().max(18)];
            assert!(widths.iter().sum::<usize>() <= 30, "{workers:?} {memory:?}");
        }
    }
}
