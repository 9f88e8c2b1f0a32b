//! A message is read before it is written, because its flag is set first.

use super::shim::{AtomicBool, AtomicUsize, SeqCst, thread};
use std::sync::Arc;

struct Message {
    number: AtomicUsize,
    is_ready: AtomicBool,
}

fn run(publish: fn(&Message)) {
    let message = Arc::new(Message { number: AtomicUsize::new(0), is_ready: AtomicBool::new(false) });
    let theirs = message.clone();
    let publisher = thread::spawn(move || publish(&theirs));
    if message.is_ready.load(SeqCst) {
        assert_eq!(message.number.load(SeqCst), 42, "a message is read before it is written");
    }
    publisher.join().expect("no thread panics");
}

pub(super) fn bad() {
    run(|message| {
        // Wrong: between the stores, the flag promises a number that is not there yet.
        message.is_ready.store(true, SeqCst);
        message.number.store(42, SeqCst);
    });
}

pub(super) fn right() {
    run(|message| {
        message.number.store(42, SeqCst);
        message.is_ready.store(true, SeqCst);
    });
}
