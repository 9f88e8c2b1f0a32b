//! Conditions and barriers: where tasks meet.

use super::{block_on, poll};
use brigade_runtime::{
    Runtime, gather, run, spawn,
    sync::{Barrier, Condition, Mutex},
};
use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    thread,
};

#[test]
fn waiting_for_a_condition_releases_the_lock_and_takes_it_again() {
    let (mutex, condition) = (Mutex::new(0), Condition::new());
    let mut wait = pin!(condition.wait(mutex.try_lock().unwrap()));
    assert!(poll(wait.as_mut()).is_pending());
    let mut guard = mutex.try_lock().expect("it was given up");
    *guard = 1;
    condition.notify(1);
    assert!(poll(wait.as_mut()).is_pending(), "it has to wait for the lock");
    drop(guard);
    let Poll::Ready(guard) = poll(wait.as_mut()) else { panic!("the lock is free") };
    assert_eq!(*guard, 1);
    assert!(mutex.try_lock().is_none());
}

#[test]
fn waiters_are_notified_in_the_order_in_which_they_came() {
    let (mutex, condition) = (Mutex::new(()), Condition::new());
    let mut waits: Vec<_> = (0..40)
        .map(|_| {
            let mut wait = Box::pin(condition.wait(mutex.try_lock().unwrap()));
            assert!(poll(wait.as_mut()).is_pending());
            wait
        })
        .collect();
    condition.notify(2);
    for (number, wait) in waits.iter_mut().enumerate() {
        assert_eq!(poll(wait.as_mut()).is_ready(), number < 2);
    }
    condition.notify_all();
    assert!(waits.iter_mut().skip(2).all(|wait| poll(wait.as_mut()).is_ready()));
}

#[test]
fn a_notification_of_one_who_is_dropped_goes_to_the_next() {
    let (mutex, condition) = (Mutex::new(()), Condition::new());
    let mut first = Box::pin(condition.wait(mutex.try_lock().unwrap()));
    assert!(poll(first.as_mut()).is_pending());
    let mut second = pin!(condition.wait(mutex.try_lock().unwrap()));
    assert!(poll(second.as_mut()).is_pending());
    condition.notify(1);
    drop(first);
    assert!(poll(second.as_mut()).is_ready());
}

#[test]
fn a_notification_of_all_is_passed_to_nobody() {
    let (mutex, condition) = (Mutex::new(()), Condition::new());
    let mut first = Box::pin(condition.wait(mutex.try_lock().unwrap()));
    assert!(poll(first.as_mut()).is_pending());
    condition.notify_all();
    let mut second = pin!(condition.wait(mutex.try_lock().unwrap()));
    assert!(poll(second.as_mut()).is_pending());
    drop(first);
    assert!(poll(second.as_mut()).is_pending(), "it came after that");
}

#[test]
fn a_waiter_that_is_notified_and_finds_it_not_true_waits_again() {
    let (mutex, condition) = (Mutex::new(0), Condition::new());
    let mut wait = pin!(condition.wait_for(mutex.try_lock().unwrap(), |count| *count == 2));
    assert!(poll(wait.as_mut()).is_pending());
    for count in 0..2 {
        *mutex.try_lock().unwrap() = count;
        condition.notify_all();
        assert!(poll(wait.as_mut()).is_pending());
    }
    *mutex.try_lock().unwrap() = 2;
    condition.notify(1);
    assert!(poll(wait.as_mut()).is_ready());
}

#[test]
fn a_notification_of_one_who_is_dropped_while_it_waits_for_the_lock_goes_to_the_next() {
    let (items, condition) = (Mutex::new(0), Condition::new());
    let take = || async {
        let mut items = condition.wait_for(items.lock().await, |items| *items > 0).await;
        *items -= 1;
    };
    let (mut first, mut second) = (Box::pin(take()), pin!(take()));
    assert!(poll(first.as_mut()).is_pending());
    assert!(poll(second.as_mut()).is_pending());
    let mut guard = items.try_lock().unwrap();
    *guard += 1;
    condition.notify(1);
    assert!(poll(first.as_mut()).is_pending(), "it has to wait for the lock");
    drop(first);
    drop(guard);
    assert!(poll(second.as_mut()).is_ready());
    assert_eq!(items.try_lock().map(|items| *items), Some(0));
}

#[test]
fn a_notification_that_led_to_the_lock_is_used_up() {
    let (mutex, condition) = (Mutex::new(()), Condition::new());
    let mut first = Box::pin(condition.wait(mutex.try_lock().unwrap()));
    assert!(poll(first.as_mut()).is_pending());
    let mut second = pin!(condition.wait(mutex.try_lock().unwrap()));
    assert!(poll(second.as_mut()).is_pending());
    condition.notify(1);
    assert!(poll(first.as_mut()).is_ready());
    drop(first);
    assert!(poll(second.as_mut()).is_pending());
}

#[test]
fn tasks_wait_until_it_is_true() {
    let runtime = Runtime::multi_thread(2).unwrap();
    let shared = Arc::new((Mutex::new(0), Condition::new()));
    let waiters: Vec<_> = (1..=20)
        .map(|number| {
            let shared = shared.clone();
            runtime.spawn(async move {
                let guard = shared.0.lock().await;
                *shared.1.wait_for(guard, |count| *count >= number).await
            })
        })
        .collect();
    // A plain thread changes it.
    for _ in 0..20 {
        *block_on(shared.0.lock()) += 1;
        shared.1.notify_all();
    }
    for (number, waiter) in waiters.into_iter().enumerate() {
        assert!(waiter.join().unwrap() > number);
    }
}

#[test]
fn a_barrier_opens_when_all_have_come_again_and_again() {
    let runtime = Runtime::multi_thread(3).unwrap();
    let shared = Arc::new((Barrier::new(4), AtomicUsize::new(0)));
    let come = |shared: Arc<(Barrier, AtomicUsize)>| async move {
        let mut led = 0;
        for round in 0..200 {
            shared.1.fetch_add(1, Ordering::SeqCst);
            led += usize::from(shared.0.wait().await.unwrap().is_leader());
            assert!(shared.1.load(Ordering::SeqCst) >= 4 * (round + 1));
        }
        led
    };
    let tasks: Vec<_> = (0..3).map(|_| runtime.spawn(come(shared.clone()))).collect();
    let plain = thread::spawn(move || block_on(come(shared)));
    let led: usize = tasks.into_iter().map(|task| task.join().unwrap()).sum();
    assert_eq!(led + plain.join().unwrap(), 200, "one leads in each round");
}

#[test]
fn a_task_that_gives_up_has_not_arrived() {
    let barrier = Barrier::new(2);
    let mut first = Box::pin(barrier.wait());
    assert!(poll(first.as_mut()).is_pending());
    assert_eq!(barrier.waiting(), 1);
    drop(first);
    let mut second = pin!(barrier.wait());
    assert!(poll(second.as_mut()).is_pending());
    let Poll::Ready(Ok(last)) = poll(pin!(barrier.wait())) else { panic!("two have come") };
    assert_eq!((last.index(), last.is_leader()), (1, true));
    let Poll::Ready(Ok(other)) = poll(second.as_mut()) else { panic!("two have come") };
    assert_eq!((other.index(), other.is_leader()), (0, false));
}

#[test]
fn an_aborted_barrier_is_broken_until_it_is_reset() {
    let barrier = Barrier::new(2);
    let mut waits = pin!(barrier.wait());
    assert!(poll(waits.as_mut()).is_pending());
    barrier.abort();
    assert!(matches!(poll(waits.as_mut()), Poll::Ready(Err(_))));
    assert!(barrier.is_broken());
    assert!(block_on(barrier.wait()).is_err());
    barrier.reset();
    let mut waits = pin!(barrier.wait());
    assert!(poll(waits.as_mut()).is_pending() && !barrier.is_broken());
    barrier.reset();
    assert!(matches!(poll(waits.as_mut()), Poll::Ready(Err(_))), "a reset breaks the round that is on");
}

#[test]
fn a_barrier_for_one_holds_nobody_back() {
    run(async {
        let barrier = Arc::new(Barrier::new(1));
        let tasks = (0..3).map(|_| {
            let barrier = barrier.clone();
            spawn(async move { barrier.wait().await.unwrap().is_leader() })
        });
        assert!(gather(tasks.collect::<Vec<_>>()).await.into_iter().all(Result::unwrap));
    });
}
