//! Models of the channels: a value arrives while the receiver looks, room is made while a sender looks, and
//! either side is dropped.

use super::{run_beside, visibility::is_ready};
use crate::{
    model,
    sync::{broadcast, mpsc, oneshot, watch},
};
use loom::thread;
use std::{
    future::Future,
    mem,
    panic::Location,
    sync::Arc,
    task::{Context, Poll, Waker},
};

#[test]
fn a_receiver_gets_the_one_value() {
    loom::model(|| {
        let (sender, receiver) = oneshot::channel();
        let handle = run_beside(receiver, move || sender.send(1).unwrap());
        assert_eq!(handle.join().unwrap(), Ok(1));
    });
}

#[test]
fn a_receiver_is_told_that_its_sender_is_dropped() {
    loom::model(|| {
        let (sender, receiver) = oneshot::channel::<()>();
        let handle = run_beside(receiver, move || drop(sender));
        assert!(handle.join().unwrap().is_err());
    });
}

#[test]
fn a_receiver_that_is_dropped_does_not_leak_the_value() {
    loom::model(|| {
        let value = Arc::new(());
        let (sender, receiver) = oneshot::channel();
        let executor = model::Queue::new();
        let handle = executor.spawn(receiver, Location::caller());
        let theirs = value.clone();
        let other = thread::spawn(move || drop(sender.send(theirs)));
        executor.run();
        handle.cancel();
        executor.run();
        other.join().unwrap();
        executor.run();
        drop(handle);
        assert_eq!(Arc::strong_count(&value), 1, "the value was lost");
    });
}

#[test]
fn a_receiver_that_closes_gets_the_value_or_its_sender_gets_it_back() {
    loom::model(|| {
        let (sender, mut receiver) = oneshot::channel();
        let other = thread::spawn(move || sender.send(1).is_ok());
        receiver.close();
        let mut receiver = Box::pin(receiver);
        let value = receiver.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let sent = other.join().unwrap();
        assert!(matches!((sent, value), (true, Poll::Ready(Ok(1))) | (false, Poll::Ready(Err(_)))));
    });
}

#[test]
fn a_sender_is_told_that_its_receiver_is_dropped() {
    loom::model(|| {
        let (mut sender, receiver) = oneshot::channel::<()>();
        let handle = run_beside(async move { sender.closed().await }, move || drop(receiver));
        handle.join().unwrap();
    });
    loom::model(|| {
        let (sender, receiver) = mpsc::unbounded::<()>();
        let handle = run_beside(async move { sender.closed().await }, move || drop(receiver));
        handle.join().unwrap();
    });
    loom::model(|| {
        let (sender, receiver) = watch::channel(());
        let handle = run_beside(async move { sender.closed().await }, move || drop(receiver));
        handle.join().unwrap();
    });
}

#[test]
fn a_receiver_gets_what_is_sent_and_then_the_end() {
    loom::model(|| {
        let (sender, mut receiver) = mpsc::unbounded();
        let receive = async move { (receiver.recv().await, receiver.recv().await) };
        let handle = run_beside(receive, move || sender.send(1).unwrap());
        assert_eq!(handle.join().unwrap(), (Some(1), None));
    });
}

#[test]
fn a_sender_gets_the_room_that_its_receiver_makes() {
    loom::model(|| {
        let (sender, mut receiver) = mpsc::channel(1);
        sender.try_send(1).unwrap();
        let send = async move { sender.send(2).await.unwrap() };
        let handle = run_beside(send, move || {
            assert_eq!(receiver.try_recv(), Ok(1));
            // Kept, because a receiver that is dropped would end the wait as well.
            mem::forget(receiver);
        });
        handle.join().unwrap();
    });
}

#[test]
fn a_channel_ends_after_what_was_sent_into_room_that_was_just_made() {
    loom::model(|| {
        let (sender, mut receiver) = mpsc::channel(1);
        sender.try_send(1).unwrap();
        let other = thread::spawn(move || {
            assert_eq!(receiver.try_recv(), Ok(1));
            receiver
        });
        let mut send = Box::pin(sender.send(2));
        let at_once = is_ready(&mut send);
        let mut receiver = other.join().unwrap();
        assert!(at_once || is_ready(&mut send), "the room was lost");
        drop(send);
        drop(sender);
        assert_eq!((receiver.try_recv(), receiver.try_recv()), (Ok(2), Err(mpsc::TryRecvError::Closed)));
    });
}

#[test]
fn a_sender_that_waits_is_not_overtaken() {
    loom::model(|| {
        let (sender, mut receiver) = mpsc::channel(1);
        sender.try_send(1).unwrap();
        let mut send = Box::pin(sender.send(2));
        assert!(!is_ready(&mut send));
        let other = thread::spawn(move || {
            assert_eq!(receiver.try_recv(), Ok(1));
            receiver
        });
        assert_eq!(sender.try_send(3), Err(mpsc::TrySendError::Full(3)));
        other.join().unwrap();
    });
}

#[test]
fn a_sender_that_is_cancelled_passes_its_room_on() {
    loom::model(|| {
        let (sender, mut receiver) = mpsc::channel(1);
        sender.try_send(1).unwrap();
        let executor = model::Queue::new();
        let send = |sender: mpsc::Sender<u32>, value| async move { sender.send(value).await.unwrap() };
        let first = executor.spawn(send(sender.clone(), 2), Location::caller());
        let second = executor.spawn(send(sender, 3), Location::caller());
        executor.run();
        let other = thread::spawn(move || {
            assert_eq!(receiver.try_recv(), Ok(1));
            receiver
        });
        first.cancel();
        executor.run();
        let mut receiver = other.join().unwrap();
        executor.run();
        let expected = if first.join().is_ok() { 2 } else { 3 };
        assert_eq!(receiver.try_recv(), Ok(expected), "the room was lost");
        executor.run();
        assert!(second.is_finished());
    });
}

#[test]
fn a_sender_that_waits_is_told_that_its_receiver_is_dropped() {
    loom::model(|| {
        let (sender, receiver) = mpsc::channel(1);
        sender.try_send(1).unwrap();
        let send = async move { sender.send(2).await.is_err() };
        let handle = run_beside(send, move || drop(receiver));
        assert!(handle.join().unwrap());
    });
}

#[test]
fn a_receiver_gets_what_is_broadcast_and_then_the_end() {
    loom::model(|| {
        let (sender, mut receiver) = broadcast::channel(1);
        let receive = async move { (receiver.recv().await, receiver.recv().await) };
        let handle = run_beside(receive, move || assert_eq!(sender.send(1), Ok(1)));
        assert_eq!(handle.join().unwrap(), (Ok(1), Err(broadcast::RecvError::Closed)));
    });
}

#[test]
fn a_value_that_is_broadcast_is_dropped_when_both_receivers_have_seen_it() {
    loom::model(|| {
        let value = Arc::new(());
        let (sender, mut receiver) = broadcast::channel(1);
        let mut other = sender.subscribe();
        let theirs = value.clone();
        let receive = async move { receiver.recv().await.is_ok() };
        let handle = run_beside(receive, move || {
            sender.send(theirs).unwrap();
            assert!(other.try_recv().is_ok());
            // Kept, because the end of either would take the value out as well.
            mem::forget((sender, other));
        });
        assert!(handle.join().unwrap());
        assert_eq!(Arc::strong_count(&value), 1, "the value stays in the ring");
    });
}

#[test]
fn a_receiver_that_waits_gets_each_value_or_hears_that_it_missed_one() {
    loom::model(|| {
        let (sender, mut receiver) = broadcast::channel(1);
        let receive = async move { (receiver.recv().await, receiver.recv().await) };
        let handle = run_beside(receive, move || {
            sender.send(1).unwrap();
            sender.send(2).unwrap();
        });
        let lagged = Err(broadcast::RecvError::Lagged(1));
        let got = handle.join().unwrap();
        assert!(got == (Ok(1), Ok(2)) || got == (lagged, Ok(2)), "{got:?}");
    });
}

#[test]
fn a_receiver_gets_what_is_broadcast() {
    loom::model(|| {
        let (sender, mut receiver) = broadcast::channel(1);
        let handle = run_beside(async move { receiver.recv().await }, move || {
            assert_eq!(sender.send(1), Ok(1));
            // Kept, because dropping it would wake the receiver as well.
            mem::forget(sender);
        });
        assert_eq!(handle.join().unwrap(), Ok(1));
    });
}

/// Sends one value, and keeps the sender, because dropping it would wake a receiver as well.
fn change(sender: watch::Sender<u32>) {
    sender.send(1).unwrap();
    mem::forget(sender);
}

#[test]
fn a_receiver_sees_the_change() {
    loom::model(|| {
        let (sender, mut receiver) = watch::channel(0);
        let receive = async move {
            receiver.changed().await.unwrap();
            *receiver.borrow()
        };
        assert_eq!(run_beside(receive, move || change(sender)).join().unwrap(), 1);
    });
    loom::model(|| {
        let (sender, mut receiver) = watch::channel(0);
        let receive = async move { *receiver.wait_for(|value| *value == 1).await.unwrap() };
        assert_eq!(run_beside(receive, move || change(sender)).join().unwrap(), 1);
    });
}

#[test]
fn a_value_is_borrowed_with_its_own_version() {
    loom::model(|| {
        let (sender, receiver) = watch::channel(0);
        let other = thread::spawn(move || change(sender));
        let value = receiver.borrow();
        assert_eq!(value.has_changed(), *value == 1);
        drop(value);
        other.join().unwrap();
    });
    loom::model(|| {
        let (sender, mut receiver) = watch::channel(0);
        let other = thread::spawn(move || change(sender));
        let value = receiver.borrow_and_update();
        let saw = *value;
        assert_eq!(value.has_changed(), saw == 1);
        drop(value);
        other.join().unwrap();
        assert_eq!(receiver.has_changed(), Ok(saw == 0));
    });
}

#[test]
fn a_receiver_sees_the_end() {
    loom::model(|| {
        let (sender, mut receiver) = watch::channel(0);
        let receive = async move { receiver.changed().await.is_err() };
        let handle = run_beside(receive, move || drop(sender));
        assert!(handle.join().unwrap());
    });
}
