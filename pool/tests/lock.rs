//! The lock that distinguishes a deadlock from a long wait.

use brigade_pool::lock::{Deadlock, Lock};
use std::{
    sync::{Arc, Barrier},
    thread,
};

#[test]
fn no_update_is_lost_under_the_lock() {
    let counter = Lock::new("counter", 0_u64);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..2_000).for_each(|_| *counter.lock().unwrap() += 1));
        }
    });
    assert_eq!(*counter.lock().unwrap(), 8_000);
}

#[test]
fn a_lock_taken_twice_by_one_thread_is_a_cycle_of_one() {
    let lock = Lock::new("purse", ());
    let held = lock.lock().unwrap();
    let first = line!() - 1;
    let Deadlock { links } = lock.lock().unwrap_err();
    let [link] = links.as_slice() else { panic!("{links:?}") };
    assert_eq!((link.wanted, &link.waiter), ("purse", &link.holder));
    assert_eq!((link.held_since.line(), link.wanted_at.line()), (first, first + 2));
    assert!(link.wanted_at.file().ends_with("lock.rs"));
    drop(held);
    assert!(lock.lock().is_ok(), "the one who was told stands in no line any more");
}

/// Each thread takes its own lock, and when all have theirs, the next one's.
fn philosophers(count: usize) -> Vec<Deadlock> {
    const NAMES: [&str; 5] = ["fork 0", "fork 1", "fork 2", "fork 3", "fork 4"];
    let forks: Arc<Vec<_>> = Arc::new(NAMES[..count].iter().map(|name| Lock::new(name, ())).collect());
    let everybody = Arc::new(Barrier::new(count));
    let eat = |seat: usize| {
        let (forks, everybody) = (forks.clone(), everybody.clone());
        let body = move || {
            let _left = forks[seat].lock()?;
            everybody.wait();
            let _right = forks[(seat + 1) % count].lock()?;
            Ok(())
        };
        thread::Builder::new().name(format!("seat {seat}")).spawn(body).expect("a thread starts")
    };
    let threads: Vec<_> = (0..count).map(eat).collect();
    threads.into_iter().filter_map(|thread| thread.join().expect("no seat panics").err()).collect()
}

#[test]
fn in_a_cycle_of_threads_exactly_one_gets_the_deadlock_and_the_others_go_on() {
    for count in 2..=5 {
        for _ in 0..50 {
            let told = philosophers(count);
            assert_eq!(told.len(), 1, "{told:?}");
            let links = &told[0].links;
            assert_eq!(links.len(), count);
            for (place, link) in links.iter().enumerate() {
                assert_eq!(link.holder, links[(place + 1) % count].waiter, "{told:?}");
            }
        }
    }
}

#[test]
fn a_long_wait_is_no_deadlock() {
    let (a, b) = (Lock::new("a", ()), Lock::new("b", ()));
    // The order is always a before b, so there is never a cycle.
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..500 {
                    let _a = a.lock().expect("an order that all keep has no ring");
                    let _b = b.lock().expect("an order that all keep has no ring");
                }
            });
        }
    });
}

#[test]
fn a_report_names_locks_threads_and_lines() {
    let text = philosophers(2)[0].to_string();
    for part in ["deadlock: ", "seat 0", "seat 1", "fork 0", "fork 1", "held by", "lock.rs:"] {
        assert!(text.contains(part), "{part:?} is missing in {text:?}");
    }
}

#[test]
fn a_panic_of_the_holder_lets_the_lock_go() {
    let lock = Arc::new(Lock::new("egg", 1));
    let theirs = lock.clone();
    let ended = thread::spawn(move || {
        let _held = theirs.lock().unwrap();
        std::panic::resume_unwind(Box::new("dropped"));
    });
    assert!(ended.join().is_err());
    assert_eq!(*lock.lock().unwrap(), 1);
}
