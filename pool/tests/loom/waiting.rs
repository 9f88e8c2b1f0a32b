//! Waiting inside a job: for a half that was stolen, and for the children of a scope.

use super::check;
use brigade_pool::model::{Away, HalfState, Here};
use loom::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};
use std::sync::Arc;

#[test]
fn the_owner_of_a_stolen_half_is_woken() {
    check(|| {
        let half = Arc::new((HalfState::new(), AtomicBool::new(false)));
        let shared = half.clone();
        let owner = thread::current();
        let thief = thread::spawn(move || {
            shared.0.taken_by(1);
            shared.1.store(true, Ordering::Relaxed);
            if shared.0.finish() {
                owner.unpark();
            }
        });
        if half.0.begin_park() {
            while !half.0.is_done() {
                thread::park();
            }
        }
        assert!(half.1.load(Ordering::Relaxed), "the result is published");
        thief.join().unwrap();
    });
}

/// What a scope's children did, and how many there are.
struct Scope {
    away: Away,
    work: AtomicUsize,
    told: AtomicUsize,
}

/// Waits as `wait_for_scope` does. If the wake-up were lost, loom would report a deadlock.
fn settle_and_wait(here: &Here, scope: &Scope) {
    if !here.is_done(&scope.away) {
        here.settle(&scope.away);
        while !here.is_done(&scope.away) {
            thread::park();
        }
    }
}

#[test]
fn the_owner_of_a_scope_waits_for_what_ran_here_and_elsewhere() {
    check(|| {
        let (here, away) = Here::body();
        let scope = Arc::new(Scope { away, work: AtomicUsize::new(0), told: AtomicUsize::new(0) });
        let owner = thread::current();
        here.add();
        here.add();
        let children = scope.clone();
        let thief = thread::spawn(move || {
            // One of the two children runs elsewhere, and spawns a third.
            children.away.add();
            for _ in 0..2 {
                children.work.fetch_add(1, Ordering::Relaxed);
                if children.away.end() {
                    children.told.fetch_add(1, Ordering::Relaxed);
                    owner.unpark();
                }
            }
        });
        scope.work.fetch_add(1, Ordering::Relaxed);
        here.end();
        // The body.
        here.end();
        settle_and_wait(&here, &scope);
        assert_eq!(scope.work.load(Ordering::Relaxed), 3, "the children end before the scope");
        thief.join().unwrap();
        assert!(scope.told.load(Ordering::Relaxed) <= 1, "only the last one tells");
    });
}

#[test]
fn of_two_who_end_elsewhere_exactly_one_tells_an_owner_that_has_settled() {
    check(|| {
        let (here, away) = Here::body();
        let scope = Arc::new((away, AtomicUsize::new(0)));
        here.add();
        here.add();
        here.end();
        here.settle(&scope.0);
        let owner = thread::current();
        let others = [(); 2].map(|()| {
            let (scope, owner) = (scope.clone(), owner.clone());
            thread::spawn(move || {
                if scope.0.end() {
                    scope.1.fetch_add(1, Ordering::Relaxed);
                    owner.unpark();
                }
            })
        });
        while !here.is_done(&scope.0) {
            thread::park();
        }
        others.into_iter().for_each(|other| other.join().unwrap());
        assert_eq!(scope.1.load(Ordering::Relaxed), 1);
    });
}
