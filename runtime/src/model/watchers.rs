//! Models of the watchers: while some workers are awake and some asleep, one of the sleepers watches.

use crate::executor::multi_thread::{
    idle::{Awake, Idle, Watch},
    parker::{Parker, WakeReason},
};
use loom::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};
use std::sync::Arc;

#[test]
fn a_worker_that_stays_asleep_watches_one_that_wakes() {
    loom::model(|| {
        let idle = Arc::new(Idle::new(2));
        assert_eq!(idle.fall_asleep(0, Awake::Working), Watch::Yes);
        let called = Arc::new(AtomicBool::new(false));
        let (book, call) = (idle.clone(), called.clone());
        let sleeper = thread::spawn(move || book.fall_asleep(1, Awake::Working));
        let _ = idle.wake_up(0, || 0, |worker| call.store(worker == 1, Ordering::Relaxed));
        let watch = sleeper.join().unwrap();
        assert!(watch == Watch::Yes || called.load(Ordering::Relaxed), "nobody watches worker 0");
    });
}

#[test]
fn a_watcher_that_gives_up_is_called_again() {
    loom::model(|| {
        let idle = Arc::new(Idle::new(2));
        assert_eq!(idle.fall_asleep(0, Awake::Working), Watch::Yes);
        assert_eq!(idle.fall_asleep(1, Awake::Working), Watch::Yes);
        assert_eq!(idle.watch_on(1, None), Watch::No);
        let called = Arc::new(AtomicBool::new(false));
        let (book, call) = (idle.clone(), called.clone());
        let leaver = thread::spawn(move || {
            let _ = book.wake_up(1, || 0, |worker| call.store(worker == 0, Ordering::Relaxed));
        });
        let watch = idle.watch_on(0, None);
        leaver.join().unwrap();
        assert!(watch == Watch::Yes || called.load(Ordering::Relaxed), "nobody watches worker 1");
    });
}

#[test]
fn a_planned_look_comes_after_the_wake_up_or_the_watcher_is_called() {
    // The moment of a timer, the moment at which its worker wakes up, and whether the look is soon enough.
    for (timer, now, is_soon) in [(1 << 30, 1 << 30, true), (1 << 30, 1 << 29, false)] {
        loom::model(move || {
            let idle = Arc::new(Idle::new(2));
            let _ = [0, 1].map(|worker| idle.fall_asleep(worker, Awake::Working));
            let _ = idle.watch_on(0, None);
            let called = Arc::new(AtomicBool::new(false));
            let (book, call) = (idle.clone(), called.clone());
            let leaver = thread::spawn(move || {
                let _ = book.wake_up(0, || now, |worker| call.store(worker == 1, Ordering::Relaxed));
            });
            let watch = idle.watch_on(1, Some(timer));
            leaver.join().unwrap();
            let looks = match watch {
                Watch::Yes => true,
                Watch::At(_) => is_soon,
                Watch::No => false,
            };
            assert!(looks || called.load(Ordering::Relaxed), "nobody watches worker 0");
        });
    }
}

#[test]
fn of_two_watchers_that_give_up_while_a_third_worker_is_awake_one_goes_on() {
    loom::model(|| {
        let idle = Arc::new(Idle::new(3));
        let _ = [0, 1].map(|worker| idle.fall_asleep(worker, Awake::Working));
        let book = idle.clone();
        let other = thread::spawn(move || book.watch_on(1, None));
        let watch = idle.watch_on(0, None);
        assert!([watch, other.join().unwrap()].contains(&Watch::Yes), "nobody watches worker 2");
    });
}

#[test]
fn a_worker_that_gives_up_watching_may_be_called_to_the_driver_meanwhile() {
    loom::model(|| {
        let (idle, parker) = (Arc::new(Idle::new(2)), Arc::new(Parker::default()));
        parker.own();
        let _ = idle.fall_asleep(0, Awake::Working);
        let (book, place) = (idle.clone(), parker.clone());
        let caller = thread::spawn(move || {
            let wake = |_| place.wake(WakeReason::Watch, || panic!("it is not in the driver"));
            book.call_driver(|_| false, wake);
        });
        let _ = idle.watch_on(0, None);
        // A lost call is a deadlock here.
        assert!(parker.park(None).contains(WakeReason::Watch));
        caller.join().unwrap();
    });
}
