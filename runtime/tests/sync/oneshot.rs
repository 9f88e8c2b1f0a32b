//! A channel for one value: who is gone when, and what becomes of the value.

use super::{block_on, poll};
use crate::common::WakeCount;
use brigade_runtime::{
    Runtime, run, spawn,
    sync::oneshot::{self, RecvError, TryRecvError},
    yield_now,
};
use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    thread,
};

#[test]
fn a_value_waits_for_its_receiver() {
    let (sender, receiver) = oneshot::channel();
    assert_eq!(sender.send(1), Ok(()));
    assert_eq!(block_on(receiver), Ok(1));
}

#[test]
fn a_receiver_waits_for_its_value() {
    let (sender, receiver) = oneshot::channel();
    let receiver = thread::spawn(move || block_on(receiver));
    sender.send(1).unwrap();
    assert_eq!(receiver.join().unwrap(), Ok(1));
}

#[test]
fn a_sender_that_is_dropped_ends_the_waiting() {
    let (sender, receiver) = oneshot::channel::<()>();
    let mut receiver = pin!(receiver);
    assert!(poll(receiver.as_mut()).is_pending());
    drop(sender);
    assert!(matches!(poll(receiver.as_mut()), Poll::Ready(Err(RecvError { .. }))));
}

#[test]
fn a_value_for_a_receiver_that_is_gone_comes_back() {
    let (sender, receiver) = oneshot::channel();
    drop(receiver);
    assert!(sender.is_closed());
    assert_eq!(sender.send(1), Err(1));
}

#[test]
fn a_receiver_that_waited_and_is_gone_is_not_woken() {
    let (sender, receiver) = oneshot::channel();
    let mut receiver = Box::pin(receiver);
    assert!(poll(receiver.as_mut()).is_pending());
    drop(receiver);
    assert_eq!(sender.send(1), Err(1));
}

#[test]
fn a_closed_receiver_refuses_a_value_but_has_one_that_was_sent() {
    let (sender, mut receiver) = oneshot::channel();
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    receiver.close();
    assert_eq!(sender.send(1), Err(1));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    assert!(block_on(receiver).is_err());

    let (sender, mut receiver) = oneshot::channel();
    sender.send(1).unwrap();
    receiver.close();
    assert_eq!(block_on(receiver), Ok(1));

    let (sender, mut receiver) = oneshot::channel();
    sender.send(1).unwrap();
    receiver.close();
    assert_eq!((receiver.try_recv(), receiver.try_recv()), (Ok(1), Err(TryRecvError::Closed)));
}

#[test]
fn a_value_that_nobody_took_is_dropped_with_the_channel() {
    let value = Arc::new(());
    let (sender, receiver) = oneshot::channel();
    sender.send(value.clone()).unwrap();
    drop(receiver);
    let (sender, mut receiver) = oneshot::channel();
    assert!(poll(pin!(&mut receiver)).is_pending());
    sender.send(value.clone()).unwrap();
    drop(receiver);
    assert_eq!(Arc::strong_count(&value), 1);
}

/// Wakers that were left in the channel tell when it is freed.
#[test]
fn a_channel_is_freed_whoever_goes_first_and_whoever_waits() {
    for case in 0..16 {
        let [waits, sends, sender_first, closes] = [0, 1, 2, 3].map(|bit| case >> bit & 1 == 1);
        let (mut sender, receiver) = oneshot::channel();
        let mut receiver = Box::pin(receiver);
        let counts = [(); 2].map(|()| Arc::new(WakeCount::default()));
        let [senders, receivers] = counts.each_ref().map(|count| Waker::from(count.clone()));
        assert!(sender.poll_closed(&mut Context::from_waker(&senders)).is_pending());
        assert!(!waits || receiver.as_mut().poll(&mut Context::from_waker(&receivers)).is_pending());
        drop((senders, receivers));
        let last_word =
            move || if sends { assert_eq!(sender.send(1).is_ok(), sender_first) } else { drop(sender) };
        let gone = move || {
            if closes {
                receiver.close();
            }
            drop(receiver);
        };
        if sender_first {
            last_word();
            gone();
        } else {
            gone();
            last_word();
        }
        assert_eq!(counts.each_ref().map(Arc::strong_count), [1, 1], "case {case:04b} leaks");
        let woken = [!sender_first, sender_first && waits].map(usize::from);
        assert_eq!(counts.each_ref().map(|count| count.times()), woken, "case {case:04b}");
    }
}

#[test]
fn a_sender_hears_that_its_receiver_is_gone_or_closed() {
    run(async {
        for close in [oneshot::Receiver::close, |_: &mut oneshot::Receiver<()>| ()] {
            let (mut sender, mut receiver) = oneshot::channel::<()>();
            let waiter = spawn(async move { sender.closed().await });
            yield_now().await;
            assert!(!waiter.is_finished());
            close(&mut receiver);
            drop(receiver);
            waiter.await.unwrap();
        }
    });
}

#[test]
fn values_cross_threads_whoever_comes_first_and_whoever_gives_up() {
    let runtime = Runtime::multi_thread(3).unwrap();
    let counted = Arc::new(());
    let rounds = (0..2000).map(|round| {
        let (sender, receiver) = oneshot::channel();
        let value = counted.clone();
        let sends = runtime.spawn(async move { sender.send(value).is_ok() });
        let receives = runtime.spawn(async move { receiver.await.is_ok() });
        if round % 3 == 0 {
            receives.cancel();
        }
        if round % 5 == 0 {
            sends.cancel();
        }
        (sends, receives)
    });
    for (sends, receives) in rounds.collect::<Vec<_>>() {
        if let (Ok(sent), Ok(received)) = (sends.join(), receives.join()) {
            assert_eq!(sent, received);
        }
    }
    runtime.shutdown();
    assert_eq!(Arc::strong_count(&counted), 1, "no value is left");
}
