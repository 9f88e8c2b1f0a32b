//! Three threads take three locks in a circle.

use super::shim::{Mutex, thread};
use std::sync::Arc;

/// Each thread takes a fork, and then another one.
fn run(orders: [[usize; 2]; 3]) {
    let forks = Arc::new([Mutex::new(0), Mutex::new(0), Mutex::new(0)]);
    let threads = orders.map(|[first, second]| {
        let forks = forks.clone();
        thread::spawn(move || {
            let _first = forks[first].lock().expect("no thread panics");
            *forks[second].lock().expect("no thread panics") += 1;
        })
    });
    for thread in threads {
        thread.join().expect("no thread panics");
    }
}

pub(super) fn bad() {
    // Wrong: if each thread has taken its first fork, each waits for its neighbour.
    run([[0, 1], [1, 2], [2, 0]]);
}

pub(super) fn right() {
    // All take the fork with the lower number first, so the one with the highest can always go on.
    run([[0, 1], [1, 2], [0, 2]]);
}
