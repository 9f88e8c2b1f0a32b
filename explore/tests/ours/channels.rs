//! The channels and queues of the runtime: each item arrives once and in order, and a close is seen.

use crate::tasks;
use brigade_explore::runtime::{
    spawn,
    sync::{Queue, broadcast, mpsc, oneshot, watch},
};
use std::sync::Arc;

#[test]
fn items_of_a_full_channel_arrive_in_order_and_the_close_comes_last() {
    tasks(|| async {
        let (sender, mut inbox) = mpsc::channel(1);
        let producer = spawn(async move {
            for item in 0..3 {
                sender.send(item).await.unwrap();
            }
        });
        for item in 0..3 {
            assert_eq!(inbox.recv().await, Some(item));
        }
        assert_eq!(inbox.recv().await, None);
        producer.await.unwrap();
    });
}

#[test]
fn two_producers_lose_nothing() {
    tasks(|| async {
        let (sender, mut inbox) = mpsc::channel(1);
        let producers = [1, 2].map(|item| {
            let sender = sender.clone();
            spawn(async move { sender.send(item).await.unwrap() })
        });
        drop(sender);
        let mut sum = 0;
        while let Some(item) = inbox.recv().await {
            sum += item;
        }
        assert_eq!(sum, 3);
        for producer in producers {
            producer.await.unwrap();
        }
    });
}

#[test]
fn an_unbounded_channel_wakes_its_receiver_for_the_last_item() {
    tasks(|| async {
        let (sender, mut inbox) = mpsc::unbounded();
        let consumer = spawn(async move {
            let mut items = Vec::new();
            while let Some(item) = inbox.recv().await {
                items.push(item);
            }
            items
        });
        (0..3).for_each(|item| sender.send(item).unwrap());
        drop(sender);
        assert_eq!(consumer.await.unwrap(), [0, 1, 2]);
    });
}

#[test]
fn a_sender_that_waits_for_room_learns_that_the_receiver_is_gone() {
    tasks(|| async {
        let (sender, inbox) = mpsc::channel(1);
        sender.send(1).await.unwrap();
        let blocked = spawn(async move { sender.send(2).await.is_err() });
        drop(inbox);
        assert!(blocked.await.unwrap());
    });
}

#[test]
fn a_oneshot_delivers_or_tells_that_its_sender_is_gone() {
    tasks(|| async {
        let (sender, receiver) = oneshot::channel();
        let (dropped, orphan) = oneshot::channel::<u32>();
        let other = spawn(async move {
            sender.send(7).unwrap();
            drop(dropped);
        });
        assert_eq!(receiver.await, Ok(7));
        assert!(orphan.await.is_err());
        other.await.unwrap();
    });
}

#[test]
fn a_watcher_sees_the_latest_value() {
    tasks(|| async {
        let (sender, mut receiver) = watch::channel(0);
        let watcher = spawn(async move {
            let mut last = 0;
            while receiver.changed().await.is_ok() {
                let now = *receiver.borrow_and_update();
                assert!(now > last, "a change is told twice");
                last = now;
            }
            last
        });
        (1..3).for_each(|value| sender.send(value).unwrap());
        drop(sender);
        assert_eq!(watcher.await.unwrap(), 2);
    });
}

#[test]
fn each_receiver_of_a_broadcast_gets_each_item() {
    tasks(|| async {
        let (sender, receiver) = broadcast::channel(4);
        let receivers = [receiver, sender.subscribe()].map(|mut receiver| {
            spawn(async move {
                let mut sum = 0;
                while let Ok(item) = receiver.recv().await {
                    sum += item;
                }
                sum
            })
        });
        (1..3).for_each(|item| _ = sender.send(item).unwrap());
        drop(sender);
        for receiver in receivers {
            assert_eq!(receiver.await.unwrap(), 3);
        }
    });
}

#[test]
fn a_queue_is_joined_when_all_items_are_done() {
    tasks(|| async {
        let queue = Arc::new(Queue::bounded(1));
        let theirs = queue.clone();
        let cook = spawn(async move {
            for item in 0..3 {
                assert_eq!(theirs.get().await, item);
                theirs.task_done();
            }
        });
        for item in 0..3 {
            queue.put(item).await;
        }
        queue.join().await;
        assert_eq!(queue.unfinished(), 0);
        cook.await.unwrap();
    });
}
