//! Notifications: stored, passed on, and sent to all.

use super::{block_on, poll};
use brigade_runtime::{Runtime, sync::Notify};
use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    thread,
};

#[test]
fn one_notification_is_stored_and_no_more() {
    let notify = Notify::new();
    notify.notify_one();
    notify.notify_one();
    let mut first = pin!(notify.notified());
    assert!(poll(first.as_mut()).is_ready() && first.enable());
    assert!(poll(pin!(notify.notified())).is_pending());
}

#[test]
fn the_one_who_waits_longest_is_notified() {
    let notify = Notify::new();
    let (mut first, mut second) = (pin!(notify.notified()), pin!(notify.notified()));
    assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
    notify.notify_one();
    assert!(poll(second.as_mut()).is_pending());
    assert!(poll(first.as_mut()).is_ready());
    notify.notify_one();
    assert!(poll(second.as_mut()).is_ready());
}

#[test]
fn a_notification_whose_future_is_dropped_goes_to_the_next_or_is_stored() {
    let notify = Notify::new();
    let mut first = Box::pin(notify.notified());
    let mut second = Box::pin(notify.notified());
    assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
    notify.notify_one();
    drop(first);
    notify.notify_one();
    drop(second);
    assert!(poll(pin!(notify.notified())).is_ready());
    assert!(poll(pin!(notify.notified())).is_pending(), "two were one in the end");
}

#[test]
fn a_waiter_that_leaves_takes_no_notification_along() {
    let notify = Notify::new();
    let mut first = Box::pin(notify.notified());
    assert!(poll(first.as_mut()).is_pending());
    drop(first);
    notify.notify_one();
    assert!(poll(pin!(notify.notified())).is_ready());
}

#[test]
fn all_who_were_made_before_are_notified_and_none_who_come_after() {
    let notify = Notify::new();
    let mut waits: Vec<_> = (0..50).map(|_| Box::pin(notify.notified())).collect();
    // Some of them stand in line, some were not polled yet.
    assert!(waits[..30].iter_mut().all(|wait| poll(wait.as_mut()) == Poll::Pending));
    notify.notify_waiters();
    let mut late = pin!(notify.notified());
    assert!(poll(late.as_mut()).is_pending());
    // A waiter of `notify_waiters` that is dropped had nobody else's notification.
    drop(waits.remove(0));
    assert!(waits.iter_mut().all(|wait| poll(wait.as_mut()).is_ready()));
    assert!(poll(late.as_mut()).is_pending(), "nothing was stored");
    notify.notify_one();
    assert!(poll(late.as_mut()).is_ready());
}

#[test]
fn two_tasks_pass_the_ball() {
    let runtime = Runtime::multi_thread(2).unwrap();
    let balls = Arc::new((Notify::new(), Notify::new()));
    let theirs = balls.clone();
    let other = runtime.spawn(async move {
        for _ in 0..1000 {
            theirs.0.notified().await;
            theirs.1.notify_one();
        }
    });
    // A plain thread plays with a task.
    for _ in 0..1000 {
        balls.0.notify_one();
        block_on(balls.1.notified());
    }
    other.join().unwrap();
}

#[test]
fn as_many_go_on_as_were_notified_on_many_threads() {
    const EACH: usize = 300;
    let (notify, woken) = (Notify::new(), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..EACH {
                    block_on(notify.notified());
                    woken.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        scope.spawn(|| {
            // Stored notifications merge, so it is done when all have gone on, not after so many calls.
            while woken.load(Ordering::SeqCst) < 3 * EACH {
                notify.notify_one();
                thread::yield_now();
            }
        });
    });
}

#[test]
fn an_enabled_waiter_is_queued_and_keeps_its_grant() {
    let notify = Notify::new();
    let mut first = Box::pin(notify.notified());
    let mut second = Box::pin(notify.notified());
    assert!(!first.as_mut().enable() && !first.as_mut().enable());
    assert!(poll(second.as_mut()).is_pending());
    notify.notify_one();
    assert!(first.as_mut().enable(), "it came first");
    assert!(poll(second.as_mut()).is_pending());
    assert!(poll(first.as_mut()).is_ready() && first.as_mut().enable());
    // A stored notification is kept as well, and given back if it is not used.
    drop((first, second));
    notify.notify_one();
    let mut third = Box::pin(notify.notified());
    assert!(third.as_mut().enable());
    assert!(poll(pin!(notify.notified())).is_pending());
    drop(third);
    assert!(poll(pin!(notify.notified())).is_ready(), "the notification was lost");
}

#[test]
fn an_enabled_waiter_wakes_the_task_that_polls_it_later() {
    let notify = Arc::new(Notify::new());
    let ours = notify.clone();
    let enabled = Arc::new(std::sync::Barrier::new(2));
    let theirs = enabled.clone();
    let waiter = thread::spawn(move || {
        block_on(async {
            let mut notified = pin!(ours.notified());
            assert!(!notified.as_mut().enable());
            theirs.wait();
            notified.await;
        });
    });
    enabled.wait();
    notify.notify_one();
    waiter.join().unwrap();
}
