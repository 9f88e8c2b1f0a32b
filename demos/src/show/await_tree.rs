//! The tree of awaits, from a trace: each task, the futures that it polls as parts of itself, and the tasks
//! that it has spawned.

use super::{Output, Style};
use brigade_trace::{Domain, Event, Id, Kind, Trace};
use serde_json::json;
use std::collections::HashMap;

/// The tasks and futures of a trace that have a name, and who polls or spawned each.
pub(super) struct AwaitTree<'a> {
    trace: &'a Trace,
    /// In the order in which they appeared.
    ids: Vec<Id>,
    parents: HashMap<Id, Id>,
}

impl<'a> AwaitTree<'a> {
    pub(super) fn of(trace: &'a Trace) -> Self {
        let (mut ids, mut parents) = (Vec::new(), HashMap::new());
        for Event { kind, subject, by, .. } in events_in_order(trace) {
            // A task is spawned by its parent; a future is first polled by it.
            if matches!(kind, Kind::Spawn | Kind::RunBegin)
                && trace.labels.contains_key(&subject)
                && !parents.contains_key(&subject)
            {
                parents.insert(subject, by);
                ids.push(subject);
            }
        }
        Self { trace, ids, parents }
    }

    /// The name of a task or future, if it has one.
    pub(super) fn name(&self, id: Id) -> Option<&'a str> {
        self.trace.labels.get(&id).map(String::as_str)
    }

    /// The one that polls this future or has spawned this task, if that is in the tree.
    pub(super) fn parent(&self, id: Id) -> Option<Id> {
        self.parents.get(&id).copied().filter(|parent| self.parents.contains_key(parent))
    }

    /// The task of which this future is a part. A task is its own.
    pub(super) fn task_of(&self, id: Id) -> Option<Id> {
        let is_task = id.domain() == Domain::Task;
        if is_task { Some(id) } else { self.parent(id).and_then(|parent| self.task_of(parent)) }
    }

    /// How many futures stand between this one and its task.
    pub(super) fn depth_in_task(&self, id: Id) -> usize {
        match self.parent(id) {
            Some(parent) if id.domain() == Domain::Future => 1 + self.depth_in_task(parent),
            _ => 0,
        }
    }

    /// How far the name of each reaches to the right, when it is indented by its depth in the task.
    pub(super) fn name_width(&self) -> usize {
        let width =
            |&id: &Id| 2 * self.depth_in_task(id) + self.name(id).map_or(0, |name| name.chars().count());
        self.ids.iter().map(width).max().unwrap_or(0)
    }

    /// The rows of the drawing, from the root on.
    fn rows(&self) -> Vec<Row<'a>> {
        let mut rows = Vec::new();
        for &root in self.ids.iter().filter(|&&id| self.parent(id).is_none()) {
            self.add_rows(root, 0, &mut rows);
        }
        rows
    }

    fn add_rows(&self, id: Id, depth: usize, rows: &mut Vec<Row<'a>>) {
        let branch = if depth == 0 { String::new() } else { format!("{:1$}└─ ", "", 3 * (depth - 1)) };
        let is = match (id.domain(), self.task_of(id).and_then(|task| self.name(task))) {
            (Domain::Future, Some(task)) => format!("a future, polled inside the task {task}"),
            (_, _) if depth > 0 => "a task of its own".into(),
            (_, _) => "a task".into(),
        };
        rows.push(Row { branch, name: self.name(id).unwrap_or("?"), is });
        for &child in self.ids.iter().filter(|&&child| self.parent(child) == Some(id)) {
            self.add_rows(child, depth + 1, rows);
        }
    }
}

/// A row of the drawing.
struct Row<'a> {
    /// The line that leads to the name.
    branch: String,
    name: &'a str,
    /// The meaning of the name: a task, or a part of one.
    is: String,
}

/// All events of a trace in the order of time.
pub(super) fn events_in_order(trace: &Trace) -> Vec<Event> {
    let mut events: Vec<_> = trace.events().copied().collect();
    events.sort_by_key(|event| event.at);
    events
}

/// Draws the tree of awaits.
pub fn show_await_tree(output: &Output, trace: &Trace) {
    let rows = AwaitTree::of(trace).rows();
    let width =
        rows.iter().map(|row| row.branch.chars().count() + row.name.chars().count()).max().unwrap_or(0);
    output.line("");
    for Row { branch, name, is } in rows {
        output.record("branch", &json!({ "tree": name, "branch": branch, "is": is }));
        output.labelled(Style::Plain, &format!("  {:<width$}  ", branch + name), &is);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use brigade_trace::{Cause, ThreadTrace};

    pub(in crate::show) const TASK: Id = Id::new(Domain::Task, 1);
    pub(in crate::show) const FUTURE: Id = Id::new(Domain::Future, 2);
    pub(in crate::show) const CHILD: Id = Id::new(Domain::Task, 3);

    /// A trace with these events: what happened, to whom, by whom, why.
    pub(in crate::show) fn trace(names: &[(Id, &str)], events: &[(Kind, Id, Id, Cause)]) -> Trace {
        let event = |(at, &(kind, subject, by, cause)): (usize, &(Kind, Id, Id, Cause))| Event {
            at: at as u64,
            kind,
            subject,
            by,
            cause,
            detail: 0,
        };
        let events = events.iter().enumerate().map(event).collect();
        let labels = names.iter().map(|&(id, name)| (id, name.to_owned())).collect();
        let threads = vec![ThreadTrace { name: "main".into(), events, ..ThreadTrace::default() }];
        Trace { threads, labels, ..Trace::default() }
    }

    #[test]
    fn a_future_is_a_part_of_its_task_and_a_spawned_task_is_not() {
        let names = [(TASK, "outer"), (FUTURE, "inner"), (CHILD, "child")];
        let trace = trace(
            &names,
            &[
                (Kind::Spawn, TASK, Id::NONE, Cause::Unknown),
                (Kind::RunBegin, TASK, Id::NONE, Cause::Unknown),
                (Kind::RunBegin, FUTURE, TASK, Cause::Unknown),
                (Kind::Spawn, CHILD, FUTURE, Cause::Unknown),
                // The executor polls a task, so this says nothing of the tree.
                (Kind::RunBegin, CHILD, Id::NONE, Cause::Unknown),
            ],
        );
        let tree = AwaitTree::of(&trace);
        let rows: Vec<_> =
            tree.rows().into_iter().map(|Row { branch, name, is }| branch + name + ": " + &is).collect();
        let wanted = [
            "outer: a task",
            "└─ inner: a future, polled inside the task outer",
            "   └─ child: a task of its own",
        ];
        assert_eq!(rows, wanted);
        assert_eq!((tree.task_of(FUTURE), tree.task_of(CHILD)), (Some(TASK), Some(CHILD)));
        assert_eq!((tree.depth_in_task(FUTURE), tree.depth_in_task(CHILD)), (1, 0));
    }

    #[test]
    fn without_a_name_there_is_no_row() {
        let trace = trace(&[], &[(Kind::Spawn, TASK, Id::NONE, Cause::Unknown)]);
        assert!(AwaitTree::of(&trace).rows().is_empty());
    }
}
