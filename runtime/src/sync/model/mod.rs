//! Loom models of the wait queue and its users: every order of looking, joining, granting, taking and
//! leaving, with one or two waiters.

mod channels;
mod coordination;
mod fast_paths;
mod foreign;
mod visibility;

use super::{Event, Full, Mutex, Notify, Queue, Semaphore};
use crate::model;
use brigade_handle::JoinHandle;
use loom::thread;
use std::{future::Future, panic::Location, sync::Arc};

/// Runs the future as a task, while `other` runs on another thread; then runs the tasks that are ready.
/// Returns the task's handle.
fn run_beside<F: Future>(future: F, other: impl FnOnce() + Send + 'static) -> JoinHandle<F::Output> {
    let executor = model::Queue::new();
    let handle = executor.spawn(future, Location::caller());
    let other = thread::spawn(other);
    executor.run();
    other.join().unwrap();
    executor.run();
    assert!(handle.is_finished(), "a wake-up was lost");
    handle
}

#[test]
fn a_getter_gets_what_is_put() {
    loom::model(|| {
        let queue = Arc::new(Queue::unbounded());
        let ours = queue.clone();
        let theirs = queue.clone();
        let handle = run_beside(async move { ours.get().await }, move || theirs.try_put(1).unwrap());
        assert_eq!(handle.join().unwrap(), 1);
        // No item is reserved any more.
        queue.try_put(2).unwrap();
        assert_eq!(queue.try_get(), Some(2));
    });
}

#[test]
fn a_putter_gets_the_room_that_is_made() {
    loom::model(|| {
        let queue = Arc::new(Queue::bounded(1));
        queue.try_put(1).unwrap();
        let (ours, theirs) = (queue.clone(), queue.clone());
        let handle = run_beside(async move { ours.put(2).await }, move || {
            assert_eq!(theirs.try_get(), Some(1));
        });
        handle.join().unwrap();
        assert_eq!((queue.try_get(), queue.try_get()), (Some(2), None));
        // No room is reserved any more.
        assert_eq!((queue.try_put(3), queue.try_put(4)), (Ok(()), Err(Full(4))));
    });
}

#[test]
fn a_getter_that_is_cancelled_passes_its_item_on() {
    loom::model(|| {
        let queue = Arc::new(Queue::unbounded());
        let executor = model::Queue::new();
        let get = |queue: Arc<Queue<u32>>| async move { queue.get().await };
        let first = executor.spawn(get(queue.clone()), Location::caller());
        let second = executor.spawn(get(queue.clone()), Location::caller());
        executor.run();
        let other = thread::spawn(move || queue.try_put(1).unwrap());
        first.cancel();
        executor.run();
        other.join().unwrap();
        executor.run();
        match first.join() {
            Ok(item) => assert_eq!((item, second.is_finished()), (1, false)),
            Err(_) => {
                assert!(second.is_finished(), "the item was lost");
                assert_eq!(second.join().unwrap(), 1);
            }
        }
    });
}

#[test]
fn a_joiner_sees_the_last_task_done() {
    loom::model(|| {
        let queue = Arc::new(Queue::unbounded());
        queue.try_put(1).unwrap();
        let ours = queue.clone();
        let handle = run_beside(async move { ours.join().await }, move || {
            queue.try_get().unwrap();
            queue.task_done();
        });
        handle.join().unwrap();
    });
}

#[test]
fn a_waiter_sees_that_the_event_is_set() {
    loom::model(|| {
        let event = Arc::new(Event::new());
        let ours = event.clone();
        let handle = run_beside(async move { ours.wait().await }, move || event.set());
        handle.join().unwrap();
    });
}

#[test]
fn one_task_at_a_time_has_the_lock_and_all_get_it() {
    loom::model(|| {
        let mutex = Arc::new(Mutex::new(0));
        let executor = model::Queue::new();
        let add = |mutex: Arc<Mutex<u32>>| async move {
            let mut guard = mutex.lock().await;
            let before = *guard;
            thread::yield_now();
            *guard = before + 1;
        };
        let first = executor.spawn(add(mutex.clone()), Location::caller());
        let second = executor.spawn(add(mutex.clone()), Location::caller());
        let runner = executor.clone();
        let other = thread::spawn(move || runner.run());
        executor.run();
        other.join().unwrap();
        executor.run();
        assert!(first.is_finished() && second.is_finished(), "a wake-up was lost");
        assert_eq!(mutex.try_lock().map(|guard| *guard), Some(2));
    });
}

#[test]
fn a_task_that_is_cancelled_passes_the_lock_on() {
    loom::model(|| {
        let mutex = Arc::new(Mutex::new(()));
        let executor = model::Queue::new();
        let guard = executor.spawn(mutex.clone().lock_owned(), Location::caller());
        executor.run();
        let guard = guard.join().unwrap();
        let have = |mutex: Arc<Mutex<()>>| async move { drop(mutex.lock().await) };
        let first = executor.spawn(have(mutex.clone()), Location::caller());
        let second = executor.spawn(have(mutex.clone()), Location::caller());
        executor.run();
        let other = thread::spawn(move || drop(guard));
        first.cancel();
        executor.run();
        other.join().unwrap();
        executor.run();
        assert!(first.is_finished() && second.is_finished(), "the lock was lost");
        assert!(mutex.try_lock().is_some());
    });
}

#[test]
fn a_task_that_waits_for_permits_gets_those_that_are_added() {
    loom::model(|| {
        let semaphore = Arc::new(Semaphore::new(1));
        let ours = semaphore.clone();
        let take = async move { ours.acquire_many(2).await.unwrap().forget() };
        let handle = run_beside(take, move || semaphore.add_permits(1));
        handle.join().unwrap();
    });
}

#[test]
fn a_task_that_wants_many_permits_and_leaves_lets_the_next_look() {
    loom::model(|| {
        let semaphore = Arc::new(Semaphore::new(0));
        let executor = model::Queue::new();
        let take = |permits, semaphore: Arc<Semaphore>| async move {
            semaphore.acquire_many(permits).await.unwrap().forget();
        };
        let many = executor.spawn(take(2, semaphore.clone()), Location::caller());
        let one = executor.spawn(take(1, semaphore.clone()), Location::caller());
        executor.run();
        let theirs = semaphore.clone();
        let other = thread::spawn(move || theirs.add_permits(1));
        many.cancel();
        executor.run();
        other.join().unwrap();
        executor.run();
        assert!(many.is_finished() && one.is_finished(), "the permit was lost");
        assert_eq!(semaphore.available_permits(), 0);
    });
}

#[test]
fn a_task_that_waits_for_permits_is_told_of_the_closing() {
    loom::model(|| {
        let semaphore = Arc::new(Semaphore::new(0));
        let ours = semaphore.clone();
        let take = async move { ours.acquire().await.is_err() };
        let handle = run_beside(take, move || semaphore.close());
        assert!(handle.join().unwrap());
    });
}

#[test]
fn a_notification_reaches_a_task_whenever_it_comes() {
    loom::model(|| {
        let notify = Arc::new(Notify::new());
        let ours = notify.clone();
        let handle = run_beside(async move { ours.notified().await }, move || notify.notify_one());
        handle.join().unwrap();
    });
}

#[test]
fn a_task_that_is_cancelled_passes_the_notification_on() {
    loom::model(|| {
        let notify = Arc::new(Notify::new());
        let executor = model::Queue::new();
        let wait = |notify: Arc<Notify>| async move { notify.notified().await };
        let first = executor.spawn(wait(notify.clone()), Location::caller());
        let second = executor.spawn(wait(notify.clone()), Location::caller());
        executor.run();
        let other = thread::spawn(move || notify.notify_one());
        first.cancel();
        executor.run();
        other.join().unwrap();
        executor.run();
        assert!(second.is_finished() || first.join().is_ok(), "the notification was lost");
    });
}

#[test]
fn all_futures_that_exist_are_notified() {
    loom::model(|| {
        let notify = Arc::new(Notify::new());
        let ours = notify.clone();
        // The future is made here, and polled at any time.
        let made = Box::pin(async move {
            let notified = ours.notified();
            std::future::poll_fn(|_| std::task::Poll::Ready(())).await;
            notified.await;
        });
        let executor = model::Queue::new();
        let handle = executor.spawn(made, Location::caller());
        executor.run();
        let theirs = notify.clone();
        let other = thread::spawn(move || theirs.notify_waiters());
        notify.notify_one();
        executor.run();
        other.join().unwrap();
        executor.run();
        assert!(handle.is_finished(), "a wake-up was lost");
    });
}
