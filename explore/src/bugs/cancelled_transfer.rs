//! A transfer is cancelled between its two halves, and the money is gone.

use crate::runtime::{JoinHandle, sleep, spawn, sync::Mutex};
use std::{sync::Arc, time::Duration};

type Accounts = Arc<[Mutex<u32>; 2]>;

const LATENCY: Duration = Duration::from_millis(1);

async fn run(transfer: impl FnOnce(Accounts) -> JoinHandle<()>) {
    let accounts = Arc::new([Mutex::new(100), Mutex::new(100)]);
    let task = transfer(accounts.clone());
    task.cancel();
    // It may have ended before.
    let _ = task.await;
    let sum = *accounts[0].lock().await + *accounts[1].lock().await;
    assert_eq!(sum, 200, "money is gone");
}

pub(super) async fn bad() {
    let transfer = |accounts: Accounts| {
        spawn(async move {
            *accounts[0].lock().await -= 10;
            // Wrong: a task ends at any of its awaits if it is cancelled, so also here, halfway.
            sleep(LATENCY).await;
            *accounts[1].lock().await += 10;
        })
    };
    run(transfer).await;
}

pub(super) async fn right() {
    let transfer = |accounts: Accounts| {
        spawn(async move {
            sleep(LATENCY).await;
            let (mut from, mut to) = (accounts[0].lock().await, accounts[1].lock().await);
            // No await from here on: all of it happens, or nothing.
            *from -= 10;
            *to += 10;
        })
    };
    run(transfer).await;
}
