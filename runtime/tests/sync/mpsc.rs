//! A channel from many senders to one receiver: room, order, closing, permits.

use super::{block_on, poll};
use crate::common::WakeCount;
use brigade_runtime::{
    Runtime, next, run, spawn,
    sync::mpsc::{self, TryRecvError, TrySendError},
    timeout, yield_now,
};
use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

#[test]
fn values_come_in_the_order_of_sending_and_then_none() {
    let (sender, mut receiver) = mpsc::channel(3);
    let values = run(async {
        let sends = spawn(async move {
            for n in 0..100 {
                sender.send(n).await.unwrap();
            }
        });
        let mut values = Vec::new();
        while let Some(value) = next(&mut receiver).await {
            values.push(value);
        }
        sends.await.unwrap();
        values
    });
    assert_eq!(values, (0..100).collect::<Vec<_>>());
}

#[test]
fn a_sender_waits_for_room_and_is_not_overtaken() {
    let (sender, mut receiver) = mpsc::channel(1);
    sender.try_send(1).unwrap();
    let mut second = pin!(sender.send(2));
    let mut third = pin!(sender.send(3));
    assert!(poll(second.as_mut()).is_pending() && poll(third.as_mut()).is_pending());
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(sender.try_send(4), Err(TrySendError::Full(4)), "the room is the second one's");
    assert!(poll(third.as_mut()).is_pending());
    assert_eq!(poll(second.as_mut()), Poll::Ready(Ok(())));
    assert_eq!(receiver.try_recv(), Ok(2));
    assert_eq!(poll(third.as_mut()), Poll::Ready(Ok(())));
    assert_eq!((receiver.try_recv(), receiver.try_recv()), (Ok(3), Err(TryRecvError::Empty)));
}

#[test]
fn a_send_that_is_dropped_sends_nothing_and_passes_its_room_on() {
    let (sender, mut receiver) = mpsc::channel(1);
    sender.try_send(1).unwrap();
    let mut waits = Box::pin(sender.send(2));
    let mut has_room = Box::pin(sender.send(3));
    let mut last = pin!(sender.send(4));
    for send in [&mut waits, &mut has_room] {
        assert!(poll(send.as_mut()).is_pending());
    }
    assert!(poll(last.as_mut()).is_pending());
    drop(waits);
    assert_eq!(receiver.try_recv(), Ok(1));
    drop(has_room);
    assert_eq!(poll(last.as_mut()), Poll::Ready(Ok(())));
    assert_eq!(receiver.try_recv(), Ok(4));
    assert_eq!(sender.capacity(), 1);
}

#[test]
fn reserved_room_is_kept() {
    let (sender, mut receiver) = mpsc::channel(2);
    let permit = block_on(sender.reserve()).unwrap();
    let other = sender.try_reserve().unwrap();
    assert_eq!((sender.capacity(), sender.max_capacity(), receiver.capacity()), (0, 2, Some(0)));
    assert!(matches!(sender.try_reserve(), Err(TrySendError::Full(()))));
    let mut third = pin!(sender.send(3));
    assert!(poll(third.as_mut()).is_pending());
    drop(other);
    assert_eq!(poll(third.as_mut()), Poll::Ready(Ok(())));
    permit.send(1);
    let owned = sender.clone().reserve_owned();
    assert_eq!((receiver.try_recv(), receiver.len()), (Ok(3), 1));
    let sender = block_on(owned).unwrap().send(4);
    assert_eq!((receiver.try_recv(), receiver.try_recv()), (Ok(1), Ok(4)));
    let sender = block_on(sender.reserve_owned()).unwrap().release();
    assert_eq!(sender.capacity(), 2);
}

#[test]
fn a_closed_channel_refuses_values_but_gives_what_was_sent_or_reserved() {
    let (sender, mut receiver) = mpsc::channel(2);
    sender.try_send(1).unwrap();
    let permit = sender.try_reserve().unwrap();
    let mut waits = pin!(sender.send(3));
    let mut closed = pin!(sender.closed());
    assert!(poll(waits.as_mut()).is_pending() && poll(closed.as_mut()).is_pending());
    receiver.close();
    assert_eq!(poll(waits.as_mut()), Poll::Ready(Err(mpsc::SendError(3))));
    assert!(poll(closed.as_mut()).is_ready() && sender.is_closed());
    assert_eq!(sender.try_send(4), Err(TrySendError::Closed(4)));
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty), "somebody has a permit");
    let mut receive = pin!(receiver.recv());
    assert!(poll(receive.as_mut()).is_pending());
    permit.send(2);
    assert_eq!(poll(receive.as_mut()), Poll::Ready(Some(2)));
}

#[test]
fn a_permit_that_is_dropped_lets_a_closed_channel_end() {
    let (sender, mut receiver) = mpsc::channel::<()>(1);
    let permit = sender.try_reserve().unwrap();
    receiver.close();
    let mut receive = pin!(receiver.recv());
    assert!(poll(receive.as_mut()).is_pending());
    drop(permit);
    assert_eq!(poll(receive.as_mut()), Poll::Ready(None));
}

#[test]
fn a_send_that_hears_of_the_end_and_is_dropped_leaves_the_channel_as_it_is() {
    let (sender, mut receiver) = mpsc::channel(1);
    sender.try_send(1).unwrap();
    let mut waits = Box::pin(sender.send(2));
    assert!(poll(waits.as_mut()).is_pending());
    receiver.close();
    drop(waits);
    assert_eq!((receiver.try_recv(), receiver.try_recv()), (Ok(1), Err(TryRecvError::Closed)));
}

#[test]
fn the_one_who_polled_last_is_woken() {
    let (sender, mut receiver) = mpsc::unbounded();
    let counts = [(); 2].map(|()| Arc::new(WakeCount::default()));
    let [one, other] = counts.each_ref().map(|count| Waker::from(count.clone()));
    sender.send(1).unwrap();
    assert_eq!(receiver.poll_recv(&mut Context::from_waker(&one)), Poll::Ready(Some(1)));
    assert!(receiver.poll_recv(&mut Context::from_waker(&other)).is_pending());
    sender.send(2).unwrap();
    assert_eq!(counts.each_ref().map(|count| count.times()), [0, 1]);
}

#[test]
fn a_receiver_that_waits_hears_that_the_last_permit_of_a_closed_channel_is_gone() {
    let (sender, mut receiver) = mpsc::channel::<()>(1);
    let permit = sender.try_reserve().unwrap();
    receiver.close();
    let count = Arc::new(WakeCount::default());
    let waker = Waker::from(count.clone());
    assert!(receiver.poll_recv(&mut Context::from_waker(&waker)).is_pending());
    drop(permit);
    assert_eq!(count.times(), 1);
    assert_eq!(receiver.poll_recv(&mut Context::from_waker(&waker)), Poll::Ready(None));
}

#[test]
fn values_left_inside_are_dropped_with_the_receiver() {
    let value = Arc::new(());
    let (sender, mut receiver) = mpsc::channel(4);
    for _ in 0..3 {
        sender.try_send(value.clone()).unwrap();
    }
    let permit = sender.try_reserve().unwrap();
    drop(receiver.try_recv());
    sender.try_send(value.clone()).unwrap();
    drop(receiver);
    assert_eq!(Arc::strong_count(&value), 1);
    permit.send(value.clone());
    assert_eq!(Arc::strong_count(&value), 1, "nobody is there to receive it");
    assert!(sender.try_send(value.clone()).is_err());
}

#[test]
fn the_receiver_hears_that_the_last_sender_is_gone() {
    let (sender, mut receiver) = mpsc::unbounded::<()>();
    let other = sender.clone();
    let mut receive = pin!(receiver.recv());
    assert!(poll(receive.as_mut()).is_pending());
    drop(sender);
    assert!(poll(receive.as_mut()).is_pending());
    drop(other);
    assert_eq!(poll(receive.as_mut()), Poll::Ready(None));
}

#[test]
fn a_receive_that_is_dropped_loses_nothing() {
    let (sender, mut receiver) = mpsc::channel(4);
    assert!(poll(pin!(receiver.recv())).is_pending());
    sender.try_send(1).unwrap();
    sender.try_send(2).unwrap();
    assert_eq!(block_on(receiver.recv()), Some(1));
    drop(Box::pin(receiver.recv()));
    assert_eq!(block_on(receiver.recv()), Some(2));
}

#[test]
fn many_are_received_at_once() {
    let (sender, mut receiver) = mpsc::channel(8);
    let mut buffer = Vec::new();
    assert!(poll(pin!(receiver.recv_many(&mut buffer, 4))).is_pending());
    for n in 0..6 {
        sender.try_send(n).unwrap();
    }
    assert_eq!(block_on(receiver.recv_many(&mut buffer, 4)), 4);
    assert_eq!((buffer.as_slice(), sender.capacity(), receiver.len()), ([0, 1, 2, 3].as_slice(), 6, 2));
    assert_eq!(block_on(receiver.recv_many(&mut buffer, 0)), 0);
    drop(sender);
    assert_eq!(block_on(receiver.recv_many(&mut buffer, 4)), 2);
    assert_eq!(block_on(receiver.recv_many(&mut buffer, 4)), 0);
}

#[test]
fn a_burst_leaves_no_large_buffer_behind_and_loses_nothing() {
    let (sender, mut receiver) = mpsc::unbounded();
    for round in 0..3 {
        for n in 0..5000 {
            sender.send((round, n)).unwrap();
        }
        for n in 0..5000 {
            assert_eq!(receiver.try_recv(), Ok((round, n)));
        }
    }
    assert!(receiver.is_empty());
}

#[test]
fn a_consumer_that_always_finds_a_value_lets_others_run() {
    let (sender, mut receiver) = mpsc::unbounded();
    sender.send(0).unwrap();
    let count = run(async move {
        let hog = spawn(async move {
            while let Some(n) = receiver.recv().await {
                sender.send(n + 1).unwrap();
            }
        });
        for _ in 0..10 {
            yield_now().await;
        }
        hog.cancel();
        hog.await.is_err()
    });
    assert!(count);
}

#[test]
fn nothing_is_lost_between_many_threads_whoever_gives_up() {
    let runtime = Runtime::multi_thread(3).unwrap();
    let (sender, mut receiver) = mpsc::channel(2);
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let sender = sender.clone();
            runtime.spawn(async move {
                let mut sent = 0_u64;
                for n in 0..300_u64 {
                    // Some sends are given up, wherever they are.
                    let send = sender.send(n);
                    if n % 3 == 0 {
                        sent += timeout(Duration::from_nanos(n * 100), send).await.map_or(0, |_| n);
                    } else {
                        send.await.unwrap();
                        sent += n;
                    }
                }
                sent
            })
        })
        .collect();
    // A plain thread sends as well.
    let plain = thread::spawn(move || {
        for n in 0..300_u64 {
            block_on(sender.send(n)).unwrap();
        }
        300 * 299 / 2
    });
    let received = runtime.block_on(async move {
        let mut sum = 0;
        while let Some(n) = receiver.recv().await {
            sum += n;
        }
        sum
    });
    let sent: u64 = tasks.into_iter().map(|task| task.join().unwrap()).sum();
    assert_eq!(received, sent + plain.join().unwrap());
}
