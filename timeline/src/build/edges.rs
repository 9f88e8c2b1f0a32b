//! Edges between the lanes of processes: a fork, a call on its way to a child, its answer, the end of a
//! child.

use crate::model::{Edge, EdgeKind, Link, Timeline};
use std::collections::HashMap;

/// A row that an edge begins or ends at.
#[derive(Debug, Clone, Copy)]
pub(super) enum At {
    /// The row of this thread.
    Thread(Link),
    /// The row of this child process, if no thread of it recorded the event.
    Child(Link),
}

#[derive(Debug)]
struct Draft {
    kind: EdgeKind,
    begin: (u64, At),
    end: (u64, At),
    unit: Link,
}

/// The edges, while the events are gone through.
#[derive(Debug, Default)]
pub(super) struct Edges {
    drafts: Vec<Draft>,
    /// The calls that were sent and have not begun, by the number of their draft.
    sent: HashMap<Link, usize>,
    /// For each call that ended in a child and is not received: when, and in which row.
    ended: HashMap<Link, (u64, At)>,
}

impl Edges {
    /// Something that happens to a child process, as the parent sees it.
    pub(super) fn of_child(&mut self, kind: EdgeKind, at: u64, thread: Link, child: Link) {
        let (mut begin, mut end) = ((at, At::Child(child)), (at, At::Thread(thread)));
        if kind == EdgeKind::Fork {
            std::mem::swap(&mut begin, &mut end);
        }
        self.drafts.push(Draft { kind, begin, end, unit: child });
    }

    /// The parent's thread has sent a call to a child. If that records nothing, the edge ends at its row.
    pub(super) fn send(&mut self, at: u64, thread: Link, call: Link, child: Link) {
        self.sent.insert(call, self.drafts.len());
        let (begin, end) = ((at, At::Thread(thread)), (at, At::Child(child)));
        self.drafts.push(Draft { kind: EdgeKind::Send, begin, end, unit: call });
    }

    /// A thread of a child begins to run a call.
    pub(super) fn begin(&mut self, at: u64, thread: Link, call: Link) {
        if let Some(draft) = self.sent.remove(&call) {
            self.drafts[draft].end = (at, At::Thread(thread));
        }
    }

    /// A thread of a child has run a call.
    pub(super) fn end(&mut self, at: u64, thread: Link, call: Link) {
        self.ended.insert(call, (at, At::Thread(thread)));
    }

    /// The parent's thread has the answer to a call, which ran in this child.
    pub(super) fn receive(&mut self, at: u64, thread: Link, call: Link, child: Link) {
        let seen = self.ended.remove(&call);
        let begin = seen.or_else(|| child.get().map(|_| (at, At::Child(child))));
        if let Some(begin) = begin {
            let end = (at, At::Thread(thread));
            self.drafts.push(Draft { kind: EdgeKind::Reply, begin, end, unit: call });
        }
    }

    /// Adds the edges to the timeline, whose threads and units have rows by now.
    pub(super) fn finish(self, timeline: &mut Timeline) {
        let row = |at: At| match at {
            At::Thread(thread) => timeline.threads[thread.get().expect("a lane has a thread")].row,
            At::Child(child) => timeline.units[child.get().expect("the child is known")].row,
        };
        let edge = |draft: &Draft| Edge {
            kind: draft.kind,
            begin: draft.begin.0,
            from: row(draft.begin.1),
            end: draft.end.0,
            to: row(draft.end.1),
            unit: draft.unit,
        };
        let mut edges: Vec<Edge> = self.drafts.iter().map(edge).collect();
        edges.sort_by_key(|edge| edge.begin);
        timeline.edges = edges;
    }
}
