//! Words that change beside the lock: who leaves a line while somebody comes to serve it, and what must hold the lock although a single
//! operation on the word would seem to do.

use super::visibility::is_ready;
use crate::sync::{Barrier, Event, Notify, Semaphore};
use loom::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};
use std::sync::Arc;

#[test]
fn a_permit_for_one_who_leaves_is_free() {
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
fn a_notification_for_one_who_leaves_is_stored() {
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
fn what_is_closed_stays_closed_while_permits_are_handed_over() {
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

/// A second notification merges into the first, and what came before it is seen all the same.
#[test]
fn who_takes_a_stored_notification_sees_what_came_before_each() {
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

/// Whoever finds that there was a call, when it tries to take a permit that another takes, sees what came before the call.
#[test]
fn who_finds_a_call_instead_of_a_permit_sees_what_came_before() {
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
        // If it did not need the permit, that is still there.
        assert!(saw || !is_ready(&mut Box::pin(notify.notified())), "what came before the call is not seen");
    });
}

#[test]
fn all_are_notified_who_came_before_one_who_is() {
    loom::model(|| {
        let notify = Arc::new(Notify::new());
        let notifying = notify.clone();
        let other = thread::spawn(move || notifying.notify_waiters());
        let mut first = Box::pin(notify.notified());
        let mut second = Box::pin(notify.notified());
        let at_once = is_ready(&mut second);
        other.join().unwrap();
        let second_is = at_once || is_ready(&mut second);
        assert!(!second_is || is_ready(&mut first), "one who came later was preferred");
    });
}

#[test]
fn who_waits_after_an_event_was_cleared_for_good_is_not_woken() {
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
fn who_comes_while_a_barrier_breaks_does_not_wait() {
    loom::model(|| {
        let barrier = Arc::new(Barrier::new(2));
        let breaking = barrier.clone();
        let other = thread::spawn(move || breaking.abort());
        let mut waits = Box::pin(barrier.wait());
        let _ = is_ready(&mut waits);
        other.join().unwrap();
        assert_eq!(barrier.waiting(), 0, "one stands at a barrier that is broken");
    });
}
