//! An alarm rings although it was cancelled in time.

use crate::{
    runtime::{sleep, spawn},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
};
use std::{sync::Arc, time::Duration};

const SET: usize = 0;
const RUNG: usize = 1;
const CANCELLED: usize = 2;

#[derive(Default)]
struct Alarm {
    state: AtomicUsize,
    has_rung: AtomicBool,
}

/// Cancels an alarm at the moment at which it rings. `cancel` returns whether it will not ring.
async fn run(ring: fn(&Alarm), cancel: fn(&Alarm) -> bool) {
    let alarm = Arc::new(Alarm::default());
    let theirs = alarm.clone();
    let timer = spawn(async move {
        sleep(Duration::from_secs(1)).await;
        ring(&theirs);
    });
    sleep(Duration::from_secs(1)).await;
    let is_cancelled = cancel(&alarm);
    timer.await.expect("no task panics");
    assert!(!(is_cancelled && alarm.has_rung.load(SeqCst)), "a cancelled alarm rings");
}

pub(super) async fn bad() {
    let ring = |alarm: &Alarm| {
        if alarm.state.load(SeqCst) == SET {
            // Wrong: it may be cancelled here, between the look and the ring.
            alarm.has_rung.store(true, SeqCst);
        }
    };
    let cancel = |alarm: &Alarm| {
        alarm.state.store(CANCELLED, SeqCst);
        !alarm.has_rung.load(SeqCst)
    };
    run(ring, cancel).await;
}

pub(super) async fn right() {
    let ring = |alarm: &Alarm| {
        if alarm.state.compare_exchange(SET, RUNG, SeqCst, SeqCst).is_ok() {
            alarm.has_rung.store(true, SeqCst);
        }
    };
    let cancel = |alarm: &Alarm| alarm.state.compare_exchange(SET, CANCELLED, SeqCst, SeqCst).is_ok();
    run(ring, cancel).await;
}
