//! The story of a run: which thread did what, in order.

use crate::outcome::{Line, Story};
use brigade_handle::explore::ManagedThread;
use brigade_trace::{Cause, Domain, Event, Id, Kind, Session, Trace};
use std::collections::HashMap;

/// The events that a thread may record in a run whose story is told.
const EVENTS: usize = 1 << 14;

/// Records a run.
pub(crate) struct Recorder(Option<Session>);

impl Recorder {
    pub(crate) fn start() -> Self {
        // A forked child has no session of its parent.
        Self(Session::start(EVENTS).ok())
    }

    /// Ends the recording. `deviations` are notes on choices, with the stamps of their moments. `stamps` are
    /// those of all choices.
    pub(crate) fn finish(
        self,
        threads: &[ManagedThread],
        deviations: Vec<(u64, u32, String)>,
        stamps: &[u64],
    ) -> Story {
        let Some(session) = self.0 else { return Story::default() };
        let trace = session.stop();
        let mut story = tell(&trace, threads, deviations, stamps);
        // A recording that cannot be written into memory is left out.
        let _ = trace.write_to(&mut story.recording);
        story
    }
}

/// Tells the events of a trace in the order in which they happened.
fn tell(
    trace: &Trace,
    threads: &[ManagedThread],
    deviations: Vec<(u64, u32, String)>,
    stamps: &[u64],
) -> Story {
    let since = trace.epoch.monotonic_nanos;
    let of_tid: HashMap<u64, u32> = (0..).zip(threads).map(|(index, thread)| (thread.tid, index)).collect();
    let name = |id: Id| match trace.labels.get(&id) {
        Some(label) => format!("{id} {label:?}"),
        None if id.domain() == Domain::Thread && of_tid.contains_key(&id.number()) => {
            threads[of_tid[&id.number()] as usize].name.clone()
        }
        None => id.to_string(),
    };
    let mut lines: Vec<(u64, Line)> = Vec::new();
    for thread in &trace.threads {
        let Some(&index) = of_tid.get(&thread.tid) else { continue };
        let mut before: Option<&Event> = None;
        for event in &thread.events {
            // The holder of the thing that a wait has just begun for, which may have taken it long before.
            let is_holder = before.is_some_and(|before| {
                (before.kind, before.by, event.kind) == (Kind::WaitBegin, event.subject, Kind::Held)
            });
            let text = if is_holder {
                Some(format!("(held by {})", name(event.by)))
            } else {
                text_of(trace, event, &name)
            };
            lines.extend(text.map(|text| (event.at, Line { thread: index, text, choices: 0 })));
            before = Some(event);
        }
    }
    for (stamp, thread, text) in deviations {
        lines.push((stamp.saturating_sub(since), Line { thread, text, choices: 0 }));
    }
    lines.sort_by_key(|&(at, _)| at);
    for (at, line) in &mut lines {
        let before = stamps.partition_point(|stamp| stamp.saturating_sub(since) <= *at);
        line.choices = u32::try_from(before).unwrap_or(u32::MAX);
    }
    Story {
        threads: threads.iter().map(|thread| thread.name.clone()).collect(),
        lines: lines.into_iter().map(|(_, line)| line).collect(),
        recording: Vec::new(),
    }
}

/// Returns the words for an event, if it belongs to a story.
fn text_of(trace: &Trace, event: &Event, name: &dyn Fn(Id) -> String) -> Option<String> {
    let subject = name(event.subject);
    let at = |site: u64| trace.sites.get(&site).map(|site| format!("  {}", short(site))).unwrap_or_default();
    Some(match event.kind {
        Kind::Spawn => format!("spawn {subject}{}", at(event.detail)),
        Kind::RunBegin => format!("run {subject}"),
        Kind::RunEnd if event.detail == 1 => format!("{subject} is done"),
        Kind::RunEnd => format!("{subject} waits"),
        Kind::Wake if event.by == Id::NONE => format!("wake {subject}{}", because(event.cause)),
        Kind::Wake => format!("wake {subject}{}", because(event.cause)),
        Kind::Cancel => format!("cancel {subject}"),
        Kind::Steal if event.by == Id::NONE => "steal".to_owned(),
        Kind::Steal => format!("steal from {}", name(event.by)),
        Kind::TimerFire => "a timer fires".to_owned(),
        Kind::WaitBegin => format!("{subject} waits for {}{}", name(event.by), at(event.detail)),
        Kind::WaitEnd if event.cause == Cause::Cancel => format!("{subject} gives {} up", name(event.by)),
        Kind::WaitEnd => format!("{subject} waited for {}", name(event.by)),
        Kind::Held if event.subject.domain() == Domain::Lock => format!("{} takes {subject}", name(event.by)),
        Kind::Released if event.subject.domain() == Domain::Lock => {
            format!("{} frees {subject}", name(event.by))
        }
        Kind::Held | Kind::Released => return None,
        _ => return None,
    })
}

fn because(cause: Cause) -> String {
    match cause {
        Cause::Unknown => String::new(),
        cause => format!(" ({})", cause.name()),
    }
}

/// Shortens `folder/file.rs:12:5` to `file.rs:12`.
fn short(site: &str) -> String {
    let file = site.rsplit('/').next().unwrap_or(site);
    let mut parts = file.splitn(3, ':');
    match (parts.next(), parts.next()) {
        (Some(file), Some(line)) => format!("{file}:{line}"),
        _ => file.to_owned(),
    }
}
