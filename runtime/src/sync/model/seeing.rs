//! What came before is seen by who comes after, also by those who take no lock: what comes before is a relaxed store, which nothing but the
//! type itself orders.

use crate::sync::{Notify, Semaphore};
use loom::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Waker},
};

/// `tell` happens on another thread, after a store. If `told` says that it has happened, the store is seen; and in the end it says so.
fn who_is_told_sees(tell: impl FnOnce() + Send + 'static, mut told: impl FnMut() -> bool) {
    let came = Arc::new(AtomicBool::new(false));
    let coming = came.clone();
    let other = thread::spawn(move || {
        coming.store(true, Ordering::Relaxed);
        tell();
    });
    let was_told = told();
    assert!(!was_told || came.load(Ordering::Relaxed), "what came before is not seen");
    other.join().unwrap();
    assert!(was_told || told(), "nobody is told");
}

fn is_ready(future: &mut Pin<Box<impl Future>>) -> bool {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

#[test]
fn who_takes_a_permit_sees_what_was_done_with_it() {
    loom::model(|| {
        let semaphore = Arc::new(Semaphore::new(1));
        let permit = semaphore.clone().try_acquire_many_owned(1).unwrap();
        who_is_told_sees(move || drop(permit), || semaphore.try_acquire().is_ok());
    });
}

#[test]
fn who_takes_a_permit_that_is_left_by_one_who_waited_sees_what_was_done_with_it() {
    loom::model(|| {
        let semaphore = Arc::new(Semaphore::new(0));
        let mut waits = Box::pin(semaphore.acquire());
        assert!(!is_ready(&mut waits));
        let adding = semaphore.clone();
        who_is_told_sees(move || adding.add_permits(2), || semaphore.try_acquire().is_ok());
        assert!(is_ready(&mut waits));
    });
}

#[test]
fn who_finds_it_closed_sees_what_came_before() {
    for is_closed in [Semaphore::is_closed, |semaphore: &Semaphore| semaphore.try_acquire().is_err()] {
        loom::model(move || {
            let semaphore = Arc::new(Semaphore::new(1));
            let closing = semaphore.clone();
            who_is_told_sees(move || closing.close(), || is_closed(&semaphore));
        });
    }
}

#[test]
fn who_is_notified_sees_what_came_before() {
    for notify_by in [Notify::notify_one, Notify::notify_waiters] {
        loom::model(move || {
            let notify = Arc::new(Notify::new());
            let (notifying, mut notified) = (notify.clone(), Box::pin(notify.notified()));
            who_is_told_sees(move || notify_by(&notifying), || is_ready(&mut notified));
        });
    }
}

#[test]
fn who_finds_itself_notified_when_it_stands_in_line_sees_what_came_before() {
    loom::model(|| {
        let notify = Arc::new(Notify::new());
        let (notifying, mut notified) = (notify.clone(), Box::pin(notify.notified()));
        assert!(!notified.as_mut().enable());
        who_is_told_sees(move || notifying.notify_one(), || notified.as_mut().enable());
    });
}

/// Whoever makes the future, looks, and finds nothing, is notified of what comes then.
#[test]
fn who_looks_after_it_has_made_the_future_misses_nothing() {
    loom::model(|| {
        let (notify, came) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
        let (notifying, coming) = (notify.clone(), came.clone());
        let other = thread::spawn(move || {
            coming.store(true, Ordering::Relaxed);
            notifying.notify_waiters();
        });
        let mut notified = Box::pin(notify.notified());
        let saw = came.load(Ordering::Relaxed);
        other.join().unwrap();
        assert!(saw || is_ready(&mut notified), "the notification was missed");
    });
}
