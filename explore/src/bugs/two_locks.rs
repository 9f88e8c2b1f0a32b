//! Two tasks take two locks in opposite orders.

use crate::runtime::{spawn, sync::Mutex};
use std::sync::Arc;

/// Each task takes a lock, and then the other one.
async fn run(orders: [[usize; 2]; 2]) {
    let locks = Arc::new([Mutex::new(0), Mutex::new(0)]);
    let tasks = orders.map(|[first, second]| {
        let locks = locks.clone();
        spawn(async move {
            let _first = locks[first].lock().await;
            *locks[second].lock().await += 1;
        })
    });
    for task in tasks {
        task.await.expect("no task panics");
    }
}

pub(super) async fn bad() {
    // Wrong: if each task has taken its first lock, each waits for the other's.
    run([[0, 1], [1, 0]]).await;
}

pub(super) async fn right() {
    run([[0, 1], [0, 1]]).await;
}
