//! Rows: one for each thread, and for units as few as possible.
//!
//! Units from one place in the program form a group. Within it, a unit takes the first row that is free when
//! it begins, so that a million short tasks need as many rows as were alive at one time.

use crate::model::{Group, GroupKind, Link, Process, Queue, Row, Span, State, Timeline, Unit};
use brigade_trace::{Domain, Role};
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
};

/// Gives every unit and every thread a row, and sorts the spans by row.
pub(super) fn assign(timeline: &mut Timeline, mut lane_spans: Vec<Span>) {
    threads(timeline, &mut lane_spans);
    units(timeline);
    let units = &timeline.units;
    for span in &mut timeline.spans {
        span.row = span.unit.get().map_or(0, |unit| units[unit].row);
    }
    ready_line(timeline);
    timeline.spans.append(&mut lane_spans);
    timeline.spans.sort_by_key(|span| (span.row, span.begin));
}

/// How a process is called in headings; nothing if it is the only program.
fn of_process(timeline: &Timeline, process: u32) -> String {
    let is_parent = |process: &Process| process.role == Role::Parent;
    match timeline.processes.get(process as usize) {
        Some(process) if !is_parent(process) => format!(" of worker process {}", process.pid),
        Some(process) if timeline.processes.iter().filter(|other| is_parent(other)).nth(1).is_some() => {
            format!(" of process {}", process.pid)
        }
        _ => String::new(),
    }
}

fn threads(timeline: &mut Timeline, spans: &mut [Span]) {
    let mut of = vec![Vec::new(); timeline.processes.len()];
    for (index, thread) in timeline.threads.iter().enumerate() {
        of[thread.process as usize].push(index);
    }
    for (process, indices) in (0..).zip(of) {
        let name = format!("threads{}", of_process(timeline, process));
        let group = timeline.groups.len() as u32;
        let members = indices.len() as u32;
        for index in indices {
            let thread = &mut timeline.threads[index];
            thread.row = timeline.rows.len() as u32;
            timeline.rows.push(Row { group, name: thread.name.clone(), depth: 0 });
        }
        timeline.groups.push(Group { name, kind: GroupKind::Threads, members });
    }
    for span in spans {
        span.row = timeline.threads[span.row as usize].row;
    }
}

/// The heading that a unit stands under.
fn heading(timeline: &Timeline, unit: &Unit) -> (GroupKind, String) {
    let kind = match unit.id.domain() {
        Domain::Child => return (GroupKind::Children, "child processes".into()),
        Domain::Task => "tasks",
        Domain::Job => "jobs",
        Domain::Call => "calls",
        _ => "futures",
    };
    let process = of_process(timeline, unit.process);
    let label = timeline.text(unit.label);
    let is_place = |label: &&str| label.contains(".rs:");
    let name = match (timeline.text(unit.site).or(label.filter(is_place)), label) {
        (Some(site), _) => format!("{kind} from {site}{process}"),
        (None, Some(label)) => {
            let family = label.trim_end_matches(|c: char| c.is_ascii_digit() || c == '#' || c == ' ');
            format!("{kind} {}{process}", if family.is_empty() { label } else { family })
        }
        (None, None) => format!("{kind}{process}"),
    };
    (GroupKind::Units, name)
}

fn units(timeline: &mut Timeline) {
    // The number of a heading, and its units in the order of their begin.
    let mut numbers: HashMap<(GroupKind, String), usize> = HashMap::new();
    let mut cache: HashMap<(Domain, u32, Link, Link), usize> = HashMap::new();
    let mut found: Vec<((GroupKind, String), Vec<usize>)> = Vec::new();
    let threads = &timeline.threads;
    for unit in timeline.units.iter_mut().filter(|unit| unit.is_thread()) {
        unit.row = threads[unit.row as usize].row;
    }
    for (index, unit) in timeline.units.iter().enumerate().filter(|(_, unit)| !unit.is_thread()) {
        let key = (unit.id.domain(), unit.process, unit.site, unit.label);
        let number = *cache.entry(key).or_insert_with(|| {
            let heading = heading(timeline, unit);
            *numbers.entry(heading.clone()).or_insert_with(|| {
                found.push((heading, Vec::new()));
                found.len() - 1
            })
        });
        found[number].1.push(index);
    }
    // Children stand right below the threads; the others in the order in which they appeared.
    found.sort_by_key(|((kind, _), _)| *kind != GroupKind::Children);
    for ((kind, name), members) in found {
        let group = timeline.groups.len() as u32;
        pack(timeline, group, &members);
        timeline.groups.push(Group { name, kind, members: members.len() as u32 });
    }
}

/// Gives each unit of a group the first row that is free when it begins.
fn pack(timeline: &mut Timeline, group: u32, members: &[usize]) {
    let first = timeline.rows.len();
    let mut busy: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
    let mut free: BinaryHeap<Reverse<usize>> = BinaryHeap::new();
    let mut shared: Vec<u32> = Vec::new();
    for &index in members {
        let (begin, end) = (timeline.units[index].begin, timeline.units[index].end);
        while let Some(&Reverse((until, row))) = busy.peek()
            && until < begin
        {
            busy.pop();
            free.push(Reverse(row));
        }
        let row = free.pop().map_or(shared.len(), |Reverse(row)| row);
        if row == shared.len() {
            shared.push(0);
            let name = timeline.name(&timeline.units[index]);
            timeline.rows.push(Row { group, name, depth: 0 });
        }
        shared[row] += 1;
        timeline.units[index].row = (first + row) as u32;
        busy.push(Reverse((end, row)));
    }
    for (row, &units) in shared.iter().enumerate().filter(|&(_, &units)| units > 1) {
        timeline.rows[first + row].name = format!("{units} units");
    }
}

/// The number of units that are ready, over time: the length of all run queues together.
fn ready_line(timeline: &mut Timeline) {
    let is_queued = |span: &&Span| {
        let domain = span.unit.get().map_or(Domain::None, |unit| timeline.units[unit].id.domain());
        span.state == State::Ready && domain != Domain::Child
    };
    let mut changes: Vec<(u64, i64)> = Vec::new();
    for span in timeline.spans.iter().filter(is_queued) {
        changes.extend([(span.begin, 1), (span.end, -1)]);
    }
    changes.sort_unstable();
    let mut points: Vec<(u64, u64)> = Vec::new();
    let mut depth = 0_i64;
    for (at, change) in changes {
        depth += change;
        match points.last_mut() {
            Some(last) if last.0 == at => last.1 = depth.unsigned_abs(),
            _ => points.push((at, depth.unsigned_abs())),
        }
    }
    if !points.is_empty() {
        timeline.queues.insert(0, Queue { name: "ready, not yet run".into(), points });
    }
}
