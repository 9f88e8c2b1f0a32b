//! Models of the poll set: a child that is woken is polled, or its parent is woken.

use super::tests::Flag;
use crate::combine::poll_set::PollSet;
use loom::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};
use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

#[test]
fn a_child_that_is_woken_is_polled_or_its_parent_is_woken() {
    loom::model(|| {
        let flag = Flag::new();
        let mut set = PollSet::new();
        set.insert(Box::pin(flag.clone().wait()));
        let parent = Arc::new(WakeFlag(AtomicBool::new(false)));
        let waker = Waker::from(parent.clone());
        let other = thread::spawn(move || flag.set());
        let first = set.poll_next(&Context::from_waker(&waker));
        other.join().unwrap();
        if first.is_pending() {
            assert!(parent.0.load(Ordering::Relaxed), "the wake-up was lost");
            assert!(set.poll_next(&Context::from_waker(&waker)).is_ready());
        }
    });
}

/// Only the child waker orders: the child's waker is kept in a lock that loom does not see, and the child
/// waits for a relaxed flag.
#[test]
fn a_child_that_is_woken_while_it_is_listed_sees_what_came_before() {
    loom::model(|| {
        let come = Arc::new(AtomicBool::new(false));
        let left = Arc::new(std::sync::Mutex::new(None::<Waker>));
        let (coming, place) = (come.clone(), left.clone());
        let mut set = PollSet::new();
        set.insert(Box::pin(poll_fn(move |cx| {
            place.lock().unwrap().get_or_insert_with(|| cx.waker().clone());
            if coming.load(Ordering::Relaxed) { Poll::Ready(()) } else { Poll::Pending }
        })));
        let parent = Arc::new(WakeFlag(AtomicBool::new(false)));
        let waker = Waker::from(parent.clone());
        assert!(set.poll_next(&Context::from_waker(&waker)).is_pending());
        let child = left.lock().unwrap().clone().unwrap();
        child.wake_by_ref();
        parent.0.store(false, Ordering::Relaxed);
        let other = thread::spawn(move || {
            come.store(true, Ordering::Relaxed);
            child.wake();
        });
        let polled = set.poll_next(&Context::from_waker(&waker));
        other.join().unwrap();
        if polled.is_pending() {
            assert!(parent.0.load(Ordering::Relaxed), "the wake-up was lost");
            assert!(set.poll_next(&Context::from_waker(&waker)).is_ready());
        }
        drop(left.lock().unwrap().take());
    });
}

#[test]
fn of_two_parents_the_later_is_woken() {
    loom::model(|| {
        let flag = Flag::new();
        let mut set = PollSet::new();
        set.insert(Box::pin(flag.clone().wait()));
        let parents = [(); 2].map(|()| Arc::new(WakeFlag(AtomicBool::new(false))));
        let [before, now] = parents.clone().map(Waker::from);
        assert!(set.poll_next(&Context::from_waker(&before)).is_pending());
        let other = thread::spawn(move || flag.set());
        let polled = set.poll_next(&Context::from_waker(&now));
        other.join().unwrap();
        if polled.is_pending() {
            assert!(parents[1].0.load(Ordering::Relaxed), "the wake-up was lost");
            assert!(set.poll_next(&Context::from_waker(&now)).is_ready());
        }
    });
}

/// A waker that remembers that it was woken.
struct WakeFlag(AtomicBool);

impl Wake for WakeFlag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}
