//! The events that a pool records in a trace.
#![cfg(not(loom))]

use brigade_pool::Pool;
use brigade_trace::{Domain, Kind, Session};
use std::sync::mpsc;

#[test]
fn a_job_leaves_its_life_in_the_trace() {
    let session = Session::start(1 << 12).unwrap();
    let pool = Pool::builder().threads(1).build().unwrap();
    let (go, wait) = mpsc::channel::<()>();
    let busy = pool.spawn(move || wait.recv().unwrap());
    let cancelled = pool.spawn(|| ());
    cancelled.cancel();
    go.send(()).unwrap();
    busy.join().unwrap();
    assert!(cancelled.join().is_err());
    pool.shutdown();
    let trace = session.stop();
    let count = |kind| trace.events().filter(|e| e.kind == kind && e.subject.domain() == Domain::Job).count();
    assert_eq!((count(Kind::Spawn), count(Kind::Complete), count(Kind::Cancel)), (2, 2, 1));
    assert_eq!((count(Kind::RunBegin), count(Kind::RunEnd)), (1, 1));
    assert!(trace.events().any(|e| e.kind == Kind::Park && e.subject.domain() == Domain::Worker));
}
