//! Channels as streams and sinks of `futures-util`.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use brigade_runtime::{Runtime, run, spawn, sync::mpsc};
use futures_util::{FutureExt, SinkExt, StreamExt, stream};

async fn through_a_narrow_channel() {
    let (sender, receiver) = mpsc::channel(2);
    let sending = spawn(stream::iter(0..1000).map(Ok).forward(sender.into_sink()));
    let received: Vec<u32> = receiver.collect().await;
    assert!(received.into_iter().eq(0..1000));
    sending.await.unwrap().unwrap();
}

#[test]
fn a_stream_is_forwarded_through_a_narrow_channel_on_one_thread() {
    run(through_a_narrow_channel());
}

#[test]
fn a_stream_is_forwarded_through_a_narrow_channel_on_two_workers() {
    Runtime::multi_thread(2).unwrap().block_on(through_a_narrow_channel());
}

#[test]
fn a_sink_waits_for_room_and_loses_nothing_when_the_wait_is_dropped() {
    run(async {
        let (sender, mut receiver) = mpsc::channel(1);
        let mut sink = sender.into_sink();
        sink.send(1).await.unwrap();
        assert!(sink.send(2).now_or_never().is_none());
        assert_eq!(receiver.recv().await, Some(1));
        sink.send(3).await.unwrap();
        assert_eq!(receiver.recv().await, Some(3));
        sink.close().await.unwrap();
        assert!(sink.send(4).await.is_err());
        assert_eq!(receiver.recv().await, None);
    });
}

#[test]
fn a_sink_whose_receiver_goes_says_so() {
    run(async {
        let (sender, receiver) = mpsc::channel(1);
        let mut sink = sender.into_sink();
        sink.send(1).await.unwrap();
        let waiting = spawn(async move { sink.send(2).await });
        brigade_runtime::yield_now().await;
        drop(receiver);
        assert!(waiting.await.unwrap().is_err());
    });
}

#[test]
fn a_sender_without_a_limit_is_a_sink_as_it_is() {
    run(async {
        let (mut sender, receiver) = mpsc::unbounded();
        sender.send_all(&mut stream::iter(0..100).map(Ok)).await.unwrap();
        drop(sender);
        assert_eq!(receiver.count().await, 100);
    });
}
