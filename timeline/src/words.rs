//! Words that several views share: times, names that fit, and what a span says.

use crate::model::{Link, Span, State, Timeline};
use std::fmt::Write;

/// Says which unit a span is about, and for a wait what it waited for, who held that, and where.
pub(crate) fn sentence(timeline: &Timeline, span: &Span) -> String {
    let name = |unit: Link| unit.get().map(|unit| timeline.name(&timeline.units[unit]));
    let mut words = name(span.unit).unwrap_or_default();
    if !span.cause.name().is_empty() {
        let _ = write!(words, ", until {}", span.cause.name());
    }
    if let Some(resource) = span.resource.get() {
        let _ = write!(words, ", for {}", timeline.resources[resource].name);
    }
    if let Some(holder) = name(span.holder) {
        // A call that runs is held by its child process.
        let is_run = span.state == State::Running;
        let _ = write!(words, ", {} {holder}", if is_run { "in" } else { "held by" });
    }
    if let Some(site) = timeline.text(span.site) {
        let _ = write!(words, ", at {site}");
    }
    let _ = write!(words, ", from {}", duration(span.begin));
    words
}

/// A time in the unit that suits it.
pub(crate) fn duration(nanos: u64) -> String {
    match nanos {
        0..1_000 => format!("{nanos} ns"),
        1_000..999_950 => format!("{:.1} µs", nanos as f64 / 1e3),
        999_950..999_950_000 => format!("{:.1} ms", nanos as f64 / 1e6),
        _ => format!("{:.3} s", nanos as f64 / 1e9),
    }
}

/// The text, or its begin and an ellipsis if it has more columns.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    text.chars().take(columns.saturating_sub(1)).chain(['…']).collect()
}

/// Returns the text without control characters, and without those that reverse it: each becomes `U+FFFD`.
/// Names come from a file that anyone may have written, and a terminal would act on them.
///
/// ```
/// assert_eq!(brigade_timeline::harmless("soup\x1b[2J"), "soup\u{FFFD}[2J");
/// ```
#[must_use]
pub fn harmless(text: &str) -> String {
    let is_hidden =
        |c: char| c.is_control() || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if is_hidden(c) { '\u{FFFD}' } else { c }).collect()
}
