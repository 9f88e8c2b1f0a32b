//! Rows of locks: who holds each, and when.

use crate::model::{Group, GroupKind, Link, Row, Span, State, Timeline};
use brigade_trace::Cause;
use std::collections::{HashMap, HashSet};

/// A page shows this many locks: those that were waited for the longest.
const LOCKS_MAX: usize = 32;

/// The times for which locks were held.
#[derive(Debug, Default)]
pub(super) struct Holds {
    /// For each lock that is held, since when and by which unit.
    open: HashMap<Link, (u64, Link)>,
    spans: Vec<Span>,
    waited_for: HashSet<Link>,
}

impl Holds {
    /// Somebody waits for this resource. A lock that nobody waits for has no row.
    pub(super) fn waited_for(&mut self, resource: Link) {
        self.waited_for.insert(resource);
    }

    /// The lock is held by this unit, or no longer. A trace may say the first several times.
    pub(super) fn change(&mut self, at: u64, lock: Link, holder: Link, is_held: bool) {
        if is_held && self.open.get(&lock).is_some_and(|open| open.1 == holder) {
            return;
        }
        if let Some((since, holder)) = self.open.remove(&lock) {
            self.push(lock, since, at, holder);
        }
        if is_held {
            self.open.insert(lock, (at, holder));
        }
    }

    /// The end of the recording.
    pub(super) fn close(&mut self, at: u64) {
        for (lock, (since, holder)) in std::mem::take(&mut self.open) {
            self.push(lock, since, at, holder);
        }
    }

    fn push(&mut self, resource: Link, begin: u64, end: u64, unit: Link) {
        self.spans.push(Span {
            row: 0,
            begin,
            end,
            state: State::Running,
            unit,
            cause: Cause::Unknown,
            resource,
            holder: Link::NONE,
            site: Link::NONE,
            thread: Link::NONE,
            shares: [0; 3],
        });
    }
}

/// Adds a group with a row for each lock that was waited for.
pub(super) fn add(timeline: &mut Timeline, holds: Holds) {
    let mut waited: HashMap<Link, u64> = holds.waited_for.iter().map(|&lock| (lock, 0)).collect();
    for span in timeline.spans.iter().filter(|span| span.state == State::Waiting) {
        if let Some(time) = waited.get_mut(&span.resource) {
            *time = time.saturating_add(span.end - span.begin);
        }
    }
    let held: HashSet<Link> = holds.spans.iter().map(|span| span.resource).collect();
    let mut locks: Vec<Link> = held.into_iter().filter(|lock| waited.contains_key(lock)).collect();
    locks.sort_by_key(|lock| (std::cmp::Reverse(waited[lock]), *lock));
    locks.truncate(LOCKS_MAX);
    if locks.is_empty() {
        return;
    }
    let group = timeline.groups.len() as u32;
    timeline.groups.push(Group {
        name: "locks, by holder".into(),
        kind: GroupKind::Locks,
        members: locks.len() as u32,
    });
    let mut rows = HashMap::new();
    for lock in locks {
        rows.insert(lock, timeline.rows.len() as u32);
        let name = timeline.resources[lock.get().expect("a lock that was held is known")].name.clone();
        timeline.rows.push(Row { group, name, depth: 0 });
    }
    let with_row = |span: &Span| Some(Span { row: *rows.get(&span.resource)?, ..*span });
    let mut spans: Vec<Span> = holds.spans.iter().filter_map(with_row).collect();
    // These rows are the last ones.
    spans.sort_by_key(|span| (span.row, span.begin));
    timeline.spans.append(&mut spans);
}
