//! The timeline as columns of numbers, for the page. `timeline/page/decode.js` reads them in the same order.
//!
//! A number has seven bits a byte, lowest first. A column of *differences* holds each value's difference from
//! the one before, zigzag-coded. Links are one more than the index, and 0 for nothing.

use crate::model::{EdgeKind, Link, State, Timeline};
use crate::words::harmless;
use brigade_trace::{Cause, Domain};

/// The columns, one after the other.
#[derive(Default)]
struct Columns(Vec<u8>);

impl Columns {
    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn text(&mut self, text: &str) {
        let text = harmless(text);
        self.number(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    fn texts<'a>(&mut self, texts: impl ExactSizeIterator<Item = &'a str>) {
        self.number(texts.len() as u64);
        texts.for_each(|text| self.text(text));
    }

    /// A column of numbers.
    fn plain<T>(&mut self, items: &[T], value: impl Fn(&T) -> u64) {
        items.iter().for_each(|item| self.number(value(item)));
    }

    /// A column of differences.
    fn differences<T>(&mut self, items: &[T], value: impl Fn(&T) -> u64) {
        let mut last = 0;
        for item in items {
            let new = value(item);
            let difference = new.wrapping_sub(last) as i64;
            self.number((difference << 1 ^ difference >> 63) as u64);
            last = new;
        }
    }
}

/// Returns all columns of the timeline.
pub(super) fn of(timeline: &Timeline) -> Vec<u8> {
    let mut out = Columns::default();
    out.number(timeline.length);
    out.number(timeline.events);
    out.texts(Domain::all().map(Domain::name).collect::<Vec<_>>().into_iter());
    out.texts(Cause::ALL.iter().map(|cause| cause.name()));
    out.texts(timeline.texts.iter().map(String::as_str));
    out.texts(timeline.notes.iter().map(String::as_str));
    parts(timeline, &mut out);
    units(timeline, &mut out);
    spans(timeline, &mut out);
    out.number(timeline.wakes.len() as u64);
    out.differences(&timeline.wakes, |wake| wake.at);
    out.differences(&timeline.wakes, |wake| wake.from.number());
    out.plain(&timeline.wakes, |wake| wake.thread.number());
    out.differences(&timeline.wakes, |wake| wake.to.number());
    out.plain(&timeline.wakes, |wake| wake.cause as u64);
    edges(timeline, &mut out);
    out.texts(timeline.queues.iter().map(|queue| queue.name.as_str()));
    for queue in &timeline.queues {
        out.number(queue.points.len() as u64);
        out.differences(&queue.points, |point| point.0);
        out.plain(&queue.points, |point| point.1);
    }
    let marks = &timeline.marks;
    out.number(marks.len() as u64);
    out.differences(marks, |mark| mark.at);
    out.differences(marks, |mark| mark.row.into());
    out.differences(marks, |mark| mark.unit.number());
    out.differences(marks, |mark| mark.text.number());
    out.plain(marks, |mark| mark.is_fault.into());
    out.0
}

fn edges(timeline: &Timeline, out: &mut Columns) {
    for ends in EdgeKind::ALL.map(EdgeKind::ends) {
        out.text(ends.0);
        out.text(ends.1);
    }
    let edges = &timeline.edges;
    out.number(edges.len() as u64);
    out.plain(edges, |edge| edge.kind as u64);
    out.differences(edges, |edge| edge.begin);
    out.plain(edges, |edge| edge.end - edge.begin);
    out.differences(edges, |edge| edge.from.into());
    out.differences(edges, |edge| edge.to.into());
    out.differences(edges, |edge| edge.unit.number());
}

/// The small tables.
fn parts(timeline: &Timeline, out: &mut Columns) {
    out.number(timeline.processes.len() as u64);
    out.plain(&timeline.processes, |process| process.pid.into());
    out.plain(&timeline.processes, |process| process.role as u64);
    out.texts(timeline.threads.iter().map(|thread| thread.name.as_str()));
    out.plain(&timeline.threads, |thread| thread.lane as u64);
    out.plain(&timeline.threads, |thread| thread.process.into());
    out.plain(&timeline.threads, |thread| thread.dropped);
    out.plain(&timeline.threads, |thread| thread.row.into());
    out.texts(timeline.groups.iter().map(|group| group.name.as_str()));
    out.plain(&timeline.groups, |group| group.kind as u64);
    out.plain(&timeline.groups, |group| group.members.into());
    out.texts(timeline.rows.iter().map(|row| row.name.as_str()));
    out.differences(&timeline.rows, |row| row.group.into());
    out.texts(timeline.resources.iter().map(|resource| resource.name.as_str()));
    out.plain(&timeline.resources, |resource| resource.unit.number());
}

fn units(timeline: &Timeline, out: &mut Columns) {
    let units = &timeline.units;
    out.number(units.len() as u64);
    out.plain(units, |unit| unit.id.domain() as u64);
    out.differences(units, |unit| unit.id.number());
    out.plain(units, |unit| unit.process.into());
    let link = |out: &mut Columns, link: fn(&crate::Unit) -> Link| {
        out.differences(units, |unit| link(unit).number())
    };
    link(out, |unit| unit.label);
    link(out, |unit| unit.site);
    link(out, |unit| unit.parent);
    out.differences(units, |unit| unit.begin);
    out.plain(units, |unit| unit.end - unit.begin);
    out.plain(units, |unit| unit.outcome as u64);
    out.differences(units, |unit| unit.row.into());
}

fn spans(timeline: &Timeline, out: &mut Columns) {
    let spans = &timeline.spans;
    out.number(spans.len() as u64);
    out.differences(spans, |span| span.row.into());
    out.differences(spans, |span| span.begin);
    out.plain(spans, |span| span.end - span.begin);
    out.plain(spans, |span| span.state as u64);
    out.differences(spans, |span| span.unit.number());
    out.plain(spans, |span| span.cause as u64);
    out.differences(spans, |span| span.resource.number());
    out.differences(spans, |span| span.holder.number());
    out.differences(spans, |span| span.site.number());
    out.differences(spans, |span| span.thread.number());
    let merged: Vec<_> = spans.iter().filter(|span| span.state == State::Merged).collect();
    for state in [State::Ready, State::Running, State::Waiting] {
        out.plain(&merged, |span| span.shares[state as usize].into());
    }
}
