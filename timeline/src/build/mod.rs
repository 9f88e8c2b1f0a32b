//! From events to a timeline.
//!
//! 1. `order.rs` puts the events of all threads on one clock, in one order.
//! 2. `story.rs` goes through them once. Each unit is a small state machine: spawned → ready → running →
//!    waiting → ready → … → done. Each change of state ends a span.
//! 3. `rows.rs` gives units rows: grouped by the place that spawned them, each in the first row that is free.
//! 4. `locks.rs` gives each lock that was waited for a row; `edges.rs` joins the rows of processes, and
//!    `marks.rs` puts the marks into rows.
//! 5. `merge.rs` merges short spans if there are more than a page can hold.

mod edges;
mod holders;
mod locks;
mod marks;
mod merge;
mod names;
pub(crate) mod order;
mod rows;
mod story;
mod thread;
mod unit;

use crate::model::{Thread, Timeline};
use brigade_trace::{Recording, Role};

/// How many spans a timeline keeps apart. A page with as many opens in about a second.
const SPANS_MAX: usize = 1_500_000;

impl Timeline {
    /// Puts the events of a recording in order, and turns them into rows of spans. If there are more than a
    /// page can hold, short spans are merged, and [`notes`](Self::notes) says so.
    #[must_use]
    pub fn of(recording: &Recording) -> Self {
        Self::with_spans_max(recording, SPANS_MAX)
    }

    pub(crate) fn with_spans_max(recording: &Recording, spans_max: usize) -> Self {
        let order = order::Order::of(recording);
        let story::Told { mut timeline, lane_spans, holds, edges } = story::tell(recording, &order);
        rows::assign(&mut timeline, lane_spans);
        locks::add(&mut timeline, holds);
        edges.finish(&mut timeline);
        marks::finish(&mut timeline);
        merge::merge(&mut timeline, spans_max);
        notes(recording, &mut timeline);
        timeline
    }
}

fn notes(recording: &Recording, timeline: &mut Timeline) {
    for thread in timeline.threads.iter().filter(|thread| thread.dropped > 0) {
        let Thread { name, dropped, .. } = thread;
        timeline.notes.push(format!("{dropped} events of the thread {name} are missing: its ring was full."));
    }
    for segment in recording.segments.iter().filter(|segment| segment.process.role == Role::Remote) {
        let pid = segment.process.pid;
        timeline.notes.push(format!(
            "The events of the worker process {pid} are missing: it shares no memory with the program."
        ));
    }
    timeline.notes.extend(
        recording.problems.iter().map(|problem| format!("Not all of the file could be read: {problem}.")),
    );
}
