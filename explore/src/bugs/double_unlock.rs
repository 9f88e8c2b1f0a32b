//! A thread unlocks twice, and so frees a lock that another one holds by then.

use super::shim::{AtomicBool, SeqCst, thread};
use std::sync::Arc;

#[derive(Default)]
struct Shop {
    is_locked: AtomicBool,
    is_occupied: AtomicBool,
    is_crowded: AtomicBool,
}

impl Shop {
    /// Visits the shop if it is free.
    fn visit(&self) -> bool {
        if self.is_locked.swap(true, SeqCst) {
            return false;
        }
        if self.is_occupied.swap(true, SeqCst) {
            self.is_crowded.store(true, SeqCst);
        }
        self.is_occupied.store(false, SeqCst);
        true
    }

    fn unlock(&self) {
        self.is_locked.store(false, SeqCst);
    }
}

fn run(leave_early: fn(&Shop)) {
    let shop = Arc::new(Shop::default());
    let leave = |shop: &Shop| shop.unlock();
    let threads = [leave_early, leave, leave].map(|leave| {
        let shop = shop.clone();
        thread::spawn(move || {
            if shop.visit() {
                leave(&shop);
            }
        })
    });
    for thread in threads {
        thread.join().expect("no thread panics");
    }
    assert!(!shop.is_crowded.load(SeqCst), "two threads hold one lock");
}

pub(super) fn bad() {
    run(|shop| {
        shop.unlock();
        // Wrong: the lock may be another thread's since the line above.
        shop.unlock();
    });
}

pub(super) fn right() {
    run(Shop::unlock);
}
