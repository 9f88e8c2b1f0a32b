//! A session in a forked child: it is the parent's, and the child may have one of its own.
#![cfg(not(loom))]

// Unsafe: fork and what goes with it.
#[allow(unsafe_code)]
#[path = "../../handle/tests/fork/sys.rs"]
mod sys;

use brigade_trace::{Domain, Id, Kind, Session, label, on, own_id, record, record_to, subject};
use std::{
    io::{Read, Write, pipe},
    thread,
};
use sys::Way;

fn events(session: Session) -> Vec<Kind> {
    let kinds = session.stop().events().map(|event| event.kind).collect::<Vec<_>>();
    kinds.into_iter().filter(|&kind| kind != Kind::Cpu).collect()
}

fn a_child_records_nothing_for_its_parent(way: Way) {
    let mut session = Some(Session::start(8).expect("there is no other"));
    record(Kind::Spawn, Id::new(Domain::Task, 1), 0);
    way.in_child(|| {
        record(Kind::Cancel, Id::new(Domain::Task, 1), 0);
        label(Id::new(Domain::Task, 1), || "a task".into());
        !on() && session.take().is_some_and(|session| events(session).is_empty())
    });
    record(Kind::Complete, Id::new(Domain::Task, 1), 0);
    assert_eq!(session.map(events), Some(vec![Kind::Spawn, Kind::Complete]));
}

fn a_child_may_record_for_itself(way: Way) {
    let mut parents = Some(Session::start(8).expect("there is no other"));
    record(Kind::Spawn, Id::new(Domain::Task, 1), 0);
    way.in_child(|| {
        let Ok(session) = Session::start(8) else { return false };
        drop(parents.take());
        record(Kind::Cancel, Id::new(Domain::Task, 1), 0);
        events(session) == [Kind::Cancel]
    });
    assert_eq!(parents.map(events), Some(vec![Kind::Spawn]));
}

/// A label or the subject of an error may be the first thing that a child asks of the trace.
fn a_child_records_nothing_whatever_it_asks_first(way: Way) {
    let parents = Session::start(8).expect("there is no other");
    let task = Id::new(Domain::Task, 1);
    way.in_child(|| {
        label(task, || "a task".into());
        let is_off = !on();
        record(Kind::Cancel, task, 0);
        is_off && !on()
    });
    way.in_child(|| subject(task).name().is_none() && !on());
    drop(parents);
}

/// A child's thread has a number of its own.
fn a_child_is_a_thread_of_its_own(way: Way) {
    let parents = own_id();
    way.in_child(|| {
        let Ok(session) = Session::start(8) else { return false };
        record(Kind::Park, own_id(), 0);
        let trace = session.stop();
        let (thread, child) = (&trace.threads[0], Id::new(Domain::Thread, u64::from(std::process::id())));
        child != parents && thread.id == child && thread.events.iter().all(|event| event.subject == child)
    });
}

/// A child that lives on has its parent's open files, and keeps none of them locked.
fn a_child_does_not_keep_the_file_of_a_recording(way: Way) {
    let path = std::env::temp_dir().join(format!("forked-{}.brigade", std::process::id()));
    let recording = record_to(&path).expect("nobody records to it");
    let ((began, mut begins), (mut ends, mut end)) = (pipe().expect("a pipe"), pipe().expect("a pipe"));
    let child = thread::spawn(move || {
        way.in_child(|| begins.write_all(b"b").is_ok() && ends.read(&mut [0]).is_ok());
    });
    began.take(1).read_to_end(&mut Vec::new()).expect("the child begins");
    drop(recording);
    let again = record_to(&path).map(drop);
    end.write_all(b"e").expect("the child reads");
    child.join().expect("the child ends");
    std::fs::remove_file(&path).expect("the recording is there");
    again.expect("the first recording is over");
}

fn main() {
    for &way in Way::ALL {
        a_child_records_nothing_whatever_it_asks_first(way);
        a_child_is_a_thread_of_its_own(way);
        a_child_records_nothing_for_its_parent(way);
        a_child_may_record_for_itself(way);
        a_child_does_not_keep_the_file_of_a_recording(way);
    }
    println!("a forked child leaves its parent's session alone: ok");
}
