//! Threads that wait in a loop do not keep the baton from those that they wait for, nor the search from
//! other schedules.

use brigade_explore::{
    Explore, Verdict,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    thread,
};
use std::{sync::Arc, time::Duration};

/// Two threads count by turns, and each waits awake for its turn.
fn count_by_turns() {
    let count = Arc::new(AtomicUsize::new(0));
    let theirs = count.clone();
    let count_on = |count: &AtomicUsize, parity: usize| {
        for _ in 0..3 {
            while count.load(SeqCst) % 2 != parity {
                thread::yield_now();
            }
            count.fetch_add(1, SeqCst);
        }
    };
    let other = thread::spawn(move || count_on(&theirs, 1));
    count_on(&count, 0);
    other.join().expect("no thread panics");
    assert_eq!(count.load(SeqCst), 6);
}

#[test]
fn two_threads_that_wait_awake_by_turns_come_to_an_end() {
    Explore::new().schedules(300).steps(5_000).explore_threads(count_by_turns).expect_pass();
}

#[test]
fn a_park_in_a_loop_does_not_end_for_no_reason_for_ever() {
    let verdict = Explore::new().schedules(2_000).coarse().explore_threads(|| {
        let is_open = Arc::new(AtomicBool::new(false));
        let theirs = is_open.clone();
        let guest = thread::spawn(move || {
            while !theirs.load(SeqCst) {
                thread::park();
            }
        });
        thread::sleep(Duration::from_secs(1)); // the work itself
        is_open.store(true, SeqCst);
        guest.thread().unpark();
        guest.join().unwrap();
    });
    match verdict {
        Verdict::Passed(coverage) => assert!(coverage.is_complete, "{coverage:?}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_thread_that_waits_awake_is_no_choice_until_something_has_changed() {
    let verdict = Explore::new().schedules(500).explore_threads(|| {
        let flag = Arc::new(AtomicBool::new(false));
        let theirs = flag.clone();
        let other = thread::spawn(move || theirs.store(true, SeqCst));
        while !flag.load(SeqCst) {
            thread::yield_now();
        }
        other.join().unwrap();
    });
    match verdict {
        // To look again before the store is no schedule of its own, so there are few.
        Verdict::Passed(coverage) => assert!(coverage.is_complete && coverage.schedules < 50, "{coverage:?}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_thread_that_waits_awake_looks_between_two_changes() {
    let verdict = Explore::new().schedules(500).explore_threads(|| {
        let stores = Arc::new([const { AtomicBool::new(false) }; 2]);
        let theirs = stores.clone();
        let other = thread::spawn(move || theirs.iter().for_each(|store| store.store(true, SeqCst)));
        while !stores[0].load(SeqCst) {
            thread::yield_now();
        }
        assert!(stores[1].load(SeqCst), "the second store has not come yet");
        other.join().unwrap();
    });
    let Verdict::Failed(failed) = verdict else { panic!("{verdict:?}") };
    assert!(failed.failure.message.contains("the second store"), "{failed}");
}
