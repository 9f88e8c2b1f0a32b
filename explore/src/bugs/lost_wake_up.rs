//! A thread sleeps for ever, because the wake-up came between its look at the flag and its sleep.

use super::shim::{AtomicBool, Mutex, SeqCst, thread};
use std::sync::Arc;

#[derive(Default)]
struct Gate {
    is_open: AtomicBool,
    waiter: Mutex<Option<thread::Thread>>,
}

impl Gate {
    fn open(&self) {
        self.is_open.store(true, SeqCst);
        let waiter = self.waiter.lock().expect("no thread panics").take();
        waiter.inspect(thread::Thread::unpark);
    }

    fn enlist(&self) {
        *self.waiter.lock().expect("no thread panics") = Some(thread::current());
    }
}

fn run(wait: fn(&Gate)) {
    let gate = Arc::new(Gate::default());
    let theirs = gate.clone();
    let opener = thread::spawn(move || theirs.open());
    wait(&gate);
    opener.join().expect("no thread panics");
}

pub(super) fn bad() {
    run(|gate| {
        while !gate.is_open.load(SeqCst) {
            // Wrong: the gate may open here, and finds nobody to wake. The flag is not looked at again.
            gate.enlist();
            thread::park();
        }
    });
}

pub(super) fn right() {
    run(|gate| {
        gate.enlist();
        while !gate.is_open.load(SeqCst) {
            thread::park();
        }
    });
}
