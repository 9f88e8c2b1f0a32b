//! Threads that wait awake do not keep the baton from those that they wait for.

use brigade_explore::{
    Explore, Verdict,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    thread,
};
use std::sync::Arc;

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
    other.join().unwrap();
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
