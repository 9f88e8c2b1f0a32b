//! Schedules by chance run on all processors, and find the same.

use brigade_explore::{
    Explore, Failed,
    sync::atomic::{AtomicU32, Ordering::SeqCst},
    thread,
};
use std::{sync::Arc, thread as os};

/// Comes to choice points that lead nowhere, so that not all schedules fit into the enumeration.
fn linger(count: &AtomicU32) {
    (0..20).for_each(|_| _ = count.load(SeqCst));
}

/// Fails under few schedules, all of them with several deviations.
fn count_to_five() -> Failed {
    Explore::new()
        .schedules(500)
        .explore_threads(|| {
            let count = Arc::new(AtomicU32::new(0));
            let theirs = count.clone();
            let other = thread::spawn(move || {
                for step in [1, 3] {
                    let _ = theirs.compare_exchange(step, step + 1, SeqCst, SeqCst);
                }
                linger(&theirs);
            });
            for step in [0, 2, 4] {
                let _ = count.compare_exchange(step, step + 1, SeqCst, SeqCst);
            }
            linger(&count);
            other.join().expect("no thread panics");
            assert_ne!(count.load(SeqCst), 5);
        })
        .expect_failure()
}

#[test]
fn checks_beside_each_other_find_the_same_schedule() {
    let first = count_to_five();
    // No level of the enumeration has it, so it was found by chance.
    let deviations = first.schedule.deviations().len();
    assert!(deviations > first.coverage.all_deviations as usize + 1, "{first}");
    let others: Vec<_> = (0..2).map(|_| os::spawn(count_to_five)).collect();
    for other in others {
        let other = other.join().expect("no thread panics");
        assert_eq!((&other.schedule, other.coverage), (&first.schedule, first.coverage));
    }
}
