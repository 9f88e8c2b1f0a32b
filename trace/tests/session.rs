//! Situations of a session. One test, since a process has one session at a time.
#![cfg(not(loom))]

use brigade_trace::{
    Busy, Cause, Domain, Id, Kind, Lane, Session, because, begin, end, fresh_id, label, record,
};
use std::thread;

#[test]
fn a_session_sees_who_woke_whom_and_why_and_then_nothing() {
    assert_eq!(fresh_id(Domain::Task), Id::NONE, "nobody listens yet");
    record(Kind::Spawn, Id::new(Domain::Task, 1), 0);

    let session = Session::start(8).unwrap();
    assert_eq!(Session::start(8).unwrap_err(), Busy);
    let (waker, woken) = (fresh_id(Domain::Task), fresh_id(Domain::Task));
    label(woken, || "the sleeper".to_owned());
    thread::Builder::new()
        .name("cook".into())
        .spawn(move || {
            let before = begin(waker);
            because(Cause::Unlock, || record(Kind::Wake, woken, 0));
            end(waker, before, 1);
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
