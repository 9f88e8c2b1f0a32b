//! The failures of each row, shown to people below the table.

use super::{label, row::Row};
use crate::{
    fetch::Failure,
    show::{Output, Style, thousands},
};

/// How many failures of a row are listed.
const FAILURES_SHOWN_MAX: usize = 5;

/// Shows the failures of all rows. Returns whether there are any.
pub(super) fn show_failures(output: &Output, rows: &[Row]) -> bool {
    let failed: Vec<_> = rows.iter().filter(|row| failures(row).next().is_some()).collect();
    if !failed.is_empty() {
        output.line("");
    }
    failed.iter().for_each(|row| show_failures_of(output, row, &label(rows, row)));
    !failed.is_empty()
}

/// The failures of a row, each with the number of its piece of work, from 1.
fn failures(row: &Row) -> impl Iterator<Item = (usize, &Failure)> {
    let outcomes = row.completed.outcomes.iter().enumerate();
    outcomes.filter_map(|(place, outcome)| Some((place + 1, outcome.failure.as_ref()?)))
}

fn show_failures_of(output: &Output, row: &Row, label: &str) {
    let (failed, all) = (failures(row).count(), row.completed.outcomes.len());
    let mut reasons = failures(row).map(|(_, failure)| failure.to_string());
    let first = reasons.next().unwrap_or_default();
    if failed > 1 && reasons.all(|reason| reason == first) {
        output.labelled(Style::Bad, label, &format!("{failed} of {all} failed, all alike: {first}"));
        return;
    }
    output.labelled(Style::Bad, label, &format!("{failed} of {all} failed:"));
    let indent = " ".repeat(label.chars().count());
    for (number, failure) in failures(row).take(FAILURES_SHOWN_MAX) {
        output.labelled(Style::Plain, &indent, &format!("{number}. {failure}"));
    }
    if failed > FAILURES_SHOWN_MAX {
        let more = thousands((failed - FAILURES_SHOWN_MAX) as u64);
        output.line(format_args!("{indent}… and {more} more (--json tells all)"));
    }
}
