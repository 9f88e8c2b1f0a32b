//! The threads of the executors, and the child processes. With the threads known, a copy of the table knows
//! whether the program has others.

use super::{graph::LaneState, table::lock, watch};
use crate::{clock, export::Lane, record};
use brigade_handle::{Id, fork::PerProcess, refused_thread};
use std::{
    collections::BTreeMap,
    io,
    sync::Mutex,
    thread::{Builder, JoinHandle},
};

/// The threads of ours, by their numbers.
static THREADS: PerProcess<Mutex<BTreeMap<u64, LaneState>>> = PerProcess::new();

/// Starts a thread of this crate. If the system refuses it, the error names it.
pub(crate) fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    let thread = Builder::new().name(name.into()).spawn(run);
    thread.map_err(|error| refused_thread(name, error))
}

/// Notes this thread as one of ours until it ends.
pub(crate) fn own_thread() {
    struct Ends(u64);
    impl Drop for Ends {
        fn drop(&mut self) {
            if let Some(threads) = THREADS.get() {
                lock(threads).remove(&self.0);
            }
        }
    }
    thread_local! {
        static ENDS: Ends = Ends(clock::tid());
    }
    let _ = ENDS.try_with(|ends| {
        let (lane, id) = (record::current_lane(), record::own_id());
        let name = std::thread::current().name().unwrap_or("").to_owned();
        let lane = LaneState { tid: ends.0, name, lane, id, is_parked: false, runs: Id::NONE };
        lock(THREADS.get_or_init(Mutex::default)).insert(ends.0, lane);
        // Until now it counted as a thread of the program, which could act.
        watch::something_waits();
    });
}

/// Notes this thread as one of ours, if it has a role and the table is kept.
pub(crate) fn has_role(lane: Lane) {
    if lane != Lane::Thread {
        own_thread();
    }
}

/// Notes whether this thread sleeps because there is nothing to do.
pub(super) fn parked(is_parked: bool) {
    if let Some(threads) = THREADS.get()
        && let Some(lane) = lock(threads).get_mut(&clock::tid())
    {
        lane.is_parked = is_parked;
    }
}

/// Returns the threads of ours.
pub(super) fn all() -> Vec<LaneState> {
    THREADS.get().map_or_else(Vec::new, |threads| lock(threads).values().cloned().collect())
}

/// As many child processes are kept.
const CHILDREN_MAX: usize = 1 << 12;

/// The child processes, and when they were forked.
static CHILDREN: PerProcess<Mutex<BTreeMap<Id, u64>>> = PerProcess::new();

pub(super) fn forked(child: Id) {
    let mut children = lock(CHILDREN.get_or_init(Mutex::default));
    if children.len() < CHILDREN_MAX {
        children.insert(child, clock::nanos());
    }
}

pub(super) fn exited(child: Id) {
    if let Some(children) = CHILDREN.get() {
        lock(children).remove(&child);
    }
}

/// Returns the child processes, and when they were forked.
pub(super) fn children() -> Vec<(Id, u64)> {
    let Some(children) = CHILDREN.get() else { return Vec::new() };
    lock(children).iter().map(|(&child, &since)| (child, since)).collect()
}
