//! Waiting inside a job: for a stolen stack job, and for the children of a scope.

use super::check;
use brigade_pool::model::{CountWatch, LocalCount, RemoteChildren, SharedCount, StackJobState};
use loom::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};
use std::{ptr::NonNull, sync::Arc};

/// The thief finishes the stack job. Nobody frees it in these models.
fn finish(stack_job: &StackJobState) -> bool {
    // SAFETY: the model holds a reference.
    unsafe { StackJobState::finish(NonNull::from(stack_job)) }
}

/// A child ends on another thread. Nobody frees the count in these models.
fn end(shared: &SharedCount) -> bool {
    // SAFETY: as above.
    unsafe { SharedCount::end(NonNull::from(shared)) }
}

#[test]
fn the_owner_of_a_stolen_stack_job_is_woken() {
    check(|| {
        let stack_job = Arc::new((StackJobState::new(), AtomicBool::new(false)));
        let shared = stack_job.clone();
        let owner = thread::current();
        let thief = thread::spawn(move || {
            shared.0.taken_by(1);
            shared.1.store(true, Ordering::Relaxed);
            if finish(&shared.0) {
                owner.unpark();
            }
        });
        stack_job.0.begin_park();
        while !stack_job.0.is_done() {
            thread::park();
        }
        assert!(stack_job.1.load(Ordering::Relaxed), "the result is published");
        thief.join().unwrap();
    });
}

/// The shared count of a scope, what its children did, and how often the owner was told of the end.
struct Scope {
    shared: SharedCount,
    work: AtomicUsize,
    told: AtomicUsize,
}

/// Waits as `wait_for_scope` does. If the wake-up were lost, loom would report a deadlock.
fn merge_and_wait(local: &LocalCount, scope: &Scope) {
    let mut count = CountWatch::new(local, &scope.shared);
    if !count.is_done() && !count.is_done_now() {
        local.merge(&scope.shared);
        while !local.is_done(&scope.shared) {
            thread::park();
        }
    }
}

#[test]
fn the_owner_of_a_scope_waits_for_local_and_remote_children() {
    check(|| {
        let (local, shared) = LocalCount::body();
        let scope = Arc::new(Scope { shared, work: AtomicUsize::new(0), told: AtomicUsize::new(0) });
        let owner = thread::current();
        local.add();
        local.add();
        let children = scope.clone();
        let thief = thread::spawn(move || {
            // One of the two children runs on another thread, and spawns a third.
            children.shared.add();
            for _ in 0..2 {
                children.work.fetch_add(1, Ordering::Relaxed);
                if end(&children.shared) {
                    children.told.fetch_add(1, Ordering::Relaxed);
                    owner.unpark();
                }
            }
        });
        scope.work.fetch_add(1, Ordering::Relaxed);
        local.end();
        // The body.
        local.end();
        merge_and_wait(&local, &scope);
        assert_eq!(scope.work.load(Ordering::Relaxed), 3, "the children end before the scope");
        thief.join().unwrap();
        assert!(scope.told.load(Ordering::Relaxed) <= 1, "only the last one tells");
    });
}

#[test]
fn exactly_one_of_two_remote_children_wakes_an_owner_that_has_merged() {
    check(|| {
        let (local, shared) = LocalCount::body();
        let scope = Arc::new((shared, AtomicUsize::new(0)));
        local.add();
        local.add();
        local.end();
        local.merge(&scope.0);
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
        while !local.is_done(&scope.0) {
            thread::park();
        }
        others.into_iter().for_each(|other| other.join().unwrap());
        assert_eq!(scope.1.load(Ordering::Relaxed), 1);
    });
}

/// Waits as `wait_for_scope` does for a scope with remote children, and runs those that it finds in the list.
fn wait_with_remote_children(local: &LocalCount, scope: &Scope, remote: &RemoteChildren<usize>) {
    let mut count = CountWatch::new(local, &scope.shared);
    // It has no child in its own queue, so it looks.
    while !count.is_done() && !count.is_done_now() {
        if let Some(child) = remote.pop_oldest() {
            scope.work.fetch_add(child, Ordering::Relaxed);
            local.end();
            continue;
        }
        local.merge(&scope.shared);
        if remote.begin_park() {
            while !local.is_done(&scope.shared) && remote.is_empty() {
                thread::park();
            }
        }
    }
}

#[test]
fn an_owner_that_parks_is_woken_for_a_remote_child() {
    check(|| {
        let (local, shared) = LocalCount::body();
        let scope = Arc::new(Scope { shared, work: AtomicUsize::new(0), told: AtomicUsize::new(0) });
        let list = Arc::new(RemoteChildren::new());
        let owner = thread::current();
        local.add();
        let (of, remote) = (scope.clone(), list.clone());
        let thief = thread::spawn(move || {
            // A child spawns another one into the list, and any thread may run that.
            of.shared.add();
            if remote.push(7) {
                owner.unpark();
            }
            if end(&of.shared) {
                owner.unpark();
            }
        });
        local.end();
        wait_with_remote_children(&local, &scope, &list);
        assert_eq!(scope.work.load(Ordering::Relaxed), 7, "the owner ran it, since nobody else did");
        thief.join().unwrap();
    });
}

#[test]
fn a_remote_child_is_run_once_by_the_owner_or_through_its_placeholder() {
    check(|| {
        let (local, shared) = LocalCount::body();
        let scope = Arc::new(Scope { shared, work: AtomicUsize::new(0), told: AtomicUsize::new(0) });
        let list = Arc::new(RemoteChildren::new());
        let owner = thread::current();
        scope.shared.add();
        assert!(!list.push(1), "the owner does not park yet");
        let (of, remote) = (scope.clone(), list.clone());
        let other = thread::spawn(move || {
            if let Some(child) = remote.pop_newest() {
                of.work.fetch_add(child, Ordering::Relaxed);
                if end(&of.shared) {
                    owner.unpark();
                }
            }
        });
        local.end();
        wait_with_remote_children(&local, &scope, &list);
        assert_eq!(scope.work.load(Ordering::Relaxed), 1);
        other.join().unwrap();
    });
}

#[test]
fn an_owner_that_parks_is_woken_for_a_stack_job_that_is_passed_on() {
    check(|| {
        let stack_job = Arc::new((StackJobState::new(), loom::sync::Mutex::new(false)));
        let shared = stack_job.clone();
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
        stack_job.0.begin_park();
        while !stack_job.0.is_passed_on() {
            thread::park();
        }
        assert!(*stack_job.1.lock().unwrap(), "it lies in the list");
        thief.join().unwrap();
    });
}
