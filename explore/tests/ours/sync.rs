//! The locks and signals of the runtime: nothing is lost, nobody is forgotten, also if a waiter gives up.

use crate::tasks;
use brigade_explore::runtime::{
    Either, select, sleep, spawn,
    sync::{Barrier, Condition, Event, Mutex, Notify, OnceCell, RwLock, Semaphore},
    yield_now,
};
use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

/// A time after which a waiter gives up.
const SHORT: Duration = Duration::from_millis(1);

#[test]
fn a_mutex_lets_one_task_in_at_a_time() {
    tasks(|| async {
        let (lock, inside) = (Arc::new(Mutex::new(0)), Arc::new(AtomicUsize::new(0)));
        let tasks = [(); 2].map(|()| {
            let (lock, inside) = (lock.clone(), inside.clone());
            spawn(async move {
                let mut count = lock.lock().await;
                assert_eq!(inside.fetch_add(1, Relaxed), 0, "two tasks are inside");
                yield_now().await;
                *count += 1;
                inside.fetch_sub(1, Relaxed);
            })
        });
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*lock.lock().await, 2);
    });
}

#[test]
fn a_waiter_that_gives_up_passes_the_mutex_on() {
    tasks(|| async {
        let lock = Arc::new(Mutex::new(0));
        let tasks = [(); 2].map(|()| {
            let lock = lock.clone();
            spawn(async move {
                if let Either::Left(mut count) = select(lock.lock(), sleep(SHORT)).await {
                    *count += 1;
                    sleep(SHORT).await;
                }
            })
        });
        let [one, two] = tasks;
        two.cancel();
        one.await.unwrap();
        let _ = two.await;
        assert!(*lock.lock().await > 0, "the first task had the lock, or nobody did");
    });
}

#[test]
fn readers_share_a_lock_and_a_writer_has_it_alone() {
    tasks(|| async {
        let lock = Arc::new(RwLock::new([0, 0]));
        let theirs = lock.clone();
        let writer = spawn(async move {
            let mut pair = theirs.write().await;
            pair[0] += 1;
            yield_now().await;
            pair[1] += 1;
        });
        let theirs = lock.clone();
        let reader = spawn(async move {
            let pair = theirs.read().await;
            assert_eq!(pair[0], pair[1], "a reader came between the halves of a write");
        });
        writer.await.unwrap();
        reader.await.unwrap();
        assert_eq!(*lock.read().await, [1, 1]);
    });
}

#[test]
fn a_semaphore_hands_out_as_many_permits_as_it_has() {
    tasks(|| async {
        let (permits, inside) = (Arc::new(Semaphore::new(1)), Arc::new(AtomicUsize::new(0)));
        let tasks = [(); 3].map(|()| {
            let (permits, inside) = (permits.clone(), inside.clone());
            spawn(async move {
                let _permit = permits.acquire().await.unwrap();
                assert_eq!(inside.fetch_add(1, Relaxed), 0);
                inside.fetch_sub(1, Relaxed);
            })
        });
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(permits.available_permits(), 1);
    });
}

#[test]
fn a_permit_of_a_cancelled_waiter_goes_to_the_next_one() {
    tasks(|| async {
        let permits = Arc::new(Semaphore::new(0));
        let tasks = [(); 2].map(|()| {
            let permits = permits.clone();
            spawn(async move { permits.acquire().await.unwrap().forget() })
        });
        let [one, two] = tasks;
        permits.add_permits(1);
        one.cancel();
        let is_taken = one.await.is_ok();
        if is_taken {
            permits.add_permits(1);
        }
        two.await.unwrap();
        assert_eq!(permits.available_permits(), 0);
    });
}

#[test]
fn a_semaphore_that_is_closed_refuses_all_waiters() {
    tasks(|| async {
        let permits = Arc::new(Semaphore::new(0));
        let tasks = [(); 2].map(|()| {
            let permits = permits.clone();
            spawn(async move { assert!(permits.acquire().await.is_err()) })
        });
        permits.close();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[test]
fn a_notification_of_one_reaches_one_waiter_or_is_kept() {
    tasks(|| async {
        let notify = Arc::new(Notify::new());
        let theirs = notify.clone();
        let waiter = spawn(async move { theirs.notified().await });
        notify.notify_one();
        waiter.await.unwrap();
    });
}

#[test]
fn a_notification_that_a_cancelled_waiter_had_goes_to_the_next_one() {
    tasks(|| async {
        let notify = Arc::new(Notify::new());
        let tasks = [(); 2].map(|()| {
            let notify = notify.clone();
            spawn(async move { notify.notified().await })
        });
        let [one, two] = tasks;
        notify.notify_one();
        one.cancel();
        if one.await.is_ok() {
            notify.notify_one();
        }
        two.await.unwrap();
    });
}

#[test]
fn a_notification_beside_a_waiter_that_leaves_is_kept() {
    tasks(|| async {
        let notify = Arc::new(Notify::new());
        let (of_waiter, of_notifier) = (notify.clone(), notify.clone());
        let waiter = spawn(async move { of_waiter.notified().await });
        let notifier = spawn(async move { of_notifier.notify_one() });
        waiter.cancel();
        let has_got_it = waiter.await.is_ok();
        notifier.await.unwrap();
        if !has_got_it {
            notify.notified().await;
        }
    });
}

#[test]
fn a_waiter_that_leaves_lets_the_next_one_have_the_permit_that_was_too_few_for_it() {
    tasks(|| async {
        let semaphore = Arc::new(Semaphore::new(1));
        let (of_many, of_one) = (semaphore.clone(), semaphore.clone());
        let many = spawn(async move { drop(of_many.acquire_many(2).await) });
        let one = spawn(async move { drop(of_one.acquire().await) });
        sleep(SHORT).await;
        many.cancel();
        one.await.unwrap();
    });
}

#[test]
fn a_notification_of_all_reaches_each_waiter_that_is_enabled() {
    tasks(|| async {
        let notify = Notify::new();
        let (mut one, mut two) = (pin!(notify.notified()), pin!(notify.notified()));
        one.as_mut().enable();
        two.as_mut().enable();
        notify.notify_waiters();
        one.await;
        two.await;
    });
}

#[test]
fn an_event_that_is_set_lets_all_through() {
    tasks(|| async {
        let event = Arc::new(Event::new());
        let tasks = [(); 2].map(|()| {
            let event = event.clone();
            spawn(async move { event.wait().await })
        });
        event.set();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[test]
fn a_condition_wakes_a_waiter_that_looks_again() {
    tasks(|| async {
        let shelf = Arc::new((Mutex::new(0), Condition::new()));
        let tasks = [(); 2].map(|()| {
            let shelf = shelf.clone();
            spawn(async move {
                let mut loaves = shelf.0.lock().await;
                while *loaves == 0 {
                    loaves = shelf.1.wait(loaves).await;
                }
                *loaves -= 1;
            })
        });
        for _ in 0..2 {
            *shelf.0.lock().await += 1;
            shelf.1.notify(1);
        }
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*shelf.0.lock().await, 0);
    });
}

#[test]
fn a_barrier_opens_for_all_parties_with_one_leader() {
    tasks(|| async {
        let barrier = Arc::new(Barrier::new(2));
        let tasks = [(); 2].map(|()| {
            let barrier = barrier.clone();
            spawn(async move { u32::from(barrier.wait().await.unwrap().is_leader()) })
        });
        let mut leaders = 0;
        for task in tasks {
            leaders += task.await.unwrap();
        }
        assert_eq!(leaders, 1);
    });
}

#[test]
fn a_cell_is_made_once() {
    tasks(|| async {
        let (cell, made) = (Arc::new(OnceCell::new()), Arc::new(AtomicUsize::new(0)));
        let tasks = [(); 2].map(|()| {
            let (cell, made) = (cell.clone(), made.clone());
            spawn(async move {
                let make = || async {
                    made.fetch_add(1, Relaxed);
                    yield_now().await;
                    7
                };
                *cell.get_or_init(make).await
            })
        });
        for task in tasks {
            assert_eq!(task.await.unwrap(), 7);
        }
        assert_eq!(made.load(Relaxed), 1);
    });
}
