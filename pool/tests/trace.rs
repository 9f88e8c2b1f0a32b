//! The events that a pool records in a trace.
#![cfg(not(loom))]

use brigade_pool::{Pool, spawn, spawn_detached, spawn_fifo};
use brigade_trace::{Cause, Domain, Event, Kind, Session, Trace};
use std::{
    collections::BTreeSet,
    sync::{Barrier, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
};

/// The tests take turns, since a process has one session at a time.
fn turn() -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn a_blocking_call_waits_for_a_slot_until_a_thread_is_free() {
    let _turn = turn();
    let session = Session::start(1 << 12).unwrap();
    let pool = Pool::builder().threads(1).spares(0).for_blocking_calls().build().unwrap();
    let (go, wait) = mpsc::channel::<()>();
    let busy = pool.spawn_blocking(move || wait.recv().unwrap());
    let (queued, line) = (pool.spawn_blocking(|| ()), line!());
    let calls = [busy.id(), queued.id()];
    assert!(!queued.is_finished());
    go.send(()).unwrap();
    busy.join().unwrap();
    queued.join().unwrap();
    pool.shutdown();
    let plain = Pool::builder().threads(1).build().unwrap();
    plain.spawn(|| ()).join().unwrap();
    let trace = session.stop();
    let slots: Vec<_> = trace.events().filter(|event| event.by.domain() == Domain::Pool).collect();
    let of = |kind| slots.iter().filter(move |event| event.kind == kind && event.cause == Cause::Slot);
    assert_eq!(of(Kind::WaitBegin).map(|event| event.subject).collect::<Vec<_>>(), calls);
    assert!(of(Kind::WaitBegin).all(|event| event.by == slots[0].by));
    let second = of(Kind::WaitBegin).nth(1).unwrap();
    assert!(trace.site(second).unwrap().contains(&format!("trace.rs:{line}:")));
    assert_eq!(of(Kind::WaitEnd).map(|event| event.subject).collect::<Vec<_>>(), calls);
    let freed = trace.events().find(|event| event.kind == Kind::RunEnd && event.subject == calls[0]).unwrap();
    assert!(of(Kind::WaitEnd).nth(1).unwrap().at >= freed.at, "it waits until the thread is free");
}

#[test]
fn workers_of_different_pools_have_different_ids() {
    let _turn = turn();
    let session = Session::start(1 << 12).unwrap();
    for _ in 0..3 {
        let pool = Pool::builder().threads(2).build().unwrap();
        pool.spawn(|| ()).join().unwrap();
        pool.shutdown();
    }
    let trace = session.stop();
    let workers: Vec<_> =
        trace.threads.iter().map(|thread| thread.id).filter(|id| id.domain() == Domain::Worker).collect();
    assert_eq!(workers.iter().collect::<BTreeSet<_>>().len(), workers.len(), "{workers:?}");
    assert!(workers.len() >= 3, "{workers:?}");
}

#[test]
fn a_job_leaves_its_life_in_the_trace() {
    let _turn = turn();
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

/// The places of these events.
fn places(trace: &Trace, kind: Kind) -> Vec<&str> {
    let of_jobs = |event: &&Event| event.kind == kind && event.subject.domain() == Domain::Job;
    trace.events().filter(of_jobs).map(|event| trace.site(event).unwrap_or_default()).collect()
}

#[test]
fn every_job_names_the_line_of_the_program_that_made_it() {
    let _turn = turn();
    let session = Session::start(1 << 14).unwrap();
    let pool = Pool::builder().threads(2).build().unwrap();
    pool.install(|| ());
    pool.broadcast(|_| ());
    pool.join(|| (), || ());
    pool.scope(|scope| {
        scope.spawn(|_| ());
        scope.spawn_fifo(|_| ());
    });
    assert_eq!(pool.map(|number| number, 0..4).len(), 4);
    pool.spawn(|| ()).join().unwrap();
    pool.spawn_detached(|| ());
    pool.install(|| {
        spawn(|| ()).join().unwrap();
        spawn_fifo(|| ()).join().unwrap();
        spawn_detached(|| ());
    });
    pool.spawn_blocking(|| ()).join().unwrap();
    pool.shutdown();
    let trace = session.stop();
    let waits: Vec<_> = trace.events().filter(|event| event.kind == Kind::WaitBegin).collect();
    assert!(
        waits.iter().all(|wait| trace.site(wait).is_none_or(|at| at.contains("tests/trace.rs:"))),
        "{trace}"
    );
    let places = places(&trace, Kind::Spawn);
    assert!(places.len() >= 13 && places.iter().all(|place| place.contains("tests/trace.rs:")), "{places:?}");
}

#[test]
fn a_worker_that_waits_for_the_other_half_names_the_line_that_joins() {
    let _turn = turn();
    let session = Session::start(1 << 14).unwrap();
    let pool = Pool::builder().threads(2).build().unwrap();
    let is_parked = |cause| {
        let is_it = |event: &Event| (event.kind, event.cause) == (Kind::WaitBegin, cause);
        session.snapshot().events().any(|event| is_it(event) && event.subject.domain() == Domain::Job)
    };
    let both = Barrier::new(2);
    let stays_until_the_other_parks = |cause| {
        both.wait();
        while !is_parked(cause) {
            thread::yield_now();
        }
    };
    pool.install(|| {
        brigade_pool::join(|| _ = both.wait(), || stays_until_the_other_parks(Cause::Join));
        brigade_pool::scope(|scope| {
            scope.spawn(|_| stays_until_the_other_parks(Cause::Scope));
            both.wait();
        });
    });
    pool.shutdown();
    let trace = session.stop();
    let waits = places(&trace, Kind::WaitBegin);
    assert!(waits.len() >= 2 && waits.iter().all(|place| place.contains("tests/trace.rs:")), "{waits:?}");
}
