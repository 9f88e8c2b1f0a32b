//! Why each mode of `brigade cpu` took as long as it did.

use super::{cores, python};
use crate::experiment::{Mode, Row, Workers};

/// The sentence below the table for this row.
pub(super) fn explain(row: &Row) -> String {
    if let Some(run) = &row.completed.python {
        return python::explain(row.mode, run.gil, row.speedup).into();
    }
    let cores = cores();
    match row.completed.workers {
        _ if row.mode == Mode::Sync => "One sum after the other, on one core.".into(),
        Workers::Threads(n) => format!(
            "{n} threads on {cores} cores, each with pieces of every sum, and no lock between them. In Python the GIL, where \
             there is one, lets only one thread run at a time."
        ),
        Workers::Children { count: n, .. } => format!(
            "{n} processes on {cores} cores, in the same way. They cost more than threads: their start, their memory, and the \
             way of the answers."
        ),
    }
}
