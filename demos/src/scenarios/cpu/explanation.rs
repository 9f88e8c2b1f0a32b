//! Why each mode of `brigade cpu` took as long as it did.

use super::python;
use crate::{
    experiment::{Mode, Row, cores, fewer_than_asked},
    show::counted,
};

/// The sentence below the table for this row. The user asked for this many workers.
pub(super) fn explain(row: &Row, asked: Option<usize>) -> String {
    if let Some(run) = &row.completed.python {
        // A speed-up that other load made explains nothing.
        return python::explain(row.mode, run.gil, row.speedup.filter(|_| row.quiet)).into();
    }
    let (workers, sums) = (row.completed.workers.count(), row.completed.outcomes.len());
    let on = |one, many| format!("{} on {}", counted(workers, one, many), counted(cores(), "core", "cores"));
    match row.mode {
        Mode::Threads => format!(
            "{}, each with pieces of every sum, and no lock between them. In Python the GIL, where there is one, lets only \
             one thread run at a time.{}",
            on("thread", "threads"),
            fewer(asked, sums, "threads")
        ),
        Mode::Processes => format!(
            "{}, in the same way. They cost more than threads: their start, their memory, and the way of the answers.{}",
            on("process", "processes"),
            fewer(asked, sums, "processes")
        ),
        Mode::Sync | Mode::Async => "One sum after the other, on one core.".into(),
    }
}

/// Says why there are fewer workers than the user asked for, or than there are cores.
fn fewer(asked: Option<usize>, sums: usize, workers: &str) -> String {
    if asked.is_none() && cores() > sums {
        return format!(
            " There are no more {workers} than sums: --tasks {} would keep all cores busy.",
            cores()
        );
    }
    fewer_than_asked(asked, sums, workers, "sums")
}
