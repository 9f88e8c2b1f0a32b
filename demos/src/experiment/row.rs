//! A row of the table: a mode that has run, in the words and numbers for people.

use super::{
    measure::Cost,
    mode::{Completed, Mode, Workers},
};
use crate::show::mebibytes;
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
    /// The CPU time and memory of both.
    pub cost: Cost,
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

    /// A remark for a row of ours that gained nothing over sync although there was something to gain; else
    /// nothing.
    pub(super) fn caveat(&self) -> &'static str {
        let several = match self.completed.workers {
            Workers::Threads(n) | Workers::Children { count: n, .. } => n > 1 || self.mode == Mode::Async,
        };
        let shared_out = several && self.mode != Mode::Sync && self.completed.outcomes.len() > 1;
        let ours = self.completed.python.is_none();
        if ours && shared_out && self.speedup.is_some_and(|speedup| speedup < SPEEDUP_MIN) {
            " It gained little here: there was too little work, or the machine was busy with something else."
        } else {
            ""
        }
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
        let (workers, memory) = match self.completed.workers {
            Workers::Threads(1) => ("1 thread".into(), own),
            Workers::Threads(n) => (format!("{n} threads"), own),
            Workers::Children { count: 1, peak_bytes: child } => {
                ("1 child".into(), format!("{own} + {}", mebibytes(child)))
            }
            Workers::Children { count: n, peak_bytes: child } => (
                format!("{n} children"),
                format!("{own} + {n} × {}", mebibytes(child)).replacen(" MiB", "", 1),
            ),
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
