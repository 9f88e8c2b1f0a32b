//! A task waits for a notification that was sent just before.

use crate::{
    runtime::{spawn, sync::Notify},
    sync::atomic::{AtomicBool, Ordering::SeqCst},
};
use std::sync::Arc;

/// Makes a flag, and a task that sets it and then notifies all waiters.
fn start() -> Arc<(AtomicBool, Notify)> {
    let shared = Arc::new((AtomicBool::new(false), Notify::new()));
    let theirs = shared.clone();
    drop(spawn(async move {
        theirs.0.store(true, SeqCst);
        theirs.1.notify_waiters();
    }));
    shared
}

pub(super) async fn bad() {
    let shared = start();
    let (is_ready, notify) = &*shared;
    if !is_ready.load(SeqCst) {
        // Wrong: the notification may be sent here. Nobody receives it, and there is no other.
        notify.notified().await;
    }
}

pub(super) async fn right() {
    let shared = start();
    let (is_ready, notify) = &*shared;
    // The future receives notifications from now on.
    let notified = notify.notified();
    if !is_ready.load(SeqCst) {
        notified.await;
    }
}
