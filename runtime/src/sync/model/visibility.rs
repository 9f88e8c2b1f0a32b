//! Models of visibility: a task that learns of an event sees what was done before it, also if it takes no
//! lock. That earlier action is a relaxed store, which only the type itself can order.

use crate::sync::{Event, Notify, Semaphore, mpsc, oneshot, watch};
use loom::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

/// Checks that a store before `tell` is visible once `told` returns true on another thread, and that `told`
/// returns true in the end.
///
/// `told` runs on the other thread, since loom does not try all orders of a read and the writes of a thread
/// that comes after it and reads the same first.
fn assert_visible(tell: impl FnOnce(), mut told: impl FnMut() -> bool + Send + 'static) {
    let came = Arc::new(AtomicBool::new(false));
    let coming = came.clone();
    let other = thread::spawn(move || {
        let was_told = told();
        assert!(!was_told || coming.load(Ordering::Relaxed), "what was done before is not visible");
        (was_told, told)
    });
    came.store(true, Ordering::Relaxed);
    tell();
    let (was_told, mut told) = other.join().unwrap();
    assert!(was_told || told(), "nobody is told");
}

pub(super) fn is_ready(future: &mut Pin<Box<impl Future>>) -> bool {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

#[test]
fn taking_a_permit_shows_what_was_done_with_it() {
    loom::model(|| {
        let semaphore = Arc::new(Semaphore::new(1));
        let permit = semaphore.clone().try_acquire_many_owned(1).unwrap();
        assert_visible(|| drop(permit), move || semaphore.try_acquire().is_ok());
    });
}

#[test]
fn taking_a_permit_that_a_waiter_left_over_shows_what_was_done_with_it() {
    loom::model(|| {
        let semaphore = Arc::new(Semaphore::new(0));
        let mut waits = Box::pin(semaphore.acquire());
        assert!(!is_ready(&mut waits));
        let taking = semaphore.clone();
        assert_visible(|| semaphore.add_permits(2), move || taking.try_acquire().is_ok());
        assert!(is_ready(&mut waits));
    });
}

#[test]
fn finding_a_semaphore_closed_shows_what_was_done_before() {
    for is_closed in [Semaphore::is_closed, |semaphore: &Semaphore| semaphore.try_acquire().is_err()] {
        loom::model(move || {
            let semaphore = Arc::new(Semaphore::new(1));
            let looking = semaphore.clone();
            assert_visible(|| semaphore.close(), move || is_closed(&looking));
        });
    }
}

#[test]
fn a_notification_shows_what_was_done_before() {
    for notify_by in [Notify::notify_one, Notify::notify_waiters] {
        loom::model(move || {
            let notify: &'static Notify = Box::leak(Box::default());
            let mut notified = Box::pin(notify.notified());
            assert_visible(|| notify_by(notify), move || is_ready(&mut notified));
        });
    }
}

#[test]
fn a_notification_of_a_queued_waiter_shows_what_was_done_before() {
    loom::model(|| {
        let notify: &'static Notify = Box::leak(Box::default());
        let mut notified = Box::pin(notify.notified());
        assert!(!notified.as_mut().enable());
        assert_visible(|| notify.notify_one(), move || notified.as_mut().enable());
    });
}

/// A task that makes the future, looks, and finds nothing, is notified of what comes afterwards.
#[test]
fn a_task_that_looks_after_making_the_future_misses_nothing() {
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

#[test]
fn the_state_of_an_event_shows_what_was_done_before() {
    loom::model(|| {
        let event = Arc::new(Event::new());
        let looking = event.clone();
        assert_visible(|| event.set(), move || looking.is_set());
    });
    loom::model(|| {
        let event = Arc::new(Event::new());
        event.set();
        let looking = event.clone();
        assert_visible(|| event.clear(), move || !looking.is_set());
    });
}

#[test]
fn receiving_the_one_value_shows_what_was_done_before() {
    loom::model(|| {
        let (sender, mut receiver) = oneshot::channel();
        assert_visible(|| sender.send(1).unwrap(), move || receiver.try_recv() == Ok(1));
    });
    loom::model(|| {
        let (sender, receiver) = oneshot::channel();
        let mut receiver = Box::pin(receiver);
        assert_visible(|| sender.send(1).unwrap(), move || is_ready(&mut receiver));
    });
}

#[test]
fn a_sender_that_finds_its_receiver_gone_sees_what_was_done_before() {
    type Closed = fn(&mut oneshot::Sender<u32>) -> bool;
    let polls: Closed = |sender| sender.poll_closed(&mut Context::from_waker(Waker::noop())).is_ready();
    for is_closed in [|sender: &mut oneshot::Sender<u32>| sender.is_closed(), polls] {
        loom::model(move || {
            let (mut sender, receiver) = oneshot::channel();
            assert_visible(|| drop(receiver), move || is_closed(&mut sender));
        });
        loom::model(move || {
            let (mut sender, mut receiver) = oneshot::channel();
            assert_visible(|| receiver.close(), move || is_closed(&mut sender));
        });
    }
}

#[test]
fn a_sender_that_gets_its_value_back_sees_what_was_done_before() {
    for end in [|mut receiver: oneshot::Receiver<u32>| receiver.close(), drop] {
        loom::model(move || {
            let (sender, receiver) = oneshot::channel();
            let mut sender = Some(sender);
            // The value comes back only the first time; afterwards it is gone, or was received.
            assert_visible(
                || end(receiver),
                move || sender.take().is_none_or(|sender| sender.send(1).is_err()),
            );
        });
    }
}

/// A waker that is left in a channel. The side that frees the channel drops it, after everything that both
/// sides did.
struct Left(Arc<[AtomicBool; 2]>);

impl Wake for Left {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Left {
    fn drop(&mut self) {
        assert!(self.0.iter().all(|did| did.load(Ordering::Relaxed)), "freed before the last use");
    }
}

#[test]
fn a_channel_is_freed_after_everything_that_both_sides_did() {
    for receiver_waits in [false, true] {
        loom::model(move || {
            let (mut sender, receiver) = oneshot::channel();
            let did = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
            let waker = Waker::from(Arc::new(Left(did.clone())));
            assert_eq!(sender.poll_closed(&mut Context::from_waker(&waker)), Poll::Pending);
            drop(waker);
            let mut receiver = Box::pin(receiver);
            if receiver_waits {
                assert!(!is_ready(&mut receiver));
            }
            let theirs = did.clone();
            let other = thread::spawn(move || {
                // A receiver that is dropped before there is a value takes the waker out.
                if receiver.try_recv().is_err() {
                    return Some(receiver);
                }
                theirs[1].store(true, Ordering::Relaxed);
                drop(receiver);
                None
            });
            did[0].store(true, Ordering::Relaxed);
            sender.send(1).unwrap();
            let late = other.join().unwrap();
            did[1].store(true, Ordering::Relaxed);
            drop(late);
            assert_eq!(Arc::strong_count(&did), 1, "nobody freed it");
        });
    }
}

/// The latest waker is the one that is woken.
#[test]
fn a_receiver_polled_with_another_waker_gets_the_value_or_is_woken() {
    loom::model(|| {
        let (sender, receiver) = oneshot::channel();
        let mut receiver = Box::pin(receiver);
        assert!(!is_ready(&mut receiver));
        let count = Arc::new(crate::model::Count::default());
        let waker = Waker::from(count.clone());
        let other = thread::spawn(move || {
            let polled = receiver.as_mut().poll(&mut Context::from_waker(&waker));
            (polled.is_ready(), receiver)
        });
        sender.send(1).unwrap();
        let (was_ready, mut receiver) = other.join().unwrap();
        assert!(was_ready || (count.times() == 1 && is_ready(&mut receiver)), "a wake-up was lost");
    });
}

/// The same in a wait queue.
#[test]
fn a_queued_waiter_polled_with_another_waker_has_its_grant_or_is_woken() {
    loom::model(|| {
        let notify: &'static Notify = Box::leak(Box::default());
        let mut notified = Box::pin(notify.notified());
        assert!(!is_ready(&mut notified));
        let count = Arc::new(crate::model::Count::default());
        let waker = Waker::from(count.clone());
        let other = thread::spawn(move || {
            let polled = notified.as_mut().poll(&mut Context::from_waker(&waker));
            (polled.is_ready(), notified)
        });
        notify.notify_one();
        let (was_ready, mut notified) = other.join().unwrap();
        assert!(was_ready || (count.times() == 1 && is_ready(&mut notified)), "a wake-up was lost");
    });
}

#[test]
fn learning_that_all_senders_are_gone_shows_what_each_did() {
    loom::model(|| {
        let (sender, mut receiver) = mpsc::unbounded::<u32>();
        let mut theirs = Some(sender.clone());
        assert_visible(
            || drop(sender),
            move || {
                drop(theirs.take());
                receiver.try_recv() == Err(mpsc::TryRecvError::Closed)
            },
        );
    });
}

/// A channel without room, whose receiver makes some without the lock: the value that it receives next is
/// its own already.
fn full() -> (mpsc::Sender<u32>, mpsc::Receiver<u32>) {
    let (sender, mut receiver) = mpsc::channel(2);
    sender.try_send(1).unwrap();
    sender.try_send(2).unwrap();
    assert_eq!(receiver.try_recv(), Ok(1));
    sender.try_send(3).unwrap();
    (sender, receiver)
}

#[test]
fn finding_room_shows_what_was_done_before_it_was_made() {
    type Finds = fn(&mpsc::Sender<u32>) -> bool;
    let finds: [Finds; 2] = [|sender| sender.try_send(4).is_ok(), |sender| sender.capacity() > 0];
    for finds_room in finds {
        loom::model(move || {
            let (sender, mut receiver) = full();
            assert_visible(|| assert_eq!(receiver.try_recv(), Ok(2)), move || finds_room(&sender));
        });
    }
    loom::model(|| {
        let (sender, mut receiver) = full();
        let mut send = Box::pin(async move { sender.send(4).await });
        assert_visible(|| assert_eq!(receiver.try_recv(), Ok(2)), move || is_ready(&mut send));
    });
    // The waiter ahead leaves the queue, and lets the next one look.
    loom::model(|| {
        let (sender, mut receiver) = full();
        let sender: &'static mpsc::Sender<u32> = Box::leak(Box::new(sender));
        let (mut first, mut second) = (Some(Box::pin(sender.send(4))), Box::pin(sender.send(5)));
        assert!(first.as_mut().is_some_and(|first| !is_ready(first)) && !is_ready(&mut second));
        assert_visible(
            || assert_eq!(receiver.try_recv(), Ok(2)),
            move || {
                drop(first.take());
                is_ready(&mut second)
            },
        );
    });
}

#[test]
fn finding_another_version_or_no_receiver_shows_what_was_done_before() {
    loom::model(|| {
        let (sender, receiver) = watch::channel(0);
        assert_visible(|| sender.send(1).unwrap(), move || receiver.has_changed().unwrap());
    });
    type Closed = fn(&watch::Sender<u32>) -> bool;
    let waits: Closed = |sender| is_ready(&mut Box::pin(sender.closed()));
    for is_closed in [watch::Sender::is_closed, waits] {
        loom::model(move || {
            let (sender, receiver) = watch::channel(0);
            let mut theirs = Some(receiver.clone());
            assert_visible(
                || drop(receiver),
                move || {
                    drop(theirs.take());
                    is_closed(&sender)
                },
            );
        });
    }
    loom::model(|| {
        let (sender, receiver) = watch::channel(0);
        let mut theirs = Some(sender.clone());
        assert_visible(
            || drop(sender),
            move || {
                drop(theirs.take());
                receiver.has_changed().is_err()
            },
        );
    });
}
