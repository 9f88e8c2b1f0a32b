//! A row as a JSON object, for programs.

use super::{
    mode::{Outcome, Workers},
    row::Row,
};
use crate::fetch::Failure;
use serde::{Serialize, Serializer};
use serde_json::Value;

/// A row as a JSON object.
#[derive(Serialize)]
pub(super) struct RowRecord<'a> {
    mode: &'a str,
    /// This and `library` are there only if Python did the work.
    #[serde(skip_serializing_if = "Option::is_none")]
    runtime: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    library: Option<&'a str>,
    /// How long the workers took to start, in seconds. The other times begin after that.
    #[serde(serialize_with = "millis")]
    start: f64,
    #[serde(serialize_with = "millis")]
    seconds: f64,
    #[serde(serialize_with = "hundredths")]
    speedup: Option<f64>,
    #[serde(serialize_with = "millis")]
    cpu_seconds: f64,
    /// The number of workers, and what they are: `threads` or `children`.
    workers: usize,
    worker_kind: &'a str,
    /// The most memory that this process held, in bytes: while this mode ran, or so far if `memory_is_own` is
    /// false.
    memory_bytes: u64,
    memory_is_own: bool,
    /// The most memory that one of the children held, in bytes. Absent if there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    child_memory_bytes: Option<u64>,
    /// The end of each sum. Absent if the work does not compute.
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<u64>,
    /// Whether the machine was quiet meanwhile, and during sync. Absent if the work does not compute.
    #[serde(skip_serializing_if = "Option::is_none")]
    quiet: Option<bool>,
    results: Vec<&'a Value>,
    /// Absent if nothing failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failures: Vec<FailureRecord<'a>>,
}

/// A failed piece of work; `index` is its place in `results`.
#[derive(Serialize)]
struct FailureRecord<'a> {
    index: usize,
    #[serde(flatten)]
    failure: &'a Failure,
}

impl<'a> RowRecord<'a> {
    /// The record of a row. `n` is the end of each sum, if the work computes.
    pub(super) fn of(row: &'a Row, n: Option<u64>) -> Self {
        let (worker_kind, child_memory_bytes) = match row.completed.workers {
            Workers::Threads(_) => ("threads", None),
            Workers::Children { peak_bytes, .. } => ("children", Some(peak_bytes)),
        };
        let outcomes = &row.completed.outcomes;
        let failed = |(index, outcome): (usize, &'a Outcome)| {
            outcome.failure.as_ref().map(|failure| FailureRecord { index, failure })
        };
        Self {
            mode: row.mode.name(),
            runtime: row.completed.python.as_ref().map(|_| "python"),
            library: row.completed.python.as_ref().map(|python| python.library.as_str()),
            start: row.start.as_secs_f64(),
            seconds: row.wall.as_secs_f64(),
            speedup: row.speedup,
            cpu_seconds: row.cost.cpu.as_secs_f64(),
            workers: row.completed.workers.count(),
            worker_kind,
            memory_bytes: row.cost.peak.bytes,
            memory_is_own: row.cost.peak.is_own,
            child_memory_bytes,
            n,
            quiet: n.map(|_| row.quiet),
            results: outcomes.iter().map(|outcome| &outcome.value).collect(),
            failures: outcomes.iter().enumerate().filter_map(failed).collect(),
        }
    }
}

fn millis<S: Serializer>(seconds: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((seconds * 1e3).round() / 1e3)
}

fn hundredths<S: Serializer>(ratio: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    ratio.map(|ratio| (ratio * 1e2).round() / 1e2).serialize(serializer)
}
