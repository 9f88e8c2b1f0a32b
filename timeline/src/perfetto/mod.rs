//! The timeline as a trace of Perfetto: packets of its protobuf format, for <https://ui.perfetto.dev>.
//!
//! ```text
//! Trace ─ packet* ─┬─ track descriptor     a process, a thread, a row of units, a line of depth
//!                  └─ track event          begin or end of a slice, an instant, a value of a line
//! ```
//!
//! The numbers of the fields are those of `protos/perfetto/trace/*.proto`. Each row of the timeline is a
//! track, so slices nest nowhere. A wake-up is a flow from an instant on the waker's track to the slice in
//! which the woken unit is ready. An edge is a flow between two instants.

mod wire;

use crate::{
    model::{GroupKind, Link, Span, State, Timeline},
    words::harmless,
};
use std::collections::HashMap;
use wire::Message;

/// Fields of `Trace` and `TracePacket`.
const PACKET: u32 = 1;
const TIMESTAMP: u32 = 8;
const SEQUENCE: u32 = 10;
const TRACK_EVENT: u32 = 11;
const SEQUENCE_FLAGS: u32 = 13;
const TRACK_DESCRIPTOR: u32 = 60;
/// `SEQ_INCREMENTAL_STATE_CLEARED`: the first packet of a sequence says so.
const STATE_CLEARED: u64 = 1;

/// Fields of `TrackDescriptor`, `ProcessDescriptor` and `ThreadDescriptor`.
const UUID: u32 = 1;
const NAME: u32 = 2;
const PROCESS: u32 = 3;
const THREAD: u32 = 4;
const PARENT_UUID: u32 = 5;
const COUNTER: u32 = 8;
const PROCESS_PID: u32 = 1;
const PROCESS_NAME: u32 = 6;
const THREAD_PID: u32 = 1;
const THREAD_TID: u32 = 2;
const THREAD_NAME: u32 = 5;

/// Fields of `TrackEvent` and `DebugAnnotation`.
const DEBUG_ANNOTATION: u32 = 4;
const TYPE: u32 = 9;
const TRACK_UUID: u32 = 11;
const CATEGORY: u32 = 22;
const EVENT_NAME: u32 = 23;
const COUNTER_VALUE: u32 = 30;
const FLOW: u32 = 47;
const FLOW_END: u32 = 48;
const ANNOTATION_NAME: u32 = 10;
const ANNOTATION_TEXT: u32 = 6;

/// The types of a track event.
const SLICE_BEGIN: u64 = 1;
const SLICE_END: u64 = 2;
const INSTANT: u64 = 3;
const COUNTER_EVENT: u64 = 4;

/// The flows of edges have numbers above those of wake-ups.
const EDGE_FLOWS: u64 = 1 << 40;

/// The parts of the numbers that name tracks.
const OF_PROCESS: u64 = 1 << 32;
const OF_GROUP: u64 = 2 << 32;
const OF_ROW: u64 = 3 << 32;
const OF_QUEUE: u64 = 4 << 32;

/// Returns a file for Perfetto's viewer. Its times are nanoseconds since the first event.
///
/// ```
/// use brigade_timeline::{Timeline, perfetto};
///
/// assert!(perfetto(&Timeline::default()).is_empty());
/// ```
#[must_use]
pub fn perfetto(timeline: &Timeline) -> Vec<u8> {
    let mut file = File { timeline, out: Message::default(), is_begun: false };
    file.tracks();
    file.spans();
    file.wakes();
    file.edges();
    file.marks_and_depths();
    file.out.into_bytes()
}

struct File<'a> {
    timeline: &'a Timeline,
    out: Message,
    is_begun: bool,
}

impl File<'_> {
    fn packet(&mut self, at: Option<u64>, field: u32, content: Message) {
        let mut packet = Message::default();
        if let Some(at) = at {
            packet.number(TIMESTAMP, at);
        }
        packet.number(SEQUENCE, 1);
        if !std::mem::replace(&mut self.is_begun, true) {
            packet.number(SEQUENCE_FLAGS, STATE_CLEARED);
        }
        packet.message(field, content);
        self.out.message(PACKET, packet);
    }

    fn track(&mut self, uuid: u64, parent: Option<u64>, name: &str, more: impl FnOnce(&mut Message)) {
        let mut track = Message::default();
        track.number(UUID, uuid);
        if !name.is_empty() {
            track.text(NAME, &harmless(name));
        }
        if let Some(parent) = parent {
            track.number(PARENT_UUID, parent);
        }
        more(&mut track);
        self.packet(None, TRACK_DESCRIPTOR, track);
    }

    /// The process of a group of units: that of its first unit.
    fn process_of_groups(&self) -> HashMap<u32, u32> {
        let timeline = self.timeline;
        let mut of = HashMap::new();
        for unit in timeline.units.iter().filter(|unit| !unit.is_thread()) {
            of.entry(timeline.rows[unit.row as usize].group).or_insert(unit.process);
        }
        of
    }

    fn tracks(&mut self) {
        let timeline = self.timeline;
        // A process without a number gets one of its own.
        let pid = |process: u32| match timeline.processes[process as usize].pid {
            0 => u64::from(process) + 1,
            pid => u64::from(pid),
        };
        for (number, process) in (0..).zip(&timeline.processes) {
            let mut content = Message::default();
            content.number(PROCESS_PID, pid(number));
            content.text(PROCESS_NAME, &format!("brigade {}", format!("{:?}", process.role).to_lowercase()));
            self.track(OF_PROCESS + u64::from(number), None, "", |track| track.message(PROCESS, content));
        }
        let threads: HashMap<u32, usize> =
            timeline.threads.iter().enumerate().map(|(index, thread)| (thread.row, index)).collect();
        let of_group = self.process_of_groups();
        for (number, group) in
            (0..).zip(&timeline.groups).filter(|(_, group)| group.kind != GroupKind::Threads)
        {
            let parent = OF_PROCESS + u64::from(of_group.get(&number).copied().unwrap_or(0));
            self.track(OF_GROUP + u64::from(number), Some(parent), &group.name, |_| ());
        }
        for (number, row) in (0..).zip(&timeline.rows) {
            let uuid = OF_ROW + u64::from(number);
            let Some(&index) = threads.get(&number) else {
                self.track(uuid, Some(OF_GROUP + u64::from(row.group)), &row.name, |_| ());
                continue;
            };
            let thread = &timeline.threads[index];
            let mut content = Message::default();
            content.number(THREAD_PID, pid(thread.process));
            // The recording's own numbers of threads are not in the timeline; these only tell them apart.
            content.number(THREAD_TID, (1 << 24) + index as u64);
            content.text(THREAD_NAME, &harmless(&thread.name));
            let parent = OF_PROCESS + u64::from(thread.process);
            self.track(uuid, Some(parent), "", |track| track.message(THREAD, content));
        }
        for (number, queue) in (0..).zip(&timeline.queues) {
            self.track(OF_QUEUE + number, Some(OF_PROCESS), &queue.name, |track| {
                track.message(COUNTER, Message::default());
            });
        }
    }

    fn name(&self, unit: Link) -> Option<String> {
        unit.get().map(|unit| harmless(&self.timeline.name(&self.timeline.units[unit])))
    }

    fn title(&self, span: &Span) -> (&'static str, String) {
        let unit = self.name(span.unit);
        let timeline = self.timeline;
        let wanted = span.resource.get().map(|resource| &timeline.resources[resource].name);
        match span.state {
            State::Running => ("run", unit.unwrap_or_else(|| "runs".into())),
            State::Ready => ("ready", "ready, not yet run".into()),
            State::Waiting => match wanted {
                Some(wanted) => ("wait", format!("waits for {}", harmless(wanted))),
                None => ("wait", format!("waits: {}", span.cause.name())),
            },
            State::Parked => ("parked", "sleeps".into()),
            State::Merged => ("merged", "many short spans".into()),
        }
    }

    fn spans(&mut self) {
        // For each unit that was woken, the number of the wake-up, by the moment.
        let wakes = self.timeline.wakes.iter().enumerate();
        let woken: HashMap<(u64, Link), u64> =
            wakes.map(|(number, wake)| ((wake.at, wake.to), number as u64 + 1)).collect();
        for span in &self.timeline.spans {
            let track = OF_ROW + u64::from(span.row);
            let (category, title) = self.title(span);
            let mut event = Message::default();
            event.number(TYPE, SLICE_BEGIN);
            event.number(TRACK_UUID, track);
            event.text(CATEGORY, category);
            event.text(EVENT_NAME, &title);
            if span.state == State::Ready
                && let Some(&flow) = woken.get(&(span.begin, span.unit))
            {
                event.fixed(FLOW_END, flow);
            }
            let site = self.timeline.text(span.site).map(harmless);
            let cause = Some(span.cause.name().to_owned()).filter(|cause| !cause.is_empty());
            let notes = [
                ("unit", self.name(span.unit)),
                ("held by", self.name(span.holder)),
                ("at", site),
                ("until", cause),
            ];
            for (name, text) in notes.into_iter().filter_map(|(name, text)| Some((name, text?))) {
                let mut note = Message::default();
                note.text(ANNOTATION_NAME, name);
                note.text(ANNOTATION_TEXT, &text);
                event.message(DEBUG_ANNOTATION, note);
            }
            self.packet(Some(span.begin), TRACK_EVENT, event);
            let mut end = Message::default();
            end.number(TYPE, SLICE_END);
            end.number(TRACK_UUID, track);
            self.packet(Some(span.end), TRACK_EVENT, end);
        }
    }

    fn instant(&mut self, (at, row): (u64, u32), name: &str, category: &str, flow: Option<(u32, u64)>) {
        let mut event = Message::default();
        event.number(TYPE, INSTANT);
        event.number(TRACK_UUID, OF_ROW + u64::from(row));
        event.text(CATEGORY, category);
        event.text(EVENT_NAME, &harmless(name));
        if let Some((field, flow)) = flow {
            event.fixed(field, flow);
        }
        self.packet(Some(at), TRACK_EVENT, event);
    }

    /// An instant at each end of an edge, and a flow from one to the other.
    fn edges(&mut self) {
        for (number, edge) in (EDGE_FLOWS..).zip(&self.timeline.edges) {
            let Some(unit) = self.name(edge.unit) else { continue };
            let (left, arrived) = edge.kind.ends();
            self.instant((edge.begin, edge.from), &format!("{unit} {left}"), "process", Some((FLOW, number)));
            let end = Some((FLOW_END, number));
            self.instant((edge.end, edge.to), &format!("{unit} {arrived}"), "process", end);
        }
    }

    fn wakes(&mut self) {
        for (number, wake) in (1..).zip(&self.timeline.wakes) {
            let from = wake.from.get().map(|unit| self.timeline.units[unit].row);
            let from = from.or_else(|| Some(self.timeline.threads[wake.thread.get()?].row));
            if let (Some(row), Some(to)) = (from, self.name(wake.to)) {
                self.instant((wake.at, row), &format!("wakes {to}"), "wake", Some((FLOW, number)));
            }
        }
    }

    fn marks_and_depths(&mut self) {
        for mark in &self.timeline.marks {
            let words = self.timeline.text(mark.text).unwrap_or_default();
            self.instant((mark.at, mark.row), words, if mark.is_fault { "fault" } else { "mark" }, None);
        }
        for (number, queue) in (0..).zip(&self.timeline.queues) {
            for &(at, depth) in &queue.points {
                let mut event = Message::default();
                event.number(TYPE, COUNTER_EVENT);
                event.number(TRACK_UUID, OF_QUEUE + number);
                event.number(COUNTER_VALUE, depth);
                self.packet(Some(at), TRACK_EVENT, event);
            }
        }
    }
}
