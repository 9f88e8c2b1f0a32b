//! Waiting inside a job: for a half that was stolen, and for the children of a scope.

use super::check;
use brigade_pool::model::{Astray, Away, HalfState, Here};
use loom::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};
use std::{ptr::NonNull, sync::Arc};

/// The thief ends the half. Nobody frees it in these models.
fn finish(half: &HalfState) -> bool {
    // SAFETY: the model holds a reference.
    unsafe { HalfState::finish(NonNull::from(half)) }
}

/// A child ends elsewhere. Nobody frees the count in these models.
fn end(away: &Away) -> bool {
    // SAFETY: as above.
    unsafe { Away::end(NonNull::from(away)) }
}

#[test]
fn the_owner_of_a_stolen_half_is_woken() {
    check(|| {
        let half = Arc::new((HalfState::new(), AtomicBool::new(false)));
        let shared = half.clone();
        let owner = thread::current();
        let thief = thread::spawn(move || {
            shared.0.taken_by(1);
            shared.1.store(true, Ordering::Relaxed);
            if finish(&shared.0) {
                owner.unpark();
            }
        });
        half.0.begin_park();
        while !half.0.is_done() {
            thread::park();
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
                if end(&children.away) {
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
                if end(&scope.0) {
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

/// Waits as `wait_for_scope` does for a scope with a list of strays, and runs what it finds there.
fn wait_with_strays(here: &Here, scope: &Scope, strays: &Astray<usize>) {
    while !here.is_done(&scope.away) {
        if let Some(child) = strays.pop_oldest() {
            scope.work.fetch_add(child, Ordering::Relaxed);
            here.end();
            continue;
        }
        here.settle(&scope.away);
        if strays.begin_park() {
            while !here.is_done(&scope.away) && strays.is_empty() {
                thread::park();
            }
        }
    }
}

#[test]
fn an_owner_that_parks_is_told_of_a_child_that_goes_astray() {
    check(|| {
        let (here, away) = Here::body();
        let scope = Arc::new(Scope { away, work: AtomicUsize::new(0), told: AtomicUsize::new(0) });
        let list = Arc::new(Astray::new());
        let owner = thread::current();
        here.add();
        let (of, strays) = (scope.clone(), list.clone());
        let thief = thread::spawn(move || {
            // A child spawns another one, and leaves it to whoever finds it.
            of.away.add();
            if strays.push(7) {
                owner.unpark();
            }
            if end(&of.away) {
                owner.unpark();
            }
        });
        here.end();
        wait_with_strays(&here, &scope, &list);
        assert_eq!(scope.work.load(Ordering::Relaxed), 7, "the owner ran it, since nobody else did");
        thief.join().unwrap();
    });
}

#[test]
fn a_stray_is_run_once_by_the_owner_or_by_who_has_its_ticket() {
    check(|| {
        let (here, away) = Here::body();
        let scope = Arc::new(Scope { away, work: AtomicUsize::new(0), told: AtomicUsize::new(0) });
        let list = Arc::new(Astray::new());
        let owner = thread::current();
        scope.away.add();
        assert!(!list.push(1), "the owner does not park yet");
        let (of, strays) = (scope.clone(), list.clone());
        let other = thread::spawn(move || {
            if let Some(child) = strays.pop_newest() {
                of.work.fetch_add(child, Ordering::Relaxed);
                if end(&of.away) {
                    owner.unpark();
                }
            }
        });
        here.end();
        wait_with_strays(&here, &scope, &list);
        assert_eq!(scope.work.load(Ordering::Relaxed), 1);
        other.join().unwrap();
    });
}

#[test]
fn an_owner_that_parks_is_told_of_a_half_that_is_passed_on() {
    check(|| {
        let half = Arc::new((HalfState::new(), loom::sync::Mutex::new(false)));
        let shared = half.clone();
        let owner = thread::current();
        let thief = thread::spawn(move || {
            let mut list = shared.1.lock().unwrap();
            let tell = shared.0.pass_on();
            *list = true;
            drop(list);
            if tell {
                owner.unpark();
            }
        });
        half.0.begin_park();
        while !half.0.is_passed_on() {
            thread::park();
        }
        assert!(*half.1.lock().unwrap(), "it lies in the list");
        thief.join().unwrap();
    });
}
