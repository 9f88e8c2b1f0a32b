//! A task tries a lock that is free at times, and never at the right one.

use crate::runtime::{spawn, sync::Mutex, yield_now};
use std::sync::Arc;

const TRIES: usize = 3;

/// Makes a lock, and a task that takes it again and again.
fn start() -> Arc<Mutex<u32>> {
    let lock = Arc::new(Mutex::new(0));
    let theirs = lock.clone();
    drop(spawn(async move {
        for _ in 0..2 * TRIES {
            let _guard = theirs.lock().await;
            yield_now().await;
        }
    }));
    lock
}

pub(super) async fn bad() {
    let lock = start();
    for _ in 0..TRIES {
        // Wrong: a try has no place in the queue, so each one may come while the other task has the lock.
        if let Some(mut number) = lock.try_lock() {
            *number += 1;
            return;
        }
        yield_now().await;
    }
    panic!("a task starves");
}

pub(super) async fn right() {
    let lock = start();
    *lock.lock().await += 1;
}
