//! The phases of each task, from a trace.

use super::{Output, Style};
use brigade_trace::{Cause, Domain, Event, Id, Kind, Trace};
use serde_json::json;

/// Shows the phases of all tasks that have a name, oldest event first.
pub fn show_phases(output: &Output, trace: &Trace) {
    let mut events: Vec<_> = trace.events().filter(|event| event.subject.domain() == Domain::Task).collect();
    events.sort_by_key(|event| event.at);
    let start = events.first().map_or(0, |event| event.at);
    // All tasks are on one thread, so a task that is woken by an end is woken by the task that was closed
    // last.
    let mut closed = None;
    output.line("");
    output.line(output.paint(Style::Faint, "  from the trace"));
    for event in events {
        let (Some(name), Some(phase)) = (trace.labels.get(&event.subject), phase(trace, event, closed))
        else {
            continue;
        };
        if event.kind == Kind::Complete {
            closed = Some(name.as_str());
        }
        let at = (event.at - start) as f64 / 1e9;
        output.record(&json!({ "scenario": output.scenario(), "task": name, "at": at, "phase": phase }));
        output.line(format_args!("{at:11.6} s  {name:<13} {phase}"));
    }
}

fn phase(trace: &Trace, event: &Event, closed: Option<&str>) -> Option<String> {
    Some(match event.kind {
        Kind::Spawn => "create: the state machine is made, nothing runs yet".into(),
        Kind::RunBegin => "poll: it runs".into(),
        Kind::RunEnd if event.detail == 0 => "suspend: it waits, and its thread is free".into(),
        Kind::Wake => format!("wake: by {}", waker(trace, event, closed)),
        Kind::Complete => "close: its result is stored".into(),
        _ => return None,
    })
}

fn waker(trace: &Trace, event: &Event, closed: Option<&str>) -> String {
    let by = trace.labels.get(&event.by);
    match (event.cause, by) {
        (Cause::Timer, _) => "its timer".into(),
        (Cause::Join, None) => format!("the end of {}, which it awaits", closed.unwrap_or("another")),
        (_, Some(by)) => format!("{by}, which it awaits"),
        (Cause::Unknown, None) if event.by == Id::NONE => "the runtime".into(),
        (cause, None) => cause.name().into(),
    }
}
