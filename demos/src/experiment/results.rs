//! The results of the work, as the document's programs print them.

use super::{label, row::Row, wide_label};
use crate::show::{Output, Style, counted, thousands};
use serde_json::Value;
use std::collections::BTreeMap;

/// How many results are listed one by one. The document has five.
const LISTED_MAX: usize = 5;

/// How many different results are counted.
const COUNTED_MAX: usize = 4;

/// Shows what each row's work came to: once if it is the same in all rows.
pub(super) fn show_results(output: &Output, rows: &[Row]) {
    // A row in which everything failed has no results.
    let lists: Vec<_> = rows.iter().filter(|row| row.has_results()).map(|row| (row, list(row))).collect();
    let Some((_, first)) = lists.first() else { return };
    output.line("");
    if lists.len() > 1 && lists.iter().all(|(_, text)| text == first) {
        output.labelled(Style::Plain, &wide_label(rows, "all modes"), first);
        return;
    }
    for (row, text) in &lists {
        output.labelled(row.mode.style(), &label(rows, row), text);
    }
}

fn list(row: &Row) -> String {
    let values: Vec<_> = row.completed.outcomes.iter().map(|outcome| written(&outcome.value)).collect();
    if values.len() <= LISTED_MAX {
        return format!("[{}]", values.join(", "));
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    values.iter().for_each(|value| *counts.entry(value).or_default() += 1);
    let told = counts.iter().take(COUNTED_MAX);
    let more = values.len() - told.clone().map(|(_, count)| count).sum::<usize>();
    let mut parts: Vec<_> =
        told.map(|(value, &count)| format!("{value} ({})", counted(count, "time", "times"))).collect();
    parts.extend((more > 0).then(|| format!("{} others", thousands(more as u64))));
    parts.join(", ")
}

/// Writes a value as Python prints it. There is none where the work failed.
fn written(value: &Value) -> String {
    match value {
        Value::Null => "–".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
