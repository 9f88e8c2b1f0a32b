//! A schedule is a text that can be kept, and gives the same run each time.

use brigade_explore::{
    Explore, Schedule, Verdict,
    sync::atomic::{AtomicU32, Ordering::SeqCst},
    thread,
};
use std::sync::Arc;

fn count() {
    let count = Arc::new(AtomicU32::new(0));
    let theirs = count.clone();
    let other = thread::spawn(move || theirs.store(theirs.load(SeqCst) + 1, SeqCst));
    count.store(count.load(SeqCst) + 1, SeqCst);
    other.join().expect("it does not panic");
    assert_eq!(count.load(SeqCst), 2);
}

#[test]
fn a_schedule_that_was_found_fails_again_in_the_same_way() {
    let first = Explore::new().explore_threads(count).expect_failure();
    let text = first.schedule.to_string();
    let again = Explore::new().replay_threads(text.parse().unwrap(), count).expect_failure();
    assert_eq!((again.failure, again.schedule), (first.failure, first.schedule));
}

#[test]
fn a_schedule_that_does_not_fit_says_which_choice_is_missing() {
    let schedule: Schedule = "root.preempt.900=1".parse().unwrap();
    match Explore::new().replay_threads(schedule, count) {
        Verdict::Unfit { missing, failed: None } => assert_eq!(missing[0].to_string(), "root.preempt.900=1"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_text_that_is_no_schedule_says_what_one_looks_like() {
    for text in ["w1", "w1.preempt=1", "w1.preempt.x=1", "w1.preempt.1=", "7.preempt.1=1", "w1.jump.1=1"] {
        let error = text.parse::<Schedule>().unwrap_err().to_string();
        assert!(error.contains(text) && error.len() > text.len() + 20, "{error}");
    }
}
