//! Models in which nothing but the state word orders: the next poll sees what wakers and runners did before,
//! and a task's memory is freed after its last use.

use super::Queue;
use loom::{
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
};
use std::{
    future::poll_fn,
    panic::Location,
    sync::{Arc, Mutex},
    task::{Poll, Waker},
};

/// A task that waits for two events. Each event is a relaxed store and a wake-up, by a waker that the task
/// left at its first poll. The wakers are behind the standard library's mutex, which orders nothing in a
/// model.
struct Meeting {
    come: [AtomicUsize; 2],
    waker: Mutex<Option<Waker>>,
}

impl Meeting {
    fn new() -> Arc<Self> {
        Arc::new(Self { come: [AtomicUsize::new(0), AtomicUsize::new(0)], waker: Mutex::new(None) })
    }

    async fn wait(self: Arc<Self>) {
        poll_fn(|cx| {
            self.waker.lock().unwrap().get_or_insert_with(|| cx.waker().clone());
            let come = self.come.iter().all(|come| come.load(Relaxed) == 1);
            if come { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    fn waker(&self) -> Waker {
        self.waker.lock().unwrap().clone().expect("it was left at the first poll")
    }
}

/// The second wake-up may find the queue entry of the first one. The poll sees what came before either.
#[test]
fn writes_before_each_of_two_wake_ups_are_seen_by_the_poll() {
    loom::model(|| {
        let queue = Queue::new();
        let meeting = Meeting::new();
        let handle = queue.spawn(meeting.clone().wait(), Location::caller());
        queue.run();
        let (theirs, waker) = (meeting.clone(), meeting.waker());
        let other = thread::spawn(move || {
            theirs.come[0].store(1, Relaxed);
            waker.wake();
        });
        meeting.come[1].store(1, Relaxed);
        meeting.waker().wake();
        queue.run();
        other.join().unwrap();
        queue.run();
        assert!(handle.is_finished(), "a wake-up was lost");
        drop(meeting.waker.lock().unwrap().take());
    });
}

/// The future passes from one runner to the next by the state word alone: its waker only wakes.
/// The future's cell is loom's, so the model fails if two polls are not one after the other.
#[test]
fn writes_of_one_runner_are_seen_by_the_next() {
    loom::model(|| {
        let queue = Queue::new();
        let waker = Arc::new(Mutex::new(None::<Waker>));
        let left = waker.clone();
        let task = poll_fn(move |cx| {
            left.lock().unwrap().get_or_insert_with(|| cx.waker().clone());
            Poll::<()>::Pending
        });
        let handle = queue.spawn(task, Location::caller());
        queue.run();
        let waking = waker.lock().unwrap().clone().expect("it was left at the first poll");
        waking.wake_by_ref();
        let runner = queue.clone();
        let other = thread::spawn(move || runner.run());
        waking.wake();
        queue.run();
        other.join().unwrap();
        handle.cancel();
        queue.run();
        assert!(handle.is_finished());
        drop(waker.lock().unwrap().take());
    });
}

/// The handle, a waker and the runner each give up their reference. The last one frees the task, after
/// everything that the others did.
#[test]
fn the_last_of_handle_waker_and_runner_frees() {
    loom::model(|| {
        let queue = Queue::new();
        let left = Arc::new(Mutex::new(None::<Waker>));
        let place = left.clone();
        let task = poll_fn(move |cx| {
            if place.lock().unwrap().replace(cx.waker().clone()).is_some() {
                Poll::Ready(7)
            } else {
                Poll::Pending
            }
        });
        let handle = queue.spawn(task, Location::caller());
        queue.run();
        let waker = left.lock().unwrap().clone().expect("it was left at the first poll");
        let other = thread::spawn(move || waker.wake());
        drop(handle);
        queue.run();
        other.join().unwrap();
        queue.run();
        drop(left.lock().unwrap().take());
    });
}
