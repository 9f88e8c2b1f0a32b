//! Loom models of the slot's operations on both sides, in every order: `RUSTFLAGS="--cfg loom" cargo test
//! -p brigade-handle --test loom --release`.
#![cfg(loom)]
// Unsafe: implements a rendezvous of its own.
#![allow(unsafe_code)]

use brigade_handle::{JoinError, JoinHandle, Place, Rendezvous, Signal, Slot, pair};
use loom::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};
use std::{
    sync::Arc,
    task::{Poll, Wake, Waker},
};

/// Counts how often it was woken.
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn counting() -> (Arc<Count>, Waker) {
    let count = Arc::new(Count(AtomicUsize::new(0)));
    (count.clone(), Waker::from(count))
}

/// Counts how often it was dropped.
struct Tracked(Arc<AtomicUsize>);

impl Drop for Tracked {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_joiner_that_parks_is_woken() {
    loom::model(|| {
        let (completer, handle) = pair::<u32>();
        let other = thread::spawn(move || completer.complete(Ok(7)));
        assert_eq!(handle.join().unwrap(), 7);
        assert!(other.join().unwrap());
    });
}

#[test]
fn a_joiner_whose_time_is_over_can_wait_again_or_let_go() {
    loom::model(|| {
        let (completer, handle) = pair::<u32>();
        let other = thread::spawn(move || completer.complete(Ok(7)));
        // The waker of this wait stays in the signal.
        match handle.join_timeout(std::time::Duration::ZERO) {
            Ok(result) => assert_eq!(result.unwrap(), 7),
            Err(handle) => assert_eq!(handle.join().unwrap(), 7),
        }
        assert!(other.join().unwrap());
    });
    loom::model(|| {
        let dropped = Arc::new(AtomicUsize::new(0));
        let (completer, handle) = pair::<Tracked>();
        let value = Tracked(dropped.clone());
        let other = thread::spawn(move || completer.complete(Ok(value)));
        drop(handle.join_timeout(std::time::Duration::ZERO));
        other.join().unwrap();
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_thread_that_sees_the_work_finished_sees_its_effects() {
    loom::model(|| {
        let (completer, handle) = pair::<u32>();
        let did = Arc::new(AtomicUsize::new(0));
        let doing = did.clone();
        let other = thread::spawn(move || {
            doing.store(1, Ordering::Relaxed);
            completer.complete(Ok(7))
        });
        assert!(!handle.is_finished() || did.load(Ordering::Relaxed) == 1);
        other.join().unwrap();
    });
}

#[test]
fn a_poll_is_ready_or_its_waker_is_woken() {
    loom::model(|| {
        let (completer, mut handle) = pair::<u32>();
        let other = thread::spawn(move || completer.complete(Ok(7)));
        let (count, waker) = counting();
        let first = handle.poll_join(&waker);
        other.join().unwrap();
        match first {
            Poll::Ready(value) => assert_eq!(value.unwrap(), 7),
            Poll::Pending => {
                assert_eq!(count.0.load(Ordering::SeqCst), 1, "the completer saw WAITING");
                assert!(handle.poll_join(&waker).is_ready());
            }
        }
    });
}

#[test]
fn the_newest_of_two_wakers_is_woken() {
    loom::model(|| {
        let (completer, mut handle) = pair::<u32>();
        let other = thread::spawn(move || completer.complete(Ok(7)));
        let (_, stale) = counting();
        let (count, waker) = counting();
        let ready = handle.poll_join(&stale).is_ready() || handle.poll_join(&waker).is_ready();
        other.join().unwrap();
        assert!(ready || count.0.load(Ordering::SeqCst) == 1);
    });
}

#[test]
fn a_detached_result_is_dropped_once() {
    loom::model(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        let (completer, handle) = pair();
        let value = Tracked(drops.clone());
        let other = thread::spawn(move || completer.complete(Ok(value)));
        drop(handle);
        other.join().unwrap();
        assert_eq!(drops.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_detach_after_a_poll_races_the_result() {
    loom::model(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        let (completer, mut handle) = pair();
        let value = Tracked(drops.clone());
        let other = thread::spawn(move || completer.complete(Ok(value)));
        let (_, waker) = counting();
        drop(handle.poll_join(&waker));
        drop(handle);
        other.join().unwrap();
        assert_eq!(drops.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_completer_that_sees_the_detach_sees_what_came_before() {
    loom::model(|| {
        let (completer, handle) = pair::<u32>();
        let did = Arc::new(AtomicUsize::new(0));
        let doing = did.clone();
        let other = thread::spawn(move || {
            doing.store(1, Ordering::Relaxed);
            drop(handle);
        });
        assert!(!completer.is_detached() || did.load(Ordering::Relaxed) == 1);
        other.join().unwrap();
    });
}

/// Records, when it is dropped, whether its destructor sees everything that the detaching thread did
/// before.
struct Unwanted(thread::ThreadId, Arc<AtomicUsize>);

impl Drop for Unwanted {
    fn drop(&mut self) {
        // Only a destructor on the completer's thread has to see the effects of another thread.
        assert!(thread::current().id() != self.0 || self.1.load(Ordering::Relaxed) == 1);
    }
}

#[test]
fn the_destructor_of_an_unwanted_result_sees_what_came_before() {
    loom::model(|| {
        let (completer, handle) = pair();
        let did = Arc::new(AtomicUsize::new(0));
        let value = Unwanted(thread::current().id(), did.clone());
        let other = thread::spawn(move || {
            did.store(1, Ordering::Relaxed);
            drop(handle);
        });
        completer.complete(Ok(value));
        other.join().unwrap();
    });
}

#[test]
fn either_the_cancel_or_the_result_wins() {
    loom::model(|| {
        let (completer, handle) = pair::<u32>();
        let other = thread::spawn(move || completer.complete(Ok(7)));
        handle.cancel();
        let result = handle.join();
        match (other.join().unwrap(), result) {
            (true, Ok(7)) | (false, Err(JoinError::Cancelled(_))) => {}
            (won, result) => panic!("the completer won: {won}, the joiner saw {result:?}"),
        }
    });
}

#[test]
fn a_cancel_handle_and_a_result_meet() {
    loom::model(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        let (completer, handle) = pair();
        let cancel = handle.cancel_handle();
        let value = Tracked(drops.clone());
        let other = thread::spawn(move || completer.complete(Ok(value)));
        let canceller = thread::spawn(move || cancel.cancel());
        drop(handle);
        other.join().unwrap();
        canceller.join().unwrap();
        assert_eq!(drops.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_slot_inside_a_foreign_allocation_is_released_once() {
    struct Work {
        slot: Slot<u32>,
        _drops: Tracked,
    }
    // SAFETY: signal and place are those of the one slot.
    unsafe impl Rendezvous<u32> for Work {
        fn signal(&self) -> &Signal {
            self.slot.signal()
        }

        fn place(&self) -> Place<'_, u32> {
            self.slot.place()
        }
        fn cancel(&self) {}
    }
    loom::model(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        let work = Arc::new(Work { slot: Slot::new(), _drops: Tracked(drops.clone()) });
        let handle = JoinHandle::from_arc(work.clone());
        let other = thread::spawn(move || work.slot.complete(Ok(1)));
        assert_eq!(handle.join().unwrap(), 1);
        other.join().unwrap();
        assert_eq!(drops.load(Ordering::SeqCst), 1);
    });
}
