//! Two notifications for two consumers become one, and the second consumer waits for ever.

use crate::{
    runtime::{
        spawn,
        sync::{Notify, Semaphore},
    },
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
};
use std::sync::Arc;

/// Takes one of the items that are there. Returns whether there was one.
fn take(items: &AtomicUsize) -> bool {
    items.fetch_update(SeqCst, SeqCst, |items| items.checked_sub(1)).is_ok()
}

pub(super) async fn bad() {
    let shared = Arc::new((AtomicUsize::new(0), Notify::new()));
    let consumers = [0, 1].map(|_| {
        let shared = shared.clone();
        spawn(async move {
            let (items, notify) = &*shared;
            while !take(items) {
                // Wrong: if neither consumer waits yet, the second notification finds the first one stored,
                // and `Notify` stores only one.
                notify.notified().await;
            }
        })
    });
    for _ in 0..2 {
        shared.0.fetch_add(1, SeqCst);
        shared.1.notify_one();
    }
    for consumer in consumers {
        consumer.await.expect("no task panics");
    }
}

pub(super) async fn right() {
    // A semaphore counts.
    let items = Arc::new(Semaphore::new(0));
    let consumers = [0, 1].map(|_| {
        let items = items.clone();
        spawn(async move { items.acquire().await.expect("nobody closes it").forget() })
    });
    for _ in 0..2 {
        items.add_permits(1);
    }
    for consumer in consumers {
        consumer.await.expect("no task panics");
    }
}
