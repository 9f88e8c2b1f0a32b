//! Signals, which this process sends to itself. Each case uses a signal of its own, since they run at the
//! same time.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use brigade_runtime::{
    Runtime, gather, run,
    signal::{Signal, SignalKind, ctrl_c, signal},
    spawn,
};
use futures_util::{FutureExt, StreamExt};
use std::{io::ErrorKind, process::Command};

/// Sends a signal to this process, and comes back when it was sent.
fn send(kind: SignalKind) {
    let pid = std::process::id().to_string();
    let status = Command::new("kill").args([format!("-{}", kind.as_raw()), pid]).status().unwrap();
    assert!(status.success());
}

#[test]
fn one_between_creation_and_first_poll_is_heard() {
    run(async {
        let mut listener = signal(SignalKind::USER_1).unwrap();
        send(SignalKind::USER_1);
        listener.recv().await.unwrap();
        assert!(listener.recv().now_or_never().is_none());
        send(SignalKind::USER_1);
        listener.recv().await.unwrap();
    });
}

#[test]
fn every_listener_hears_it_in_whatever_runtime() {
    let one = Runtime::multi_thread(2).unwrap();
    let other = Runtime::current_thread().unwrap();
    let mut listeners: Vec<Signal> =
        (0..3).map(|_| one.block_on(async { signal(SignalKind::USER_2).unwrap() })).collect();
    let mut elsewhere = other.block_on(async { signal(SignalKind::USER_2).unwrap() });
    for _ in 0..20 {
        let waiting: Vec<_> = listeners
            .into_iter()
            .map(|mut listener| {
                one.spawn(async move {
                    listener.recv().await.unwrap();
                    listener
                })
            })
            .collect();
        send(SignalKind::USER_2);
        listeners = one.block_on(gather(waiting)).into_iter().map(Result::unwrap).collect();
        // That runtime was not turned meanwhile.
        other.block_on(elsewhere.recv()).unwrap();
    }
}

#[test]
fn the_request_to_end_and_the_end_of_a_child_are_heard() {
    run(async {
        let mut terminate = signal(SignalKind::TERMINATE).unwrap();
        let mut child = signal(SignalKind::CHILD).unwrap();
        // It is a child itself, and ends.
        send(SignalKind::TERMINATE);
        terminate.recv().await.unwrap();
        child.recv().await.unwrap();
    });
}

#[test]
fn it_is_a_stream() {
    run(async {
        let mut listener = signal(SignalKind::ALARM).unwrap();
        let counting = spawn(async move {
            assert_eq!(listener.next().await, Some(()));
            listener.next().await
        });
        send(SignalKind::ALARM);
        brigade_runtime::yield_now().await;
        // As long as the first was not taken the second is the same one.
        while !counting.is_finished() {
            send(SignalKind::ALARM);
            brigade_runtime::yield_now().await;
        }
        assert_eq!(counting.await.unwrap(), Some(()));
    });
}

#[test]
fn ctrl_c_is_heard_and_ends_nobody() {
    run(async {
        let mut first = Box::pin(ctrl_c());
        assert!(first.as_mut().now_or_never().is_none());
        send(SignalKind::INTERRUPT);
        first.await.unwrap();
        // Nobody listens now, and the process lives on.
        send(SignalKind::INTERRUPT);
    });
}

#[test]
fn a_dropped_wait_loses_no_signal() {
    run(async {
        let mut listener = signal(SignalKind::WINDOW_CHANGE).unwrap();
        assert!(listener.recv().now_or_never().is_none());
        send(SignalKind::WINDOW_CHANGE);
        listener.recv().await.unwrap();
    });
}

#[test]
fn a_signal_that_cannot_be_caught_is_refused() {
    run(async {
        for number in [9, 11, 0, -1, 1000] {
            let error = signal(SignalKind::from_raw(number)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{number}");
        }
    });
}

#[test]
fn the_end_of_the_runtime_is_an_error_not_a_wait_for_ever() {
    let runtime = Runtime::current_thread().unwrap();
    let mut listener = runtime.block_on(async { signal(SignalKind::HANGUP).unwrap() });
    drop(runtime);
    assert!(run(listener.recv()).is_err());
}
