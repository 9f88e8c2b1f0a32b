//! A server that waits for work does not see that it shall stop.

use crate::{
    runtime::{spawn, sync::Queue},
    sync::atomic::{AtomicBool, Ordering::SeqCst},
};
use std::sync::Arc;

pub(super) async fn bad() {
    let shared = Arc::new((Queue::unbounded(), AtomicBool::new(false)));
    let theirs = shared.clone();
    let server = spawn(async move {
        let (queue, stops) = &*theirs;
        loop {
            let _order: u32 = queue.get().await;
            // Wrong: the flag is looked at after an order only, and there may be no other.
            if stops.load(SeqCst) {
                return;
            }
        }
    });
    shared.0.put(7).await;
    shared.1.store(true, SeqCst);
    server.await.expect("no task panics");
}

pub(super) async fn right() {
    let queue = Arc::new(Queue::unbounded());
    let theirs = queue.clone();
    let server = spawn(async move { while let Some::<u32>(_order) = theirs.get().await {} });
    queue.put(Some(7)).await;
    // The end comes the same way as the orders, and wakes the server as they do.
    queue.put(None).await;
    server.await.expect("no task panics");
}
