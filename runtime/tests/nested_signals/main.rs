//! Signals that come at the same moment. Their handlers run on a small stack, so they must not run on top
//! of one another.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

// Unsafe: system calls.
#[allow(unsafe_code)]
mod sys;

use brigade_runtime::{
    run,
    signal::{SignalKind, signal},
};

const KINDS: [SignalKind; 10] = [
    SignalKind::ALARM,
    SignalKind::CHILD,
    SignalKind::HANGUP,
    SignalKind::INTERRUPT,
    SignalKind::PIPE,
    SignalKind::QUIT,
    SignalKind::TERMINATE,
    SignalKind::USER_1,
    SignalKind::USER_2,
    SignalKind::WINDOW_CHANGE,
];

#[test]
fn ten_signals_at_once_are_heard() {
    run(async {
        let mut listeners = KINDS.map(|kind| signal(kind).unwrap());
        for _ in 0..10 {
            sys::raise_together(&KINDS.map(SignalKind::as_raw)).unwrap();
            for listener in &mut listeners {
                listener.recv().await.unwrap();
            }
        }
    });
}
