//! Situations of a session. The tests take turns, since a process has one session at a time.
#![cfg(not(loom))]
// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use brigade_trace::{
    Busy, Cause, Domain, Id, Kind, Lane, Mode, Origin, Resource, Session, Trace, because, begin, current,
    end, fresh_id, label, own_id, record,
};
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
};

fn turn() -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn a_session_sees_who_woke_whom_and_why_and_then_nothing() {
    let _turn = turn();
    assert_eq!(fresh_id(Domain::Task), Id::NONE, "nobody listens yet");
    record(Kind::Spawn, Id::new(Domain::Task, 1), 0);

    let session = Session::start(8).unwrap();
    assert_eq!(Session::start(8).unwrap_err(), Busy);
    let (waker, woken) = (fresh_id(Domain::Task), fresh_id(Domain::Task));
    label(woken, || "the sleeper".to_owned());
    thread::Builder::new()
        .name("cook".into())
        .spawn(move || {
            begin(waker);
            because(Cause::Unlock, || record(Kind::Wake, woken, 0));
            end(waker, 1);
        })
        .unwrap()
        .join()
        .unwrap();
    for _ in 0..10 {
        record(Kind::Park, Id::NONE, 0);
    }
    let trace = session.stop();

    assert_eq!(trace.dropped(), 4, "two of ten sleeps, and the CPU time at the begin and at the end");
    let lanes: Vec<_> = trace.threads.iter().map(|thread| (thread.lane, thread.process)).collect();
    assert_eq!(lanes, [(Lane::Thread, std::process::id()); 2]);
    assert!(trace.threads.iter().all(|thread| thread.id == Id::new(Domain::Thread, thread.tid)));
    let cook = trace.threads.iter().find(|thread| thread.name == "cook").unwrap();
    let kinds: Vec<_> = cook.events.iter().map(|event| event.kind).collect();
    let run = [Kind::Cpu, Kind::RunBegin, Kind::Wake, Kind::RunEnd];
    assert_eq!(kinds[..4], run);
    assert_eq!(kinds.last(), Some(&Kind::Cpu), "the CPU time at the end of its part");
    let wake = trace.events().find(|event| event.kind == Kind::Wake).unwrap();
    assert_eq!((wake.subject, wake.by, wake.cause), (woken, waker, Cause::Unlock));
    let text = trace.to_string();
    assert!(
        text.contains("cook") && text.contains("\"the sleeper\"") && text.contains("because of unlock"),
        "{text}"
    );

    let second = Session::start(8).unwrap();
    let empty = second.stop();
    let gone = empty.events().all(|event| event.kind == Kind::Cpu);
    assert!(gone, "the events of the first session are gone");
}

#[test]
fn a_session_that_ends_within_a_run_leaves_no_task_behind() {
    let _turn = turn();
    let session = Session::start(16).unwrap();
    let dead = fresh_id(Domain::Task);
    begin(dead);
    drop(session);
    end(dead, 1);

    let session = Session::start(16).unwrap();
    assert_eq!(current(), Id::NONE);
    let (woken, next) = (fresh_id(Domain::Task), fresh_id(Domain::Task));
    record(Kind::Wake, woken, 0);
    begin(next);
    assert_eq!(current(), next);
    end(next, 1);
    let trace = session.stop();
    let by: Vec<_> = trace.events().map(|event| event.by).collect();
    assert!(!by.contains(&dead) && by.contains(&own_id()), "{trace}");
}

/// A session that keeps the last events of a program that makes threads for ever.
fn many_threads(count: usize) -> Trace {
    let session = Session::builder().capacity(4).mode(Mode::KeepLast).start().unwrap();
    for _ in 0..count {
        thread::spawn(|| record(Kind::Park, Id::NONE, 0)).join().unwrap();
    }
    session.stop()
}

#[test]
fn a_flight_recorder_keeps_the_rings_of_the_last_threads() {
    let _turn = turn();
    let trace = many_threads(200);
    assert!(trace.threads.len() < 80, "{} threads", trace.threads.len());
    let lost = &trace.threads[0];
    assert!(lost.name.ends_with("ended threads") && lost.events.is_empty(), "{lost:?}");
    let parks = trace.events().filter(|event| event.kind == Kind::Park).count();
    // Each thread has three events: its CPU time at the begin and at the end, and the park.
    assert!(parks >= 64 && lost.dropped == 3 * (200 - parks as u64), "{parks} kept, {lost:?}");
    assert!(trace.to_string().contains("earlier events are missing"));
}

#[test]
fn a_session_keeps_so_many_labels() {
    let _turn = turn();
    for mode in [Mode::KeepFirst, Mode::KeepLast] {
        let session = Session::builder().capacity(4).mode(mode).start().unwrap();
        let ids: Vec<_> = (0..70_000).map(|_| fresh_id(Domain::Future)).collect();
        ids.iter().for_each(|&id| label(id, || "soup".into()));
        let trace = session.stop();
        assert_eq!(trace.labels.len(), 1 << 16);
        let kept = [ids[0], ids[69_999]].map(|id| trace.labels.contains_key(&id));
        assert_eq!(kept, [mode == Mode::KeepFirst, mode == Mode::KeepLast]);
    }
}

#[test]
fn a_task_without_a_name_goes_by_the_line_that_spawned_it() {
    let _turn = turn();
    let session = Session::start(16).unwrap();
    let (origin, line) = (Origin::spawned(Domain::Task), line!());
    origin.record(Domain::Task, Kind::Cancel, 0);
    let place = format!("{}:{line}", file!());
    assert_eq!(origin.subject(Domain::Task).name(), Some(place.as_str()));
    let trace = session.stop();
    assert!(trace.labels.is_empty());
    assert_eq!(trace.to_string().matches(&format!("\"{place}\"")).count(), 2, "{trace}");
}

#[test]
fn a_wait_for_a_lock_that_nobody_holds_tells_no_holder() {
    let _turn = turn();
    let session = Session::start(16).unwrap();
    let lock = Resource::new(Domain::Lock);
    lock.still_held();
    lock.held(1);
    lock.still_held();
    lock.released_by_holder();
    lock.still_held();
    let trace = session.stop();
    let held: Vec<_> =
        trace.events().filter(|event| event.kind == Kind::Held).map(|event| event.by).collect();
    assert_eq!(held, [own_id(); 2]);
}

#[test]
fn the_code_that_makes_a_name_may_name_another_resource() {
    struct Nested<'a>(&'a Resource);
    impl From<Nested<'_>> for String {
        fn from(nested: Nested<'_>) -> Self {
            nested.0.set_name("inner");
            "outer".into()
        }
    }
    let _turn = turn();
    let (outer, inner) = (Resource::new(Domain::Lock), Resource::new(Domain::Lock));
    outer.set_name(Nested(&inner));
    let session = Session::start(16).unwrap();
    let labels = session.stop().labels;
    assert_eq!((labels[&outer.id()].as_str(), labels[&inner.id()].as_str()), ("outer", "inner"));
}

#[test]
fn a_dump_shows_no_control_characters() {
    let _turn = turn();
    let session = Session::start(16).unwrap();
    let task = fresh_id(Domain::Task);
    label(task, || "so\u{1b}[2Jup\n".into());
    record(Kind::Cancel, task, 0);
    let mut trace = session.stop();
    trace.threads[0].name = "ma\u{1b}in".into();
    let text = trace.to_string();
    assert!(text.lines().count() == trace.events().count() && !text.contains('\u{1b}'), "{text:?}");
}
