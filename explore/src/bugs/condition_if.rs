//! A consumer that was notified finds the queue empty, because another one came first.

use crate::runtime::{
    spawn,
    sync::{Condition, Guard, Mutex},
};
use std::sync::Arc;

#[derive(Default)]
struct Shelf {
    loaves: Mutex<u32>,
    has_bread: Condition,
}

impl Shelf {
    /// Waits once, and takes a loaf.
    async fn take(&self, mut loaves: Guard<'_, u32>) -> bool {
        if *loaves == 0 {
            // Wrong: another consumer may take the loaf before this one has the lock again.
            loaves = self.has_bread.wait(loaves).await;
        }
        take_one(&mut loaves)
    }

    async fn take_patiently(&self, mut loaves: Guard<'_, u32>) -> bool {
        while *loaves == 0 {
            loaves = self.has_bread.wait(loaves).await;
        }
        take_one(&mut loaves)
    }

    async fn put(&self) {
        *self.loaves.lock().await += 1;
        self.has_bread.notify(1);
    }
}

fn take_one(loaves: &mut u32) -> bool {
    let is_there = *loaves > 0;
    *loaves = loaves.saturating_sub(1);
    is_there
}

async fn run(is_patient: bool) {
    let shelf = Arc::new(Shelf::default());
    let consumers = [0, 1].map(|_| {
        let shelf = shelf.clone();
        spawn(async move {
            let loaves = shelf.loaves.lock().await;
            if is_patient { shelf.take_patiently(loaves).await } else { shelf.take(loaves).await }
        })
    });
    shelf.put().await;
    shelf.put().await;
    for consumer in consumers {
        assert!(consumer.await.expect("no task panics"), "a consumer takes from an empty shelf");
    }
}

pub(super) async fn bad() {
    run(false).await;
}

pub(super) async fn right() {
    run(true).await;
}
