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
            // The times of a file may be anything.
            shortest = shortest.saturating_mul(2);
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
    let edges = timeline.edges.len();
    if edges > most / 2 {
        let step = edges.div_ceil(most / 2);
        timeline.edges = timeline.edges.iter().copied().step_by(step).collect();
        timeline.notes.push(format!("Of {edges} messages between processes, one in {step} has an arrow."));
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

/// Whether a span joins the one before it: both together are still short.
fn joins(last: &Span, span: &Span, shortest: u64) -> bool {
    last.row == span.row && span.end.saturating_sub(last.begin) < shortest
}

/// The number of spans that [`merged`] would leave.
fn count(spans: &[Span], shortest: u64) -> usize {
    let mut first: Option<&Span> = None;
    let mut kept = 0;
    for span in spans {
        if !first.is_some_and(|first| joins(first, span, shortest)) {
            (first, kept) = (Some(span), kept + 1);
        }
    }
    kept
}

/// The parts of 255 of the time from the begin of `last` to `end` in which the two spans were in each state.
fn shares(last: &Span, span: &Span, end: u64) -> [u8; 3] {
    let whole = (end - last.begin).max(1) as f64;
    let part = |span: &Span, state: usize| {
        let length = (span.end - span.begin) as f64;
        match span.state {
            State::Merged => length * f64::from(span.shares[state]) / 255.0,
            other if other as usize == state => length,
            _ => 0.0,
        }
    };
    // At least 1 of what occurred at all, however short, so that it is told.
    [0, 1, 2].map(|state| ((part(last, state) + part(span, state)) / whole * 255.0).ceil().min(255.0) as u8)
}

fn merged(spans: &[Span], shortest: u64) -> Vec<Span> {
    let mut kept: Vec<Span> = Vec::new();
    for span in spans {
        match kept.last_mut() {
            Some(last) if joins(last, span, shortest) => {
                let end = last.end.max(span.end);
                *last = Span {
                    end,
                    shares: shares(last, span, end),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_of_centuries_is_merged_as_far_as_its_rows_allow() {
        let none = Link::NONE;
        let span = |row| Span {
            row,
            begin: 0,
            end: 1,
            state: State::Running,
            unit: none,
            cause: Cause::Unknown,
            resource: none,
            holder: none,
            site: none,
            thread: none,
            shares: [0; 3],
        };
        let spans = (0..10).map(span).collect();
        let mut timeline = Timeline { length: u64::MAX, spans, ..Timeline::default() };
        merge(&mut timeline, 5);
        assert_eq!(timeline.spans.len(), 10);
    }

    #[test]
    fn short_spans_are_merged_to_pieces_that_are_still_short() {
        let none = Link::NONE;
        let span = |number: u64| Span {
            row: (number / 5000) as u32,
            begin: number % 5000 * 100,
            end: number % 5000 * 100 + 90,
            state: State::Running,
            unit: Link::to(number as usize),
            cause: Cause::Unknown,
            resource: none,
            holder: none,
            site: none,
            thread: none,
            shares: [0; 3],
        };
        let spans: Vec<_> = (0..10_000).map(span).collect();
        let mut timeline = Timeline { length: 500_000, spans, ..Timeline::default() };
        merge(&mut timeline, 1000);
        let left = timeline.spans.len();
        assert!((250..=1000).contains(&left), "{left} spans are left");
        assert!(
            timeline.spans.iter().all(|span| span.end - span.begin < 4096 && span.state == State::Merged)
        );
        assert!(timeline.notes[0].contains("drawn as one"), "{:?}", timeline.notes);
        merge(&mut timeline, 1000);
        assert_eq!((timeline.spans.len(), timeline.notes.len()), (left, 1));
    }
}
