//! A `select` in a loop drops a future that has taken an item already.

use crate::runtime::{
    Either, select, sleep, spawn,
    sync::{Mutex, mpsc},
};
use std::{pin::pin, sync::Arc, time::Duration};

type Log = Arc<Mutex<Vec<u32>>>;

/// Makes an inbox with an item, and a log that another task reads for a while.
async fn start() -> (mpsc::Receiver<u32>, Log) {
    let (sender, inbox) = mpsc::channel(1);
    sender.send(7).await.expect("the receiver lives");
    let log = Log::default();
    let theirs = log.clone();
    drop(spawn(async move {
        let _entries = theirs.lock().await;
        sleep(Duration::from_millis(1_500)).await;
    }));
    (inbox, log)
}

/// Receives an item and logs it.
async fn next_item(inbox: &mut mpsc::Receiver<u32>, log: &Log) -> Option<u32> {
    let item = inbox.recv().await?;
    log.lock().await.push(item);
    Some(item)
}

pub(super) async fn bad() {
    let (mut inbox, log) = start().await;
    loop {
        // Wrong: if the second is over while the future waits for the log, the future is dropped, and its
        // item with it.
        match select(next_item(&mut inbox, &log), sleep(Duration::from_secs(1))).await {
            Either::Left(item) => return assert_eq!(item, Some(7), "an item is lost"),
            Either::Right(()) => {}
        }
    }
}

pub(super) async fn right() {
    let (mut inbox, log) = start().await;
    // One future for all rounds.
    let mut next = pin!(next_item(&mut inbox, &log));
    loop {
        match select(next.as_mut(), sleep(Duration::from_secs(1))).await {
            Either::Left(item) => return assert_eq!(item, Some(7), "an item is lost"),
            Either::Right(()) => {}
        }
    }
}
