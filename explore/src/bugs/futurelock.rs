//! A task waits for a lock that a future of its own holds and does not give back, because nobody polls it.

use crate::runtime::{Either, select, sleep, spawn, sync::Mutex, timeout};
use std::{pin::pin, sync::Arc, time::Duration};

/// Makes a lock, and a task that holds it for five seconds.
fn start() -> Arc<Mutex<u32>> {
    let lock = Arc::new(Mutex::new(0));
    let theirs = lock.clone();
    drop(spawn(async move {
        let _guard = theirs.lock().await;
        sleep(Duration::from_secs(5)).await;
    }));
    lock
}

pub(super) async fn bad() {
    let lock = start();
    let mut locking = pin!(lock.lock());
    match select(locking.as_mut(), sleep(Duration::from_secs(1))).await {
        Either::Left(mut number) => *number += 1,
        Either::Right(()) => {
            // Wrong: `locking` is still first in the queue. It is granted the lock, and never polled again.
            *lock.lock().await += 1;
        }
    }
}

pub(super) async fn right() {
    let lock = start();
    match timeout(Duration::from_secs(1), lock.lock()).await {
        Ok(mut number) => *number += 1,
        // The timeout has dropped the future, and its place in the queue with it.
        Err(_) => *lock.lock().await += 1,
    }
}
