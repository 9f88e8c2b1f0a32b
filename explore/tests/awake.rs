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
    match Explore::new().schedules(300).steps(5_000).explore_threads(count_by_turns) {
        Verdict::Passed(_) => {}
        Verdict::Failed(failed) => panic!("{failed}"),
        unfit @ Verdict::Unfit { .. } => panic!("{unfit:?}"),
    }
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
