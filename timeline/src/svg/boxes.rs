//! The spans of one row as boxes. Spans of less than a pixel are drawn together: in each pixel the state that
//! is the most worth seeing.

use super::{LEFT, LETTER_WIDTH, RIGHT, escaped, place, text};
use crate::{
    model::{GroupKind, Span, State, Timeline},
    reasons,
    words::{cut, duration, sentence},
};
use std::fmt::Write;

const HEIGHT: f64 = 15.0;
/// The least width of a box with a text, in pixels.
const TEXT_WIDTH_MIN: f64 = 34.0;
const RUN_COLOURS: usize = 6;

/// Draws a row in the colour of its group.
pub(super) fn draw(timeline: &Timeline, row: u32, colour: usize, y: f64, out: &mut String) {
    let begin = timeline.spans.partition_point(|span| span.row < row);
    let end = timeline.spans.partition_point(|span| span.row <= row);
    let pixels = (RIGHT - LEFT) as usize;
    let mut slivers: Vec<Option<(u8, &Span)>> = vec![None; pixels + 1];
    for span in &timeline.spans[begin..end] {
        let (x0, x1) = (place(timeline, span.begin), place(timeline, span.end));
        if x1 - x0 >= 1.0 {
            wide(timeline, span, colour, (x0, y, x1 - x0), out);
            continue;
        }
        let rank = match span.state {
            State::Parked => 0,
            State::Waiting => 1,
            State::Ready => 2,
            State::Running | State::Merged => 3,
        };
        let sliver = &mut slivers[((x0 - LEFT) as usize).min(pixels)];
        if sliver.is_none_or(|known| known.0 < rank) {
            *sliver = Some((rank, span));
        }
    }
    // Neighbours of one fill are one box.
    let mut open: Option<(usize, String)> = None;
    for pixel in 0..=pixels + 1 {
        let here = slivers.get(pixel).copied().flatten().map(|(_, span)| fill(timeline, span, colour));
        if open.as_ref().map(|open| &open.1) != here.as_ref() {
            if let Some((from, fill)) = open.take() {
                rect(out, &fill, (LEFT + from as f64, y, (pixel - from) as f64), "");
            }
            open = here.map(|fill| (pixel, fill));
        }
    }
}

fn rect(out: &mut String, fill: &str, (x, y, width): (f64, f64, f64), title: &str) {
    let _ = write!(out, "<rect {fill} x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{HEIGHT}\"");
    let _ = match title {
        "" => writeln!(out, "/>"),
        title => writeln!(out, "><title>{}</title></rect>", escaped(title)),
    };
}

/// The number of the colour in which a span runs: that of its unit's group, or in a row of a lock one of its
/// holder.
fn run_colour(timeline: &Timeline, span: &Span, colour: usize) -> usize {
    let kind = |row: u32| timeline.groups[timeline.rows[row as usize].group as usize].kind;
    let Some(unit) = span.unit.get() else { return colour % RUN_COLOURS };
    match kind(span.row) {
        GroupKind::Locks => unit % RUN_COLOURS,
        GroupKind::Threads => {
            // The groups of units are counted from 0.
            let group = timeline.rows[timeline.units[unit].row as usize].group as usize;
            let threads = timeline.groups[..group].iter().filter(|group| group.kind == GroupKind::Threads);
            (group - threads.count()) % RUN_COLOURS
        }
        _ => colour % RUN_COLOURS,
    }
}

fn fill(timeline: &Timeline, span: &Span, colour: usize) -> String {
    match span.state {
        State::Ready => "class=\"rd\"".into(),
        State::Running => format!("class=\"r{}\"", run_colour(timeline, span, colour)),
        State::Parked => "class=\"p\"".into(),
        State::Merged => "class=\"m\"".into(),
        State::Waiting => {
            reasons::of(span.cause).map_or("class=\"w\"".into(), |reason| format!("fill=\"url(#p{reason})\""))
        }
    }
}

fn wide(timeline: &Timeline, span: &Span, colour: usize, (x, y, width): (f64, f64, f64), out: &mut String) {
    let title = match span.state {
        State::Parked => String::new(),
        _ => format!("{}: {}", duration(span.end - span.begin), sentence(timeline, span)),
    };
    rect(out, &fill(timeline, span, colour), (x, y, width), &title);
    let name = |unit: usize| timeline.name(&timeline.units[unit]);
    let words = match span.state {
        State::Running => span.unit.get().map(name),
        State::Waiting => span.holder.get().map(name).or_else(|| wanted(timeline, span)),
        _ => None,
    };
    let Some(words) = words.filter(|_| width >= TEXT_WIDTH_MIN) else { return };
    let words = cut(&words, ((width - 8.0) / LETTER_WIDTH) as usize);
    if span.state == State::Waiting {
        let room = words.chars().count() as f64 * LETTER_WIDTH + 2.0;
        rect(out, "class=\"w\"", (x + 2.0, y, room), "");
        text(out, x + 4.0, y + 11.5, "", &words);
    } else {
        let class = if run_colour(timeline, span, colour) == 3 { "on3" } else { "on" };
        text(out, x + 4.0, y + 11.5, class, &words);
    }
}

/// The name of what a span waits for; of a timer or a source, which have numbers only, the cause.
fn wanted(timeline: &Timeline, span: &Span) -> Option<String> {
    let resource = span.resource.get().map(|resource| &timeline.resources[resource]);
    let named = resource
        .filter(|resource| !["timer#", "source#"].iter().any(|numbered| resource.name.starts_with(numbered)));
    match named {
        Some(resource) => Some(match resource.unit.get() {
            Some(unit) => timeline.name(&timeline.units[unit]),
            None => resource.name.clone(),
        }),
        None => Some(span.cause.name().to_owned()).filter(|name| !name.is_empty()),
    }
}
