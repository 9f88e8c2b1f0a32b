//! Failures that need a certain interleaving are found and shrunk.

use crate::check_threads;
use brigade_explore::{
    Class, Explore, Shortness,
    handle::explore::Kind,
    pool::{self, Pool},
    runtime::{self, sync::Mutex},
    sync::{
        self,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    },
    thread,
};
use std::sync::Arc;

/// Two threads that read a counter, add one, and write it.
fn count_by_halves() {
    let count = Arc::new(AtomicU32::new(0));
    let add = |count: Arc<AtomicU32>| move || count.store(count.load(SeqCst) + 1, SeqCst);
    let other = thread::spawn(add(count.clone()));
    add(count.clone())();
    other.join().expect("it does not panic");
    assert_eq!(count.load(SeqCst), 2, "an update is lost");
}

#[test]
fn a_lost_update_of_two_threads_takes_one_preemption() {
    let failed = check_threads(count_by_halves).expect_failure();
    assert_eq!(failed.failure.class, Class::Panic);
    assert!(failed.failure.message.contains("an update is lost"), "{failed}");
    assert_eq!(failed.schedule.deviations().len(), 1, "{failed}");
    assert_eq!(failed.schedule.count(Kind::Preempt), 1, "{failed}");
    assert_eq!(failed.shortness, Shortness::Shortest);
    // Both threads have read 0, and the lanes tell where.
    let report = failed.to_string();
    assert_eq!(report.matches("load 0  interleavings.rs:").count(), 2, "{report}");
    assert_eq!(report.matches("store 1  interleavings.rs:").count(), 2, "{report}");
}

#[test]
fn a_counter_that_adds_at_once_passes_all_schedules_with_two_deviations() {
    let coverage = check_threads(|| {
        let count = Arc::new(AtomicU32::new(0));
        let theirs = count.clone();
        let other = thread::spawn(move || theirs.fetch_add(1, SeqCst));
        count.fetch_add(1, SeqCst);
        other.join().unwrap();
        assert_eq!(count.load(SeqCst), 2);
    })
    .expect_pass();
    assert!(coverage.is_complete || coverage.all_deviations >= 2, "{coverage:?}");
}

#[test]
fn two_threads_that_lock_in_two_orders_get_stuck() {
    let failed = check_threads(|| {
        let locks = Arc::new((sync::Mutex::new(0), sync::Mutex::new(0)));
        let theirs = locks.clone();
        let other = thread::spawn(move || {
            let _one = theirs.0.lock().unwrap();
            let _two = theirs.1.lock().unwrap();
        });
        {
            let _two = locks.1.lock().unwrap();
            let _one = locks.0.lock().unwrap();
        }
        other.join().unwrap();
    })
    .expect_failure();
    assert_eq!(failed.failure.class, Class::Deadlock, "{failed}");
    assert_eq!(failed.schedule.deviations().len(), 1, "{failed}");
    // The lanes tell each lock from the other, and who waits for which.
    let report = failed.to_string();
    for line in ["lock #1  interleavings.rs:", "lock #1: taken  interleavings.rs:", "lock #2: taken"] {
        assert!(report.contains(line), "{report}");
    }
}

#[test]
fn two_tasks_that_lock_in_two_orders_get_stuck() {
    let failed = Explore::new()
        .schedules(2000)
        .explore(|| async {
            let locks = Arc::new((Mutex::new(0), Mutex::new(0)));
            let theirs = locks.clone();
            let one = runtime::spawn(async move {
                let _one = theirs.0.lock().await;
                let _two = theirs.1.lock().await;
            });
            let two = runtime::spawn(async move {
                let _two = locks.1.lock().await;
                let _one = locks.0.lock().await;
            });
            one.await.unwrap();
            two.await.unwrap();
        })
        .expect_failure();
    assert_eq!(failed.failure.class, Class::Deadlock, "{failed}");
    assert_eq!(failed.schedule.deviations().len(), 1, "{failed}");
}

#[test]
fn a_job_that_is_stolen_is_seen_by_its_joiner_under_all_schedules() {
    check_threads(|| {
        let pool = Pool::builder().threads(2).build().unwrap();
        assert_eq!(pool.install(|| pool::join(|| 1, || 2)), (1, 2));
        let sum = AtomicU32::new(0);
        pool.scope(|scope| {
            for number in 1..4 {
                let sum = &sum;
                scope.spawn(move |_| _ = sum.fetch_add(number, SeqCst));
            }
        });
        assert_eq!(sum.load(SeqCst), 6);
    })
    .expect_pass();
}

#[test]
fn a_thread_that_waits_awake_lets_the_others_go_on() {
    check_threads(|| {
        let flag = Arc::new(AtomicBool::new(false));
        let theirs = flag.clone();
        let other = thread::spawn(move || theirs.store(true, SeqCst));
        while !flag.load(SeqCst) {
            thread::yield_now();
        }
        other.join().unwrap();
    })
    .expect_pass();
}
