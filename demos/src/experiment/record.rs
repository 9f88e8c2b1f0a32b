//! A row as a JSON object, for programs.

use super::{mode::Outcome, row::Row};
use crate::{fetch::Failure, show::Output};
use serde::{Serialize, Serializer};
use serde_json::Value;

/// A row as a JSON object.
#[derive(Serialize)]
pub(super) struct RowRecord<'a> {
    scenario: &'a str,
    mode: &'a str,
    /// This and `library` are there only if Python did the work.
    #[serde(skip_serializing_if = "Option::is_none")]
    runtime: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    library: Option<&'a str>,
    #[serde(serialize_with = "millis")]
    seconds: f64,
    #[serde(serialize_with = "hundredths")]
    speedup: Option<f64>,
    #[serde(serialize_with = "millis")]
    cpu_seconds: f64,
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
    pub(super) fn of(output: &Output, row: &'a Row, n: Option<u64>) -> Self {
        let outcomes = &row.completed.outcomes;
        let failed = |(index, outcome): (usize, &'a Outcome)| {
            outcome.failure.as_ref().map(|failure| FailureRecord { index, failure })
        };
        Self {
            scenario: output.scenario(),
            mode: row.mode.name(),
            runtime: row.completed.python.as_ref().map(|_| "python"),
            library: row.completed.python.as_ref().map(|python| python.library.as_str()),
            seconds: row.wall.as_secs_f64(),
            speedup: row.speedup,
            cpu_seconds: row.cost.cpu.as_secs_f64(),
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
