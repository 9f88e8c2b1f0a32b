//! A consumer sees that a queue is closed, and misses the last item.

use super::shim::{AtomicBool, Mutex, SeqCst, thread};
use std::sync::Arc;

#[derive(Default)]
struct Mailbox {
    letters: Mutex<Vec<&'static str>>,
    is_closed: AtomicBool,
}

impl Mailbox {
    fn take(&self) -> Option<&'static str> {
        self.letters.lock().expect("no thread panics").pop()
    }
}

fn run(take_all: fn(&Mailbox) -> usize) {
    let mailbox = Arc::new(Mailbox::default());
    let theirs = mailbox.clone();
    let sender = thread::spawn(move || {
        theirs.letters.lock().expect("no thread panics").push("the last letter");
        theirs.is_closed.store(true, SeqCst);
    });
    let taken = take_all(&mailbox);
    sender.join().expect("no thread panics");
    assert_eq!(taken, 1, "a letter is left in a closed mailbox");
}

pub(super) fn bad() {
    run(|mailbox| {
        loop {
            // Wrong: the last letter and the close may both come after this look at the letters.
            if mailbox.take().is_some() {
                return 1;
            }
            if mailbox.is_closed.load(SeqCst) {
                return 0;
            }
            thread::yield_now();
        }
    });
}

pub(super) fn right() {
    run(|mailbox| {
        loop {
            let was_closed = mailbox.is_closed.load(SeqCst);
            if mailbox.take().is_some() {
                return 1;
            }
            if was_closed {
                return 0;
            }
            thread::yield_now();
        }
    });
}
