//! Each scenario's recording has the picture that its lesson needs. The tests look at the events behind it:
//! which spans there are, in which order, and not at how long anything took.

// A test fails by panicking, and so do the functions that it calls.
#![allow(clippy::unwrap_used)]

mod common;

use brigade_timeline::{EdgeKind, GroupKind, Mark, Outcome, Span, State, Thread, Timeline, Unit};
use brigade_trace::{Cause, Domain, Recording, Role};
use common::{
    folder::Folder,
    program::{Ran, brigade},
};
use std::fs::File;

/// Runs a scenario and reads its recording.
fn timeline(arguments: &[&str]) -> Timeline {
    let folder = Folder::new();
    let path = folder.path().join("run.brigade");
    let ran = Ran::read(brigade(arguments).arg("--trace").arg(&path).output().unwrap());
    assert!(matches!(ran.code, Some(0 | 3)), "{arguments:?}: {:?} {}", ran.code, ran.stderr);
    let timeline = Timeline::of(&Recording::read_from(File::open(path).unwrap()).unwrap());
    assert_eq!(timeline.threads.iter().map(|thread| thread.dropped).sum::<u64>(), 0);
    timeline
}

/// The spans of the parent's thread with this name, in order.
fn lane<'a>(timeline: &'a Timeline, name: &str) -> impl Iterator<Item = &'a Span> + use<'a> {
    let is_it = |thread: &&Thread| {
        thread.name == name && timeline.processes[thread.process as usize].role == Role::Parent
    };
    let threads: Vec<_> = timeline.threads.iter().filter(is_it).collect();
    assert_eq!(threads.len(), 1, "{name}");
    let row = threads[0].row;
    timeline.spans.iter().filter(move |span| span.row == row)
}

/// The units with this name, in the order in which they were first seen.
fn units<'a>(timeline: &'a Timeline, name: &str) -> Vec<(usize, &'a Unit)> {
    timeline.units.iter().enumerate().filter(|(_, unit)| timeline.name(unit) == name).collect()
}

/// The spans of a unit in its own row, in order.
fn spans_of(timeline: &Timeline, unit: usize) -> impl Iterator<Item = &Span> {
    let row = timeline.units[unit].row;
    timeline.spans.iter().filter(move |span| span.row == row && span.unit.get() == Some(unit))
}

fn resource<'a>(timeline: &'a Timeline, span: &Span) -> &'a str {
    span.resource.get().map_or("", |resource| timeline.resources[resource].name.as_str())
}

/// The names of those who held the lock with this name, in order, with the spans.
fn holders<'a>(timeline: &'a Timeline, lock: &str) -> Vec<(String, &'a Span)> {
    let rows = timeline.rows.iter().enumerate();
    let is_lock = |row: &brigade_timeline::Row| {
        timeline.groups[row.group as usize].kind == GroupKind::Locks && row.name == lock
    };
    let rows: Vec<_> = rows.filter(|(_, row)| is_lock(row)).map(|(row, _)| row as u32).collect();
    let spans = timeline.spans.iter().filter(|span| rows.contains(&span.row));
    spans.map(|span| (timeline.name(&timeline.units[span.unit.get().unwrap()]), span)).collect()
}

fn marks(timeline: &Timeline, unit: usize) -> Vec<(&str, &Mark)> {
    let of_unit = timeline.marks.iter().filter(|mark| mark.unit.get() == Some(unit));
    of_unit.map(|mark| (timeline.text(mark.text).unwrap(), mark)).collect()
}

fn is_end_to_end(spans: &[&Span]) -> bool {
    spans.windows(2).all(|pair| pair[0].end <= pair[1].begin)
}

#[test]
fn sync_io_is_one_lane_with_five_waits_end_to_end() {
    let timeline = timeline(&["io", "sync", "--speed", "50"]);
    let waits: Vec<_> = lane(&timeline, "main").filter(|span| span.cause == Cause::Readiness).collect();
    assert_eq!(waits.len(), 5);
    assert!(is_end_to_end(&waits), "{waits:?}");
    assert!(waits.iter().all(|wait| resource(&timeline, wait).contains("GET http")));
}

#[test]
fn threads_wait_in_lanes_of_their_own_at_once() {
    let timeline = timeline(&["io", "threads"]);
    let of_lane = |number: u32| {
        let waits = lane(&timeline, &format!("fetch-{number}"));
        waits.filter(|span| span.cause == Cause::Readiness).collect::<Vec<_>>()
    };
    let lanes: Vec<Vec<_>> = (0..5).map(of_lane).collect();
    assert_eq!(lanes.iter().map(Vec::len).sum::<usize>(), 5);
    // On a busy machine a thread may come so late that another one has made its request.
    let firsts: Vec<_> = lanes.iter().filter_map(|waits| waits.first()).collect();
    assert!(firsts.len() > 1 && lanes.iter().all(|waits| is_end_to_end(waits)), "{lanes:?}");
    let (last_begin, first_end) =
        (firsts.iter().map(|wait| wait.begin).max(), firsts.iter().map(|wait| wait.end).min());
    assert!(last_begin < first_end, "they overlap: {firsts:?}");
}

#[test]
fn async_io_is_one_worker_over_five_stacked_waits() {
    let timeline = timeline(&["io", "async"]);
    let is_fetch = |unit: &Unit| {
        timeline.text(unit.site).is_some_and(|site| site.starts_with("demos/src/scenarios/io/tasks.rs"))
    };
    let tasks: Vec<_> = (0..timeline.units.len()).filter(|&unit| is_fetch(&timeline.units[unit])).collect();
    assert_eq!(tasks.len(), 5);
    let longest = |&task: &usize| {
        let waits = spans_of(&timeline, task).filter(|span| span.state == State::Waiting);
        waits.max_by_key(|wait| wait.end - wait.begin).unwrap()
    };
    let waits: Vec<_> = tasks.iter().map(longest).collect();
    assert!(waits.iter().all(|wait| wait.cause == Cause::Readiness), "{waits:?}");
    let (last_begin, first_end) =
        (waits.iter().map(|wait| wait.begin).max(), waits.iter().map(|wait| wait.end).min());
    assert!(last_begin < first_end, "they overlap: {waits:?}");
    let rows: std::collections::BTreeSet<_> = tasks.iter().map(|&task| timeline.units[task].row).collect();
    assert_eq!(rows.len(), 5, "a row each");
    // All of them run on the one thread.
    let main = timeline.threads.iter().position(|thread| thread.name == "main");
    let runs = tasks.iter().flat_map(|&task| spans_of(&timeline, task));
    assert!(runs.filter(|span| span.state == State::Running).all(|run| run.thread.get() == main));
}

#[test]
fn the_gil_is_a_token_that_one_thread_holds_at_a_time() {
    let timeline = timeline(&["gil", "--speed", "20"]);
    let held = holders(&timeline, "lock GIL");
    let spans: Vec<_> = held.iter().map(|(_, span)| *span).collect();
    // The rows of several models stand below one another; within a row nobody holds it beside another.
    let rows: std::collections::BTreeSet<_> = spans.iter().map(|span| span.row).collect();
    for row in rows {
        let of_row: Vec<_> = spans.iter().copied().filter(|span| span.row == row).collect();
        assert!(is_end_to_end(&of_row), "{of_row:?}");
    }
    for thread in ["thread 1", "thread 2"] {
        assert!(held.iter().any(|(name, _)| name == thread), "{thread} never held it");
    }
    let waits = |name: &str, holder: &str| {
        units(&timeline, name).into_iter().any(|(unit, _)| {
            spans_of(&timeline, unit).any(|span| {
                let held_by = span.holder.get().map(|unit| timeline.name(&timeline.units[unit]));
                span.state == State::Waiting && held_by.as_deref() == Some(holder)
            })
        })
    };
    assert!(waits("thread 1", "thread 2") || waits("thread 2", "thread 1"), "one waits for the other");
}

#[test]
fn the_race_is_two_columns_with_the_stale_store_marked() {
    let timeline = timeline(&["race"]);
    let [one, other] = ["worker 1", "worker 2"].map(|name| units(&timeline, name)[0].0);
    assert_ne!(timeline.units[one].row, timeline.units[other].row);
    let texts = |unit| marks(&timeline, unit).into_iter().map(|(text, _)| text).collect::<Vec<_>>();
    assert_eq!(texts(one), ["load n = 0", "store n = 1"]);
    assert_eq!(texts(other), ["load n = 0", "stale: loaded 0, but n is 1", "store n = 1"]);
    let at = |unit, text: &str| marks(&timeline, unit).iter().find(|mark| mark.0 == text).unwrap().1.at;
    assert!(at(other, "load n = 0") < at(one, "store n = 1"), "both load before one stores");
    assert!(at(one, "store n = 1") < at(other, "stale: loaded 0, but n is 1"));
}

#[test]
fn the_deadlock_is_a_cycle() {
    let timeline = timeline(&["deadlock", "--speed", "20"]);
    let faults: Vec<_> = timeline.marks.iter().filter(|mark| mark.is_fault).collect();
    assert_eq!(faults.len(), 2, "one in the row of each worker: {faults:?}");
    assert_ne!(faults[0].row, faults[1].row);
    let text = timeline.text(faults[0].text).unwrap();
    for words in
        ["deadlock: ", "waits for lock knife, held by worker-", "waits for lock board, held by worker-"]
    {
        assert!(text.contains(words), "{words} is not in {text}");
    }
    assert!(timeline.notes.iter().any(|note| note.starts_with("deadlock: ")), "{:?}", timeline.notes);
    for lock in ["lock knife", "lock board"] {
        assert!(!holders(&timeline, lock).is_empty(), "{lock}");
    }
    // The wait that was refused is shown as what it was: a wait for a lock.
    let waits = timeline.spans.iter().filter(|span| resource(&timeline, span) == "lock board");
    let mut waits = waits.filter(|span| span.state == State::Waiting).peekable();
    assert!(waits.peek().is_some() && waits.all(|wait| wait.cause == Cause::Unlock));
    let cured = self::timeline(&["deadlock", "--ordered", "--speed", "20"]);
    assert!(!cured.marks.iter().any(|mark| mark.is_fault), "{:?}", cured.notes);
}

#[test]
fn the_queue_has_a_line_of_depth_and_the_cut_of_the_timeout() {
    let timeline = timeline(&["queue", "--speed", "20"]);
    let depth = timeline.queues.iter().find(|queue| queue.name.starts_with("depth of queue")).unwrap();
    let most = depth.points.iter().map(|point| point.1).max();
    assert!(most >= Some(1) && most <= Some(2), "its room is 2: {most:?}");
    let (consumer, unit) = units(&timeline, "consumer")[0];
    assert_eq!(unit.outcome, Outcome::Cancelled);
    assert_eq!(marks(&timeline, consumer).iter().map(|mark| mark.0).collect::<Vec<_>>(), ["cancelled"]);
    let last = spans_of(&timeline, consumer).last().unwrap();
    assert_eq!(
        (last.state, last.cause, last.end),
        (State::Waiting, Cause::Item, unit.end),
        "cut in its wait"
    );
    // On a busy machine the timeout may come before the producer's end, and cut that as well.
    let producer = units(&timeline, "producer")[0].0;
    assert!(spans_of(&timeline, producer).any(|span| span.cause == Cause::Timer));
}

#[test]
fn the_kitchen_has_chefs_and_dishes() {
    let timeline = timeline(&["kitchen", "--speed", "20"]);
    for dish in ["soup", "pasta", "curry"] {
        let dishes: Vec<_> = units(&timeline, dish).into_iter().map(|(_, unit)| unit.id.domain()).collect();
        // By one chef, by a chef of its own, and in a kitchen of its own.
        assert_eq!(dishes, [Domain::Future, Domain::Job, Domain::Future], "{dish}");
    }
    // One chef: the lane of main shows one dish at a time, and each dish several times.
    let first_of = |dish: &str| units(&timeline, dish)[0].0;
    for dish in ["soup", "pasta", "curry"].map(first_of) {
        let hands = lane(&timeline, "main").filter(|span| span.unit.get() == Some(dish));
        assert!(hands.count() >= 2, "the chef comes back to {dish}");
        let simmers = spans_of(&timeline, dish).filter(|span| span.cause == Cause::Timer).count();
        assert_eq!(simmers, 2, "it simmers twice");
    }
    // Three chefs: a lane each, with one dish.
    for chef in ["chef-0", "chef-1", "chef-2"] {
        let cooked = lane(&timeline, chef).filter(|span| span.cause == Cause::Timer).count();
        assert_eq!(cooked, 2, "{chef} waits for the stove twice");
    }
    let calls = timeline.units.iter().filter(|unit| unit.id.domain() == Domain::Call).count();
    assert!(calls >= 12, "each step in a kitchen of its own is a call: {calls}");
}

/// The row of a thread, and the part of its process.
fn role_of_row(timeline: &Timeline, row: u32) -> Option<(u32, Role)> {
    let thread = timeline.threads.iter().find(|thread| thread.row == row)?;
    Some((thread.process, timeline.processes[thread.process as usize].role))
}

#[test]
fn calls_go_to_child_processes_and_answers_come_back() {
    let timeline = timeline(&["io", "processes", "--speed", "50"]);
    let of = |unit: usize| timeline.edges.iter().filter(move |edge| edge.unit.get() == Some(unit));
    let is_fetch = |unit: &Unit| {
        let site = timeline.text(unit.site).unwrap_or_default();
        unit.id.domain() == Domain::Call && site.starts_with("demos/src/scenarios/io/processes.rs")
    };
    let calls: Vec<_> = (0..timeline.units.len()).filter(|&unit| is_fetch(&timeline.units[unit])).collect();
    assert_eq!(calls.len(), 5);
    let mut children = std::collections::BTreeSet::new();
    for call in calls {
        let edges: Vec<_> = of(call).collect();
        assert_eq!(edges.iter().map(|edge| edge.kind).collect::<Vec<_>>(), [EdgeKind::Send, EdgeKind::Reply]);
        let [sent, answered] = [edges[0], edges[1]];
        let times = [sent.begin, sent.end, answered.begin, answered.end];
        assert!(times.is_sorted() && sent.end < answered.begin, "{times:?}");
        assert_eq!(sent.to, answered.from, "it is answered where it ran");
        for row in [sent.from, answered.to] {
            assert_eq!(role_of_row(&timeline, row).unwrap().1, Role::Parent);
        }
        let (child, role) = role_of_row(&timeline, sent.to).unwrap();
        assert_eq!(role, Role::Child);
        children.insert(child);
    }
    assert_eq!(children.len(), 5, "a child each");
    let is_child = |unit: &Unit| unit.id.domain() == Domain::Child;
    for child in (0..timeline.units.len()).filter(|&unit| is_child(&timeline.units[unit])) {
        let kinds: Vec<_> = of(child).map(|edge| edge.kind).collect();
        assert_eq!(kinds, [EdgeKind::Fork, EdgeKind::Exec, EdgeKind::Exit]);
    }
}

#[test]
fn producer_and_consumer_wait_for_each_other_at_the_queue() {
    let timeline = timeline(&["producer-consumer", "threads", "--speed", "50"]);
    let consumer = units(&timeline, "consumer")[0].0;
    let waits = spans_of(&timeline, consumer).filter(|span| span.cause == Cause::Item).count();
    assert!(waits >= 5, "it waits for each item: {waits}");
    assert!(timeline.queues.iter().any(|queue| queue.name.starts_with("depth of queue")));
}
