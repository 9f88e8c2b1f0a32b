//! A task that is cancelled does not give its permit back.

use crate::runtime::{JoinHandle, sleep, spawn, sync::Semaphore};
use std::{sync::Arc, time::Duration};

const WORK: Duration = Duration::from_secs(1);

/// Cancels the task, and does its work in its place.
async fn run(permits: Arc<Semaphore>, task: JoinHandle<()>) {
    task.cancel();
    // It may have ended before.
    let _ = task.await;
    let _permit = permits.acquire().await.expect("nobody closes it");
}

pub(super) async fn bad() {
    let permits = Arc::new(Semaphore::new(1));
    let theirs = permits.clone();
    let task = spawn(async move {
        theirs.acquire().await.expect("nobody closes it").forget();
        // Wrong: a task that is cancelled at this point does not come to the next line.
        sleep(WORK).await;
        theirs.add_permits(1);
    });
    run(permits, task).await;
}

pub(super) async fn right() {
    let permits = Arc::new(Semaphore::new(1));
    let theirs = permits.clone();
    let task = spawn(async move {
        // It goes back when it is dropped, however the task ends.
        let _permit = theirs.acquire().await.expect("nobody closes it");
        sleep(WORK).await;
    });
    run(permits, task).await;
}
