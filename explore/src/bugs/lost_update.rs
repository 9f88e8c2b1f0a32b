//! Two threads count, and one of the counts is lost.

use super::shim::{AtomicUsize, SeqCst, thread};
use std::sync::Arc;

fn run(count_one: fn(&AtomicUsize)) {
    let count = Arc::new(AtomicUsize::new(0));
    let threads = [0, 1].map(|_| {
        let count = count.clone();
        thread::spawn(move || count_one(&count))
    });
    for thread in threads {
        thread.join().expect("no thread panics");
    }
    assert_eq!(count.load(SeqCst), 2, "an update is lost");
}

pub(super) fn bad() {
    run(|count| {
        // Wrong: the other thread may count between the load and the store, which writes over its count.
        let seen = count.load(SeqCst);
        count.store(seen + 1, SeqCst);
    });
}

pub(super) fn right() {
    run(|count| {
        count.fetch_add(1, SeqCst);
    });
}
