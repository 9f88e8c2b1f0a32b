//! An answer and a timeout both complete one request.

use super::shim::{AtomicBool, AtomicUsize, SeqCst, thread};
use std::sync::Arc;

#[derive(Default)]
struct Request {
    is_complete: AtomicBool,
    replies: AtomicUsize,
}

fn run(complete: fn(&Request)) {
    let request = Arc::new(Request::default());
    let theirs = request.clone();
    let server = thread::spawn(move || complete(&theirs));
    // The timeout.
    complete(&request);
    server.join().expect("no thread panics");
    assert_eq!(request.replies.load(SeqCst), 1, "a request has one reply");
}

pub(super) fn bad() {
    run(|request| {
        // Wrong: both sides may look before one of them sets the flag.
        if !request.is_complete.load(SeqCst) {
            request.is_complete.store(true, SeqCst);
            request.replies.fetch_add(1, SeqCst);
        }
    });
}

pub(super) fn right() {
    run(|request| {
        if !request.is_complete.swap(true, SeqCst) {
            request.replies.fetch_add(1, SeqCst);
        }
    });
}
