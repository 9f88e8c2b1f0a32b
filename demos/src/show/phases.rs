//! The phases of each task, from a trace, and the polls of the futures inside it.

use super::{
    Output, Style,
    await_tree::{AwaitTree, events_in_order},
};
use brigade_trace::{Cause, Domain, Event, Id, Kind, Trace};
use serde_json::json;

/// Shows the phases of all tasks and futures that have a name, oldest event first. The name of a future is
/// indented below that of its task.
pub fn show_phases(output: &Output, trace: &Trace) {
    let tree = AwaitTree::of(trace);
    let width = tree.name_width().max(12);
    output.line("");
    output.line(output.paint(Style::Faint, "  from the trace"));
    for Phase { at, id, text } in phases(&tree, &events_in_order(trace)) {
        let task = tree.task_of(id).and_then(|task| tree.name(task));
        let name = tree.name(id).unwrap_or("?");
        let mut record = json!({ "task": task, "at": at, "phase": text });
        if id.domain() == Domain::Future {
            record["future"] = name.into();
        }
        output.record("phase", &record);
        let name = format!("{:1$}{name}", "", 2 * tree.depth_in_task(id));
        output.labelled(Style::Plain, &format!("{at:11.6} s  {name:<width$}  "), &text);
    }
}

/// A line about one event.
struct Phase {
    /// In seconds since the first event.
    at: f64,
    id: Id,
    text: String,
}

fn phases(tree: &AwaitTree<'_>, events: &[Event]) -> Vec<Phase> {
    let start = events.first().map_or(0, |event| event.at);
    // All tasks are on one thread, so a task that is woken by an end is woken by the task that was closed
    // last.
    let mut closed = None;
    let mut phases = Vec::new();
    for event in events {
        // A timer that is set is a phase of the future that set it.
        let id = if event.kind == Kind::TimerSet { event.by } else { event.subject };
        if tree.name(id).is_none() {
            continue;
        }
        let text = match id.domain() {
            Domain::Task => phase_of_task(tree, event, closed),
            Domain::Future => phase_of_future(tree, id, event),
            _ => None,
        };
        if event.kind == Kind::Complete {
            closed = tree.name(id);
        }
        let at = (event.at - start) as f64 / 1e9;
        phases.extend(text.map(|text| Phase { at, id, text }));
    }
    phases
}

fn phase_of_task(tree: &AwaitTree<'_>, event: &Event, closed: Option<&str>) -> Option<String> {
    Some(match event.kind {
        Kind::Spawn => "create: the state machine is made, nothing runs yet".into(),
        Kind::RunBegin => "poll: it runs".into(),
        Kind::RunEnd if event.detail == 0 => "suspend: it waits, and its thread is free".into(),
        Kind::Wake => format!("wake: by {}", waker(tree, event, closed)),
        Kind::Complete => "close: its result is stored".into(),
        _ => return None,
    })
}

fn phase_of_future(tree: &AwaitTree<'_>, id: Id, event: &Event) -> Option<String> {
    Some(match event.kind {
        Kind::RunBegin => format!("poll: {} awaits it", tree.parent(id).and_then(|id| tree.name(id))?),
        Kind::RunEnd if event.detail == 0 => "pending".into(),
        Kind::RunEnd => "ready".into(),
        Kind::TimerSet => format!("sets a timer, to wake {}", tree.task_of(id).and_then(|id| tree.name(id))?),
        _ => return None,
    })
}

fn waker(tree: &AwaitTree<'_>, event: &Event, closed: Option<&str>) -> String {
    match (event.cause, tree.name(event.by)) {
        (Cause::Timer, _) => "its timer".into(),
        (Cause::Join, None) => format!("the end of {}, which it awaits", closed.unwrap_or("another")),
        (_, Some(by)) => format!("{by}, which it awaits"),
        (Cause::Unknown, None) if event.by == Id::NONE => "the runtime".into(),
        (cause, None) => cause.name().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::await_tree::tests::{CHILD, FUTURE, TASK, trace},
        *,
    };

    #[test]
    fn the_phases_of_a_future_name_its_task_and_who_awaits_it() {
        let events = [
            (Kind::Spawn, TASK, Id::NONE, Cause::Unknown),
            (Kind::RunBegin, FUTURE, TASK, Cause::Unknown),
            (Kind::TimerSet, Id::NONE, FUTURE, Cause::Unknown),
            (Kind::RunEnd, FUTURE, TASK, Cause::Unknown),
            (Kind::Wake, TASK, Id::NONE, Cause::Timer),
            // This task has no name, so there is no line about it, but its end is one of an awaited task.
            (Kind::Complete, CHILD, Id::NONE, Cause::Unknown),
            (Kind::Wake, TASK, Id::NONE, Cause::Join),
        ];
        let trace = trace(&[(TASK, "outer"), (FUTURE, "inner")], &events);
        let lines = phases(&AwaitTree::of(&trace), &events_in_order(&trace));
        let texts: Vec<_> = lines.iter().map(|phase| phase.text.as_str()).collect();
        let wanted = [
            "create: the state machine is made, nothing runs yet",
            "poll: outer awaits it",
            "sets a timer, to wake outer",
            "pending",
            "wake: by its timer",
            "wake: by the end of another, which it awaits",
        ];
        assert_eq!(texts, wanted);
        assert_eq!([lines[1].id, lines[2].id, lines[4].id], [FUTURE, FUTURE, TASK]);
    }
}
