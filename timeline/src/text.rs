//! The timeline as lines of text, for a terminal.
//!
//! ```text
//! threads (1)                          0 s                      1.000 s
//!   main                               █                              █
//! tasks say_hello (1)
//!   say_hello                          █░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░█
//! ```

use crate::{
    model::{GroupKind, Span, State, Timeline},
    words::{cut, duration, harmless, sentence},
};
use std::fmt::Write;

/// The fewest columns of a drawing.
const COLUMNS_MIN: usize = 40;
/// How many rows of a group are shown, and how many entries of a list.
const ROWS_MAX: usize = 12;
const WORST_MAX: usize = 5;

/// Adds a line. Names come from the file, so no control character in them may reach the terminal.
pub(crate) fn push_line(out: &mut String, line: &str) {
    out.push_str(&harmless(line));
    out.push('\n');
}

/// Draws the timeline in so many columns, 40 at least, and lists the longest waits and runs below it.
///
/// ```
/// use brigade_timeline::{Timeline, text};
///
/// let empty = text(&Timeline::default(), 80);
/// assert!(empty.contains("no events"));
/// ```
#[must_use]
pub fn text(timeline: &Timeline, columns: usize) -> String {
    let mut out = String::new();
    if timeline.events == 0 {
        // The notes say why there are none.
        timeline.notes.iter().for_each(|note| push_line(&mut out, note));
        out.push_str("The recording holds no events.\n");
        return out;
    }
    let columns = columns.max(COLUMNS_MIN);
    out.push_str(&lanes(timeline, columns));
    out.push_str("█ runs  ▒ ready, not yet run  ░ waits\n");
    depths(timeline, &mut out, columns);
    moments(timeline, &mut out, columns);
    worst(timeline, columns, &mut out);
    for note in &timeline.notes {
        push_line(&mut out, note);
    }
    out
}

/// Draws the rows alone, in so many columns, 40 at least.
///
/// ```
/// use brigade_timeline::{Timeline, lanes};
///
/// assert_eq!(lanes(&Timeline::default(), 80).lines().count(), 1, "the scale");
/// ```
#[must_use]
pub fn lanes(timeline: &Timeline, columns: usize) -> String {
    let mut out = String::new();
    let columns = columns.max(COLUMNS_MIN);
    let left = (columns / 3).clamp(14, 40);
    let width = columns - left;
    let scale = duration(timeline.length);
    let _ = writeln!(out, "{:<left$}0{scale:>1$}", "", width - 1);
    let mut first = 0;
    for (number, group) in (0..).zip(&timeline.groups) {
        let rows = timeline.rows[first..].iter().take_while(|row| row.group == number).count();
        push_line(&mut out, &cut(&format!("{} ({})", group.name, group.members), columns));
        for row in first..first + rows.min(ROWS_MAX) {
            let line = line(timeline, row as u32, width);
            let name = cut(&timeline.rows[row].name, left - 3);
            push_line(&mut out, format!("  {name:<0$} {line}", left - 3).trim_end());
        }
        if rows > ROWS_MAX {
            let _ = writeln!(out, "  … {} more rows", rows - ROWS_MAX);
        }
        first += rows;
    }
    out
}

/// The characters of a row: in each column the state that is the most worth seeing.
fn line(timeline: &Timeline, row: u32, width: usize) -> String {
    let begin = timeline.spans.partition_point(|span| span.row < row);
    let end = timeline.spans.partition_point(|span| span.row <= row);
    let mut ranks = vec![0_u8; width];
    for span in &timeline.spans[begin..end] {
        let column = |at: u64| (at as u128 * width as u128 / (timeline.length as u128 + 1)) as usize;
        let rank = match span.state {
            State::Parked => 0,
            State::Waiting => 1,
            State::Ready => 2,
            State::Running | State::Merged => 3,
        };
        for place in &mut ranks[column(span.begin)..=column(span.end)] {
            *place = rank.max(*place);
        }
    }
    ranks.into_iter().map(|rank| [' ', '░', '▒', '█'][usize::from(rank)]).collect()
}

/// The lines of depth that the program's own queues have.
fn depths(timeline: &Timeline, out: &mut String, columns: usize) {
    for queue in timeline.queues.iter().filter(|queue| queue.name.starts_with("depth")).take(WORST_MAX) {
        let most = queue.points.iter().map(|point| point.1).max().unwrap_or(0);
        push_line(out, &cut(&format!("{}: at most {most}", queue.name), columns));
    }
}

/// The marks, faults first.
fn moments(timeline: &Timeline, out: &mut String, columns: usize) {
    let mut marks: Vec<_> = timeline.marks.iter().collect();
    marks.sort_by_key(|mark| (!mark.is_fault, mark.at));
    if !marks.is_empty() {
        out.push_str("marks\n");
    }
    for mark in marks.iter().take(2 * WORST_MAX) {
        let unit = mark.unit.get().map(|unit| timeline.name(&timeline.units[unit])).unwrap_or_default();
        let text = timeline.text(mark.text).unwrap_or_default();
        push_line(out, &cut(&format!("  {:>10}  {unit}: {text}", duration(mark.at)), columns));
    }
}

fn worst(timeline: &Timeline, columns: usize, out: &mut String) {
    let is_unit_row = |span: &&Span| {
        let row = span.unit.get().map(|unit| timeline.units[unit].row);
        row == Some(span.row)
            && timeline.groups[timeline.rows[span.row as usize].group as usize].kind == GroupKind::Units
    };
    for (title, state) in [
        ("longest runs", State::Running),
        ("longest waits", State::Waiting),
        ("longest ready, not yet run", State::Ready),
    ] {
        let mut spans: Vec<&Span> =
            timeline.spans.iter().filter(is_unit_row).filter(|span| span.state == state).collect();
        spans.sort_by_key(|span| std::cmp::Reverse(span.end - span.begin));
        if spans.is_empty() {
            continue;
        }
        let _ = writeln!(out, "{title}");
        for span in spans.into_iter().take(WORST_MAX) {
            let line = format!("  {:>10}  {}", duration(span.end - span.begin), sentence(timeline, span));
            push_line(out, &cut(&line, columns));
        }
    }
}
