//! Models of the words that change beside the lock: a waiter leaves the queue while another task serves it,
//! and operations that must hold the lock although a single operation on the word would seem to be enough.

use super::visibility::is_ready;
use crate::sync::{Barrier, Event, Notify, Semaphore};
use loom::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};
use std::sync::Arc;

#[test]
fn a_permit_for_a_waiter_that_leaves_is_free() {
    loom::model(|| {
        let semaphore = Arc::new(Semaphore::new(0));
        let mut waits = Box::pin(semaphore.acquire());
        assert!(!is_ready(&mut waits));
        let adding = semaphore.clone();
        let other = thread::spawn(move || adding.add_permits(1));
        drop(waits);
        other.join().unwrap();
        assert_eq!(semaphore.available_permits(), 1, "the permit was lost");
        assert!(semaphore.try_acquire().is_ok());
    });
}

#[test]
fn a_notification_for_a_waiter_that_leaves_is_stored() {
    loom::model(|| {
        let notify = Arc::new(Notify::new());
        let mut waits = Box::pin(notify.notified());
        assert!(!is_ready(&mut waits));
        let notifying = notify.clone();
        let other = thread::spawn(move || notifying.notify_one());
        drop(waits);
        other.join().unwrap();
        assert!(is_ready(&mut Box::pin(notify.notified())), "the notification was lost");
    });
}

#[test]
fn a_semaphore_stays_closed_while_permits_are_handed_over() {
    loom::model(|| {
        let semaphore = Arc::new(Semaphore::new(0));
        let mut waits = Box::pin(semaphore.acquire());
        assert!(!is_ready(&mut waits));
        let adding = semaphore.clone();
        let other = thread::spawn(move || adding.add_permits(1));
        semaphore.close();
        other.join().unwrap();
        assert!(semaphore.is_closed() && is_ready(&mut waits));
    });
}

#[test]
fn a_permit_is_handed_over_or_forgotten() {
    loom::model(|| {
        let semaphore = Arc::new(Semaphore::new(1));
        let mut waits = Box::pin(semaphore.acquire_many(2));
        assert!(!is_ready(&mut waits));
        let adding = semaphore.clone();
        let other = thread::spawn(move || adding.add_permits(1));
        let forgotten = semaphore.forget_permits(1);
        other.join().unwrap();
        assert_eq!(is_ready(&mut waits), forgotten == 0);
        drop(waits);
        assert_eq!(semaphore.available_permits(), 2 - forgotten);
    });
}

/// A second notification merges into the first, and what was done before it is visible all the same.
#[test]
fn taking_a_stored_notification_shows_what_was_done_before_each() {
    loom::model(|| {
        let (notify, came) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
        notify.notify_one();
        let (notifying, coming) = (notify.clone(), came.clone());
        let other = thread::spawn(move || {
            coming.store(true, Ordering::Relaxed);
            notifying.notify_one();
        });
        assert!(is_ready(&mut Box::pin(notify.notified())));
        let saw = came.load(Ordering::Relaxed);
        other.join().unwrap();
        assert!(saw || is_ready(&mut Box::pin(notify.notified())), "the second was lost");
    });
}

/// A task that tries to take a permit, loses it to another task, and finds a call of `notify_waiters`
/// instead sees what was done before the call.
#[test]
fn finding_a_call_instead_of_a_permit_shows_what_was_done_before() {
    loom::model(|| {
        let (notify, came) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
        notify.notify_one();
        let (notifying, coming) = (notify.clone(), came.clone());
        let other = thread::spawn(move || {
            coming.store(true, Ordering::Relaxed);
            notifying.notify_waiters();
        });
        assert!(is_ready(&mut Box::pin(notify.notified())));
        let saw = came.load(Ordering::Relaxed);
        other.join().unwrap();
        // If it did not need the permit, the permit is still there.
        assert!(
            saw || !is_ready(&mut Box::pin(notify.notified())),
            "what was done before the call is not visible"
        );
    });
}

#[test]
fn a_waiter_is_notified_if_one_that_came_later_is() {
    loom::model(|| {
        let notify = Arc::new(Notify::new());
        let notifying = notify.clone();
        let other = thread::spawn(move || notifying.notify_waiters());
        let mut first = Box::pin(notify.notified());
        let mut second = Box::pin(notify.notified());
        let at_once = is_ready(&mut second);
        other.join().unwrap();
        let second_is = at_once || is_ready(&mut second);
        assert!(!second_is || is_ready(&mut first), "a waiter that came later was preferred");
    });
}

#[test]
fn a_waiter_is_not_woken_after_the_last_clear_of_an_event() {
    loom::model(|| {
        let event = Arc::new(Event::new());
        let setting = event.clone();
        let other = thread::spawn(move || setting.set());
        event.clear();
        let mut waits = Box::pin(event.wait());
        let at_once = is_ready(&mut waits);
        other.join().unwrap();
        assert_eq!(at_once || is_ready(&mut waits), event.is_set());
    });
}

#[test]
fn a_task_that_arrives_while_a_barrier_breaks_does_not_wait() {
    loom::model(|| {
        let barrier = Arc::new(Barrier::new(2));
        let breaking = barrier.clone();
        let other = thread::spawn(move || breaking.abort());
        let mut waits = Box::pin(barrier.wait());
        let _ = is_ready(&mut waits);
        other.join().unwrap();
        assert_eq!(barrier.waiting(), 0, "a task waits at a barrier that is broken");
    });
}
