//! The latest value.

use super::{block_on, poll};
use brigade_runtime::{Runtime, sync::watch};
use std::{pin::pin, task::Poll, thread};

#[test]
fn a_receiver_sees_the_latest_value_and_whether_it_is_new() {
    let (sender, mut receiver) = watch::channel(0);
    assert_eq!((receiver.has_changed(), *receiver.borrow()), (Ok(false), 0));
    sender.send(1).unwrap();
    sender.send(2).unwrap();
    assert_eq!((receiver.has_changed(), *receiver.borrow()), (Ok(true), 2));
    assert!(receiver.borrow_and_update().has_changed());
    assert!(!receiver.borrow_and_update().has_changed());
    assert!(!sender.send_if_modified(|_| false));
    assert_eq!((receiver.has_changed(), sender.send_replace(3), *sender.borrow()), (Ok(false), 2, 3));
}

#[test]
fn a_change_wakes_all_who_wait_and_is_seen_by_who_comes_later() {
    let (sender, mut one) = watch::channel(0);
    let (mut other, mut late) = (one.clone(), sender.subscribe());
    let (mut first, mut second) = (pin!(one.changed()), pin!(other.changed()));
    assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
    sender.send_modify(|value| *value += 1);
    assert_eq!((poll(first.as_mut()), poll(second.as_mut())), (Poll::Ready(Ok(())), Poll::Ready(Ok(()))));
    assert_eq!(block_on(late.changed()), Ok(()));
    assert!(poll(pin!(late.changed())).is_pending());
}

#[test]
fn the_end_comes_after_the_last_value() {
    let (sender, mut receiver) = watch::channel(0);
    let mut waits = receiver.clone();
    let mut wait = pin!(waits.changed());
    sender.send(1).unwrap();
    assert_eq!(poll(wait.as_mut()), Poll::Ready(Ok(())));
    drop(sender);
    assert_eq!(receiver.has_changed(), Ok(true));
    assert_eq!(block_on(receiver.changed()), Ok(()));
    assert!(block_on(receiver.changed()).is_err());
    assert_eq!(*receiver.borrow(), 1);
}

#[test]
fn a_receiver_that_waits_hears_of_the_end() {
    let (sender, mut receiver) = watch::channel(());
    let mut wait = pin!(receiver.changed());
    assert!(poll(wait.as_mut()).is_pending());
    drop(sender);
    assert!(matches!(poll(wait.as_mut()), Poll::Ready(Err(_))));
}

#[test]
fn a_sender_hears_that_no_receiver_is_left() {
    let (sender, receiver) = watch::channel(0);
    let other = receiver.clone();
    let mut closed = pin!(sender.closed());
    drop(receiver);
    assert!(poll(closed.as_mut()).is_pending());
    drop(other);
    assert!(poll(closed.as_mut()).is_ready());
    assert_eq!(sender.send(1), Err(watch::SendError(1)));
    assert_eq!(*sender.borrow(), 0);
}

#[test]
fn a_value_is_waited_for() {
    let (sender, mut receiver) = watch::channel(0);
    assert_eq!(*block_on(receiver.wait_for(|value| *value == 0)).unwrap(), 0);
    let sends = thread::spawn(move || {
        for value in 1..=100 {
            sender.send(value).unwrap();
        }
        // Kept until it was seen, since a value that is replaced at once may not be.
        sender
    });
    assert_eq!(*block_on(receiver.wait_for(|value| *value == 100)).unwrap(), 100);
    drop(sends.join().unwrap());
    assert!(block_on(receiver.wait_for(|value| *value == 7)).is_err());
}

#[test]
fn the_last_change_reaches_every_receiver_on_many_threads() {
    let runtime = Runtime::multi_thread(3).unwrap();
    for _ in 0..50 {
        let (sender, receiver) = watch::channel(0);
        let receivers: Vec<_> = (0..4)
            .map(|_| {
                let mut receiver = receiver.clone();
                runtime.spawn(async move {
                    let mut last = 0;
                    while receiver.changed().await.is_ok() {
                        let value = *receiver.borrow_and_update();
                        assert!(value >= last);
                        last = value;
                    }
                    last
                })
            })
            .collect();
        for value in 1..=20 {
            sender.send(value).unwrap();
        }
        drop(sender);
        assert!(receivers.into_iter().all(|receiver| receiver.join().unwrap() == 20));
    }
}

#[test]
fn a_task_on_another_thread_can_wait_for_a_value() {
    let runtime = Runtime::multi_thread(1).unwrap();
    let (sender, mut receiver) = watch::channel(0);
    let waits =
        runtime.spawn(async move { receiver.wait_for(|&value| value == 5).await.map(|value| *value) });
    sender.send(5).unwrap();
    assert_eq!(waits.join().unwrap(), Ok(5));
}
