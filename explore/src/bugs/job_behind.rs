//! Jobs of a pool block on jobs behind them, and no thread is left for those.

use crate::{
    pool::{self, Pool},
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    thread,
};
use std::sync::Arc;

/// Spawns a job, and blocks until it is done.
fn call_and_park() {
    let is_done = Arc::new(AtomicBool::new(false));
    let (theirs, caller) = (is_done.clone(), thread::current());
    pool::spawn_detached(move || {
        theirs.store(true, SeqCst);
        caller.unpark();
    });
    while !is_done.load(SeqCst) {
        // Wrong: the pool does not know that this thread waits. If all threads wait here, no job runs.
        thread::park();
    }
}

/// Spawns a job, and joins it: meanwhile this thread runs the job itself, if no other one does.
fn call_and_join() {
    pool::spawn(|| ()).join().expect("no job panics");
}

fn run(call: fn()) {
    let pool = Pool::builder().threads(2).build().expect("the system gives threads");
    let jobs = [0, 1].map(|_| pool.spawn(call));
    for job in jobs {
        job.join().expect("no job panics");
    }
    pool.shutdown();
}

pub(super) fn bad() {
    run(call_and_park);
}

pub(super) fn right() {
    run(call_and_join);
}
