//! Why each mode of `brigade io` took as long as it did.

use super::python;
use crate::{
    experiment::{Mode, Row, Workers},
    show::thousands,
};

/// The sentence below the table for this row.
pub(super) fn explain(row: &Row) -> String {
    let requests = thousands(row.completed.outcomes.len() as u64);
    match (row.mode, row.completed.workers) {
        _ if row.completed.python.is_some() => python::explain(row.mode).into(),
        (Mode::Sync, _) => "It asks, waits, and only then asks again: the waits add up.".into(),
        (Mode::Threads, Workers::Threads(n)) => {
            format!(
                "{n} threads wait at the same time, each blocked in its own request. A thread costs memory."
            )
        }
        (Mode::Async, _) => {
            format!(
                "One thread runs {requests} tasks. Each gives the thread back while it waits, so all the waits overlap."
            )
        }
        (_, workers) => {
            let n = if let Workers::Children { count, .. } = workers { count } else { 0 };
            format!("{n} processes wait at the same time. Each has to be started, and has memory of its own.")
        }
    }
}
