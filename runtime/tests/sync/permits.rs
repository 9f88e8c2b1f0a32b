//! Permits, and the locks and cells that are made of them.

use super::{block_on, poll};
use brigade_runtime::{
    Runtime, gather, run, spawn,
    sync::{OnceCell, RwLock, Semaphore, SetError, TryAcquireError},
    timeout, yield_now,
};
use std::{
    future::pending,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    thread,
    time::Duration,
};

#[test]
fn permits_go_back_when_they_are_dropped_and_not_when_they_are_forgotten() {
    let semaphore = Semaphore::new(3);
    let two = semaphore.try_acquire_many(2).unwrap();
    assert_eq!((two.count(), semaphore.available_permits()), (2, 1));
    assert_eq!(semaphore.try_acquire_many(2).unwrap_err(), TryAcquireError::NoPermits);
    drop(two);
    semaphore.try_acquire().unwrap().forget();
    assert_eq!(semaphore.available_permits(), 2);
    semaphore.add_permits(5);
    assert_eq!((semaphore.forget_permits(3), semaphore.available_permits()), (3, 4));
}

#[test]
fn a_request_for_many_is_not_overtaken_by_requests_for_few() {
    let semaphore = Semaphore::new(1);
    let mut many = Box::pin(semaphore.acquire_many(2));
    let mut one = pin!(semaphore.acquire());
    assert!(poll(many.as_mut()).is_pending());
    assert!(poll(one.as_mut()).is_pending(), "there is one, but somebody waits");
    assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::NoPermits);
    semaphore.add_permits(1);
    let Poll::Ready(Ok(permits)) = poll(many.as_mut()) else { panic!("there are two") };
    assert!(poll(one.as_mut()).is_pending());
    drop(permits);
    assert!(matches!(poll(one.as_mut()), Poll::Ready(Ok(_))));
    assert_eq!(semaphore.available_permits(), 2);
}

#[test]
fn a_request_for_many_that_is_dropped_lets_the_next_look() {
    let semaphore = Semaphore::new(1);
    let mut many = Box::pin(semaphore.acquire_many(2));
    let mut ones = [Box::pin(semaphore.acquire()), Box::pin(semaphore.acquire())];
    assert!(poll(many.as_mut()).is_pending());
    assert!(ones.iter_mut().all(|one| poll(one.as_mut()).is_pending()));
    drop(many);
    let Poll::Ready(Ok(permit)) = poll(ones[0].as_mut()) else { panic!("it is due") };
    assert!(poll(ones[1].as_mut()).is_pending());
    drop(permit);
    assert!(matches!(poll(ones[1].as_mut()), Poll::Ready(Ok(_))));
}

#[test]
fn a_permit_of_one_who_is_dropped_with_it_goes_to_the_next() {
    let semaphore = Semaphore::new(0);
    let mut first = Box::pin(semaphore.acquire());
    let mut second = Box::pin(semaphore.acquire());
    assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
    semaphore.add_permits(1);
    assert_eq!(semaphore.available_permits(), 0, "it is the first one's");
    drop(first);
    let Poll::Ready(Ok(_permit)) = poll(second.as_mut()) else { panic!("it is the second one's") };
}

#[test]
fn closing_ends_all_waiting_and_leaves_permits_alone() {
    let semaphore = Arc::new(Semaphore::new(1));
    let held = semaphore.clone().try_acquire_many_owned(1).unwrap();
    let mut waits: Vec<_> = (0..40).map(|_| Box::pin(semaphore.acquire())).collect();
    assert!(waits.iter_mut().all(|wait| poll(wait.as_mut()).is_pending()));
    semaphore.close();
    // One of them is dropped without a look.
    drop(waits.pop());
    assert!(waits.iter_mut().all(|wait| matches!(poll(wait.as_mut()), Poll::Ready(Err(_)))));
    assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::Closed);
    drop(held);
    assert!(semaphore.is_closed());
    assert_eq!(semaphore.available_permits(), 1);
    assert!(block_on(semaphore.acquire()).is_err());
}

#[test]
fn there_are_never_more_at_work_than_permits_whoever_gives_up() {
    let runtime = Runtime::multi_thread(3).unwrap();
    let shared = Arc::new((Semaphore::new(2), AtomicUsize::new(0)));
    let work = |shared: Arc<(Semaphore, AtomicUsize)>| async move {
        for round in 0..200 {
            let wait = shared.0.acquire_many(1 + round % 2);
            // Some give up at once, wherever they are.
            let Ok(permit) = timeout(Duration::from_nanos(round as u64 % 3 * 100_000), wait).await else {
                continue;
            };
            let permit = permit.unwrap();
            let before = shared.1.fetch_add(permit.count(), Ordering::SeqCst);
            assert!(before + permit.count() <= 2);
            yield_now().await;
            shared.1.fetch_sub(permit.count(), Ordering::SeqCst);
        }
    };
    let workers: Vec<_> = (0..6).map(|_| runtime.spawn(work(shared.clone()))).collect();
    for worker in workers {
        worker.join().unwrap();
    }
    assert_eq!(shared.0.available_permits(), 2);
}

#[test]
fn plain_threads_with_an_executor_of_their_own_take_turns() {
    let semaphore = Semaphore::new(1);
    let inside = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..500 {
                    let _permit = block_on(semaphore.acquire()).unwrap();
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    inside.fetch_sub(1, Ordering::SeqCst);
                }
            });
        }
    });
    assert_eq!(semaphore.available_permits(), 1);
}

#[test]
fn readers_read_together_and_a_writer_waits_for_them() {
    let lock = RwLock::new(0);
    let (one, other) = (lock.try_read().unwrap(), lock.try_read().unwrap());
    drop(lock.try_read());
    assert!(lock.try_write().is_none());
    let mut write = Box::pin(lock.write());
    let mut late = pin!(lock.read());
    assert!(poll(write.as_mut()).is_pending());
    assert!(poll(late.as_mut()).is_pending() && lock.try_read().is_none(), "nobody overtakes the writer");
    drop(one);
    assert!(poll(write.as_mut()).is_pending() && lock.try_write().is_none());
    drop(other);
    let Poll::Ready(mut guard) = poll(write.as_mut()) else { panic!("all readers are gone") };
    *guard += 1;
    assert!(poll(late.as_mut()).is_pending() && lock.try_write().is_none());
    let guard = guard.downgrade();
    let Poll::Ready(reader) = poll(late.as_mut()) else { panic!("a reader lets readers in") };
    assert_eq!((*guard, *reader), (1, 1));
}

#[test]
fn guards_that_own_go_to_other_tasks_and_keep_the_lock_alive() {
    let runtime = brigade_runtime::Runtime::multi_thread(2).unwrap();
    runtime.block_on(async {
        let lock = Arc::new(RwLock::new(0));
        let mut writing = lock.clone().write_owned().await;
        assert!(lock.try_read().is_none());
        let reading = spawn(async move {
            *writing += 1;
            writing.downgrade()
        });
        let reading = reading.await.unwrap();
        let other = lock.clone().read_owned().await;
        assert!(lock.try_write().is_none());
        drop(reading);
        assert!(lock.try_write().is_none(), "one still reads");
        drop(other);
        assert!(poll(pin!(lock.clone().write_owned())).is_ready());
        assert!(lock.try_write().is_some(), "all is given back");
        let reading = lock.clone().read_owned().await;
        drop(lock);
        assert_eq!(format!("{reading:?}"), "1");
    });
}

#[test]
fn a_writer_that_gives_up_lets_readers_in() {
    let lock = RwLock::new(());
    let reader = lock.try_read().unwrap();
    assert!(lock.try_write().is_none(), "one reads");
    drop(reader);
    drop(lock.try_write().unwrap());
    let _reader = lock.try_read().unwrap();
    let mut write = Box::pin(lock.write());
    let mut read = pin!(lock.read());
    assert!(poll(write.as_mut()).is_pending() && poll(read.as_mut()).is_pending());
    drop(write);
    assert!(poll(read.as_mut()).is_ready());
}

#[test]
fn no_change_is_lost_between_readers_and_writers_on_many_threads() {
    let runtime = Runtime::multi_thread(3).unwrap();
    let lock = Arc::new(RwLock::new((0, 0)));
    let tasks: Vec<_> = (0..6)
        .map(|number| {
            let lock = lock.clone();
            runtime.spawn(async move {
                for _ in 0..200 {
                    if number % 3 == 0 {
                        let mut guard = lock.write().await;
                        guard.0 += 1;
                        yield_now().await;
                        guard.1 += 1;
                    } else {
                        let guard = lock.read().await;
                        assert_eq!(guard.0, guard.1);
                    }
                }
            })
        })
        .collect();
    tasks.into_iter().for_each(|task| task.join().unwrap());
    assert_eq!(*lock.try_read().unwrap(), (400, 400));
}

#[test]
fn a_value_is_made_once() {
    run(async {
        let shared = Arc::new((OnceCell::new(), AtomicUsize::new(0)));
        let get = |shared: Arc<(OnceCell<usize>, AtomicUsize)>| async move {
            let make = || async {
                yield_now().await;
                shared.1.fetch_add(1, Ordering::SeqCst)
            };
            *shared.0.get_or_init(make).await
        };
        let tasks: Vec<_> = (0..10).map(|_| spawn(get(shared.clone()))).collect();
        assert!(gather(tasks).await.into_iter().all(|value| value.unwrap() == 0));
        assert_eq!(shared.1.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn the_next_makes_the_value_if_the_first_gives_up_fails_or_panics() {
    let cell = OnceCell::new();
    let mut first = Box::pin(cell.get_or_init(pending));
    let mut second = Box::pin(cell.get_or_try_init(async || Err("no")));
    let mut third = pin!(cell.get_or_init(|| async { 3 }));
    assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
    assert!(poll(third.as_mut()).is_pending());
    assert_eq!(cell.set(4), Err(SetError::Filling(4)));
    drop(first);
    assert_eq!(poll(second.as_mut()), Poll::Ready(Err("no")));
    assert_eq!(poll(third.as_mut()), Poll::Ready(&3));
    assert_eq!((cell.get(), cell.set(4)), (Some(&3), Err(SetError::Filled(4))));
}

#[test]
fn a_cell_can_be_set_by_hand() {
    let mut cell = OnceCell::new();
    assert_eq!((cell.get(), cell.set(1)), (None, Ok(())));
    assert_eq!(block_on(cell.get_or_init(|| async { 2 })), &1);
    assert_eq!((cell.take(), cell.get()), (Some(1), None));
}
