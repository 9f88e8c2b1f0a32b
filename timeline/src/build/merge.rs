//! Merging of spans that are too short to keep apart, if there are too many.

use crate::model::{Link, Span, State, Timeline};
use brigade_trace::Cause;

/// Merges neighbours in a row that are shorter than some time, which is doubled until few enough are left.
pub(super) fn merge(timeline: &mut Timeline, spans_max: usize) {
    let before = timeline.spans.len();
    let mut shortest = 0;
    if before > spans_max {
        shortest = 256;
        while count(&timeline.spans, shortest) > spans_max && shortest < timeline.length {
            shortest *= 2;
        }
        timeline.spans = merged(&timeline.spans, shortest);
        let gone = before - timeline.spans.len();
        timeline.notes.push(format!(
            "{} events are more than a page shows: {gone} spans shorter than {} µs are drawn as one with their neighbours.",
            timeline.events,
            shortest as f64 / 1e3,
        ));
    }
    thin(timeline, spans_max, shortest);
}

/// Leaves out arrows and points that nobody can see, if there are too many.
fn thin(timeline: &mut Timeline, most: usize, shortest: u64) {
    let wakes = timeline.wakes.len();
    if wakes > most / 2 {
        let step = wakes.div_ceil(most / 2);
        timeline.wakes = timeline.wakes.iter().copied().step_by(step).collect();
        timeline.notes.push(format!("Of {wakes} wake-ups, one in {step} has an arrow."));
    }
    for queue in timeline.queues.iter_mut().filter(|queue| queue.points.len() > most / 2) {
        let width = shortest.max(timeline.length / (most as u64 / 4).max(1)).max(1);
        // The greatest depth of each piece of time.
        let mut kept: Vec<(u64, u64)> = Vec::new();
        for &(at, depth) in &queue.points {
            match kept.last_mut() {
                Some(last) if last.0 / width == at / width => last.1 = last.1.max(depth),
                _ => kept.push((at, depth)),
            }
        }
        queue.points = kept;
    }
}

/// Whether a span joins the one before it.
fn joins(last: &Span, span: &Span, shortest: u64) -> bool {
    let is_short = |span: &Span| span.state == State::Merged || span.end - span.begin < shortest;
    last.row == span.row && is_short(last) && is_short(span) && span.begin.saturating_sub(last.end) < shortest
}

fn count(spans: &[Span], shortest: u64) -> usize {
    let joined = spans.windows(2).filter(|pair| joins(&pair[0], &pair[1], shortest)).count();
    spans.len() - joined
}

fn merged(spans: &[Span], shortest: u64) -> Vec<Span> {
    let mut kept: Vec<Span> = Vec::new();
    for span in spans {
        match kept.last_mut() {
            Some(last) if joins(last, span, shortest) => {
                *last = Span {
                    end: last.end.max(span.end),
                    state: State::Merged,
                    unit: if last.unit == span.unit { last.unit } else { Link::NONE },
                    cause: Cause::Unknown,
                    resource: Link::NONE,
                    holder: Link::NONE,
                    site: Link::NONE,
                    ..*last
                };
            }
            _ => kept.push(*span),
        }
    }
    kept
}
