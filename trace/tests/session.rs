//! Situations of a session. One test, since a process has one session at a time.
#![cfg(not(loom))]

use brigade_trace::{Busy, Cause, Domain, Id, Kind, Session, because, begin, end, fresh_id, label, record};
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

    assert_eq!(trace.dropped(), 2);
    let wake = trace.events().find(|event| event.kind == Kind::Wake).unwrap();
    assert_eq!((wake.subject, wake.by, wake.cause), (woken, waker, Cause::Unlock));
    let text = trace.to_string();
    assert!(
        text.contains("cook") && text.contains("\"the sleeper\"") && text.contains("because of unlock"),
        "{text}"
    );

    let second = Session::start(8).unwrap();
    let empty = second.stop();
    assert_eq!(empty.events().count(), 0, "the events of the first session are gone");
}
