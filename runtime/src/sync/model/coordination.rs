//! Models of conditions, barriers, readers-writer locks and cells.

use super::run_beside;
use crate::{
    model,
    sync::{Barrier, Condition, Mutex, OnceCell, RwLock},
};
use loom::thread;
use std::{panic::Location, sync::Arc};

#[test]
fn a_task_that_waits_for_a_condition_sees_the_change() {
    loom::model(|| {
        let shared = Arc::new((Mutex::new(false), Condition::new()));
        let ours = shared.clone();
        let wait = async move {
            let guard = ours.0.lock().await;
            *ours.1.wait_for(guard, |set| *set).await
        };
        let set = |shared: &(Mutex<bool>, Condition)| {
            let Some(mut guard) = shared.0.try_lock() else { return false };
            *guard = true;
            drop(guard);
            shared.1.notify(1);
            true
        };
        let executor = model::Queue::new();
        let handle = executor.spawn(wait, Location::caller());
        let theirs = shared.clone();
        let other = thread::spawn(move || set(&theirs));
        executor.run();
        // If the lock was not free before, it is now.
        assert!(other.join().unwrap() || set(&shared));
        executor.run();
        assert!(handle.is_finished(), "a wake-up was lost");
        assert!(handle.join().unwrap());
    });
}

#[test]
fn a_notification_outlives_a_task_that_is_cancelled_while_it_waits_for_the_lock() {
    loom::model(|| {
        let shared = Arc::new((Mutex::new(0), Condition::new()));
        let executor = model::Queue::new();
        let take = |shared: Arc<(Mutex<u32>, Condition)>| async move {
            *shared.1.wait_for(shared.0.lock().await, |items| *items > 0).await -= 1;
        };
        let first = executor.spawn(take(shared.clone()), Location::caller());
        let second = executor.spawn(take(shared.clone()), Location::caller());
        executor.run();
        let mut items = shared.0.try_lock().expect("both wait");
        *items += 1;
        shared.1.notify(1);
        // Now the first task waits for the lock.
        executor.run();
        let other = thread::spawn(move || {
            first.cancel();
            first
        });
        drop(items);
        executor.run();
        let first = other.join().unwrap();
        executor.run();
        let first = first.join().is_ok();
        assert!(first != second.is_finished(), "the notification was lost");
        assert_eq!(shared.0.try_lock().map(|items| *items), Some(0));
    });
}

#[test]
fn two_tasks_that_arrive_at_a_barrier_both_go_on() {
    loom::model(|| {
        let barrier = Arc::new(Barrier::new(2));
        let executor = model::Queue::new();
        let come = |barrier: Arc<Barrier>| async move { barrier.wait().await.unwrap().is_leader() };
        let first = executor.spawn(come(barrier.clone()), Location::caller());
        let second = executor.spawn(come(barrier), Location::caller());
        let runner = executor.clone();
        let other = thread::spawn(move || runner.run());
        executor.run();
        other.join().unwrap();
        executor.run();
        assert!(first.is_finished() && second.is_finished(), "a wake-up was lost");
        assert!(first.join().unwrap() != second.join().unwrap());
    });
}

#[test]
fn a_writer_comes_after_the_reader_is_gone() {
    loom::model(|| {
        let lock = Arc::new(RwLock::new(0));
        let ours = lock.clone();
        let handle = run_beside(async move { *ours.write().await += 1 }, move || {
            if let Some(value) = lock.try_read() {
                let before = *value;
                thread::yield_now();
                assert_eq!(*value, before);
            }
        });
        handle.join().unwrap();
    });
}

#[test]
fn the_next_fills_the_cell_if_the_first_is_cancelled() {
    loom::model(|| {
        let cell = Arc::new(OnceCell::new());
        let executor = model::Queue::new();
        let fill = |cell: Arc<OnceCell<u32>>| async move { *cell.get_or_init(|| async { 1 }).await };
        let never = cell.clone();
        let first =
            executor.spawn(async move { *never.get_or_init(std::future::pending).await }, Location::caller());
        let second = executor.spawn(fill(cell), Location::caller());
        executor.run();
        let runner = executor.clone();
        let other = thread::spawn(move || runner.run());
        first.cancel();
        executor.run();
        other.join().unwrap();
        executor.run();
        assert!(second.is_finished(), "the permit was lost");
        assert_eq!(second.join().unwrap(), 1);
    });
}
