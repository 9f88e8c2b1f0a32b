//! A session in a forked child: it is the parent's, and the child may have one of its own.
#![cfg(not(loom))]

// Unsafe: fork and what goes with it.
#[allow(unsafe_code)]
#[path = "../../handle/tests/fork/sys.rs"]
mod sys;

use brigade_trace::{Domain, Id, Kind, Session, label, on, record};
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

fn main() {
    for &way in Way::ALL {
        a_child_records_nothing_for_its_parent(way);
        a_child_may_record_for_itself(way);
    }
    println!("a forked child leaves its parent's session alone: ok");
}
