//! Deadlocks: a cycle of locks is one only if nothing else can end its waits.

use brigade_runtime::{run, sync::Mutex, timeout};
use brigade_timeline::{Timeline, text};
use brigade_trace::{Cause, Domain, Event, Id, Kind, Recording, Session, ThreadTrace, Trace};
use std::{
    sync::{Arc, Barrier},
    thread,
    time::Duration,
};

const LOCKS: [Id; 2] = [Id::new(Domain::Lock, 3), Id::new(Domain::Lock, 4)];

/// Whether the timeline has rows of runs for it. A thread waits as itself while it runs nothing.
fn is_unit(domain: Domain) -> bool {
    !matches!(domain, Domain::Thread | Domain::Worker)
}

/// Two units that each hold a lock and wait for the other's, and what the first does after it began to wait.
fn crossed(domain: Domain, after: &[(Kind, Id, Cause)], has_ends: bool) -> String {
    let units = [Id::new(domain, 1), Id::new(domain, 2)];
    let mut threads = vec![ThreadTrace::default(), ThreadTrace::default()];
    for place in [0, 1] {
        let unit = units[place];
        threads[place].id = unit;
        let mut put = |at, kind, subject, by, cause| {
            threads[place].events.push(Event { at, kind, subject, by, cause, detail: 0 });
        };
        if is_unit(domain) {
            put(0, Kind::RunBegin, unit, Id::NONE, Cause::Unknown);
        }
        put(1, Kind::Held, LOCKS[place], unit, Cause::Unknown);
        put(2, Kind::WaitBegin, unit, LOCKS[1 - place], Cause::Unlock);
        put(2, Kind::Held, LOCKS[1 - place], units[1 - place], Cause::Unknown);
        for &(kind, by, cause) in after.iter().filter(|_| place == 0) {
            put(3, kind, unit, by, cause);
        }
        if has_ends {
            put(4, Kind::RunEnd, unit, Id::NONE, Cause::Unknown);
        }
    }
    text(&Timeline::of(&Recording::from(Trace { threads, ..Trace::default() })), 200)
}

#[test]
fn locks_under_a_timeout_are_no_deadlock() {
    let timer = (Kind::WaitBegin, Id::new(Domain::Timer, 5), Cause::Timer);
    for domain in [Domain::Task, Domain::Future, Domain::Thread, Domain::Worker] {
        // A thread in a `block_on` has no runs.
        let shown = crossed(domain, &[timer], is_unit(domain));
        assert!(!shown.contains("deadlock"), "{domain:?}: {shown}");
    }
}

#[test]
fn locks_that_nothing_else_ends_are_a_deadlock() {
    for domain in [Domain::Task, Domain::Future, Domain::Job, Domain::Thread, Domain::Worker] {
        // A task that blocks its thread does not end its run.
        for has_ends in [false, domain != Domain::Job && is_unit(domain)] {
            let shown = crossed(domain, &[], has_ends);
            assert!(shown.contains("deadlock: "), "{domain:?}: {shown}");
        }
    }
}

#[test]
fn a_timeout_that_is_over_excuses_no_deadlock() {
    let timer = Id::new(Domain::Timer, 5);
    let after = [(Kind::WaitBegin, timer, Cause::Timer), (Kind::WaitEnd, timer, Cause::Cancel)];
    for domain in [Domain::Task, Domain::Thread] {
        let shown = crossed(domain, &after, is_unit(domain));
        assert!(shown.contains("deadlock: "), "{shown}");
    }
}

/// Two threads in a `block_on` hold a lock each and want the other's, for a limited time.
#[test]
fn a_block_on_with_a_timeout_around_a_lock_is_no_deadlock() {
    let session = Session::builder().capacity(1 << 12).start().unwrap();
    let locks: [_; 2] = std::array::from_fn(|_| Arc::new(Mutex::new(())));
    let both = Arc::new(Barrier::new(2));
    let threads = [0, 1].map(|place| {
        let (locks, both) = (locks.clone(), both.clone());
        thread::spawn(move || {
            run(async {
                let _held = locks[place].lock().await;
                // Both hold one before they want the other, and both waits go on before a timer ends one.
                both.wait();
                let wanted = timeout(Duration::from_millis(50), locks[1 - place].lock()).await;
                both.wait();
                wanted.is_err()
            })
        })
    });
    let gave_up = threads.map(|thread| thread.join().unwrap());
    assert_eq!(gave_up, [true, true], "each held its lock until the other had given up");
    let shown = text(&Timeline::of(&Recording::from(session.stop())), 200);
    assert!(!shown.contains("deadlock"), "{shown}");
}
