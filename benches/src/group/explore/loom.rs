//! The peer loom: all schedules that differ, with weak memory, up to three preemptions.

use super::{Search, bugs_of_threads, panics};
use ::loom::model::Builder;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// The bound that loom's documentation advises.
const MAX_PREEMPTIONS: usize = 3;

mod shim {
    pub(super) use loom::{
        sync::{
            Mutex,
            atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
        },
        thread,
    };
}
bugs_of_threads!();

pub(super) fn find(name: &str) -> Search {
    let schedules = Arc::new(AtomicU64::new(0));
    let counted = schedules.clone();
    let [bad, _] = programs(name);
    panics(move || {
        builder().check(move || {
            counted.fetch_add(1, Relaxed);
            bad();
        });
    });
    Search { schedules: schedules.load(Relaxed), trace: 0 }
}

/// Runs the right program under all schedules. Returns how many those are.
pub(super) fn run_right(name: &str) -> u64 {
    let schedules = Arc::new(AtomicU64::new(0));
    let counted = schedules.clone();
    let [_, right] = programs(name);
    builder().check(move || {
        counted.fetch_add(1, Relaxed);
        right();
    });
    schedules.load(Relaxed)
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(MAX_PREEMPTIONS);
    builder
}
