//! Deadlocks: a cycle of locks is one only if nothing else can end its waits.

use brigade_timeline::{Timeline, text};
use brigade_trace::{Cause, Domain, Event, Id, Kind, Recording, ThreadTrace, Trace};

const LOCKS: [Id; 2] = [Id::new(Domain::Lock, 3), Id::new(Domain::Lock, 4)];

/// Two units that each hold a lock and wait for the other's, and what the first does after it began to wait.
fn crossed(domain: Domain, after: &[(Kind, Id, Cause)], has_ends: bool) -> String {
    let units = [Id::new(domain, 1), Id::new(domain, 2)];
    let mut threads = vec![ThreadTrace::default(), ThreadTrace::default()];
    for place in [0, 1] {
        let unit = units[place];
        let mut put = |at, kind, subject, by, cause| {
            threads[place].events.push(Event { at, kind, subject, by, cause, detail: 0 });
        };
        put(0, Kind::RunBegin, unit, Id::NONE, Cause::Unknown);
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
    for domain in [Domain::Task, Domain::Future] {
        let shown = crossed(domain, &[timer], true);
        assert!(!shown.contains("deadlock"), "{shown}");
    }
}

#[test]
fn locks_that_nothing_else_ends_are_a_deadlock() {
    for domain in [Domain::Task, Domain::Future, Domain::Job] {
        // A task that blocks its thread does not end its run.
        for has_ends in [false, domain != Domain::Job] {
            let shown = crossed(domain, &[], has_ends);
            assert!(shown.contains("deadlock: "), "{domain:?}: {shown}");
        }
    }
}

#[test]
fn a_timeout_that_is_over_excuses_no_deadlock() {
    let timer = Id::new(Domain::Timer, 5);
    let after = [(Kind::WaitBegin, timer, Cause::Timer), (Kind::WaitEnd, timer, Cause::Cancel)];
    let shown = crossed(Domain::Task, &after, true);
    assert!(shown.contains("deadlock: "), "{shown}");
}
