//! The switch of the trace, and the waits of this crate that it records.
//!
//! A trace lies above this crate. So it leaves an [`Observer`] here, which hears of each wait for a handle.
//! While the switch is off, that costs one relaxed load and a branch. The waits that have begun are kept in a
//! table here, and not in the handles: a handle of one more word made `spawn_join_ct` 12 % slower.

use crate::{Id, fork::PerProcess};
use std::{
    collections::BTreeMap,
    panic::Location,
    // Not loom's: no model records.
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

/// Whether a trace records.
static RECORDING: AtomicBool = AtomicBool::new(false);
/// The trace of this process. A forked child has none until it makes its own.
static OBSERVER: PerProcess<Observer> = PerProcess::new();

/// The waiters of the handles whose wait is recorded, by the address of the handle's target.
static WAITERS: PerProcess<Mutex<BTreeMap<usize, Id>>> = PerProcess::new();

fn waiters() -> MutexGuard<'static, BTreeMap<usize, Id>> {
    // No code of others runs under this lock, and no panic leaves the table half changed.
    WAITERS.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// How a wait for a handle ended.
///
/// ```
/// use brigade_handle::observe::WaitOutcome;
///
/// assert_ne!(WaitOutcome::Served, WaitOutcome::GivenUp);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitOutcome {
    /// The work ended.
    Served,
    /// The handle was dropped.
    GivenUp,
}

/// The functions of a trace that record the waits for handles.
///
/// ```
/// use brigade_handle::{Id, observe::{self, Observer}};
///
/// observe::install(Observer { join_begin: |_work, _at| Id::NONE, join_end: |_waiter, _work, _outcome| () });
/// assert!(!observe::on(), "the switch is another matter");
/// ```
#[derive(Debug)]
pub struct Observer {
    /// Records that somebody begins to wait for this work, at this place. Returns the waiter.
    pub join_begin: fn(Id, &'static Location<'static>) -> Id,
    /// Records that the waiter's wait for this work ended.
    pub join_end: fn(Id, Id, WaitOutcome),
}

/// Returns whether a trace records.
///
/// ```
/// assert!(!brigade_handle::observe::on());
/// ```
#[inline(always)]
pub fn on() -> bool {
    // Relaxed: an event more or less at the edge of a session does not matter.
    !cfg!(loom) && RECORDING.load(Relaxed)
}

/// Switches recording on or off. Only a trace calls this.
///
/// ```
/// brigade_handle::observe::switch(false);
/// assert!(!brigade_handle::observe::on());
/// ```
pub fn switch(on: bool) {
    if on {
        // Waits of an earlier session: their ends were not recorded.
        waiters().clear();
    }
    RECORDING.store(on, Relaxed);
}

/// Leaves the observer of this process; the first one stays. [`Observer`] has an example.
pub fn install(observer: Observer) {
    OBSERVER.get_or_init(|| observer);
}

/// Records that somebody waits for the target at this address, if a trace records and does not know it yet.
#[inline(always)]
pub(crate) fn join_begin(target: usize, work: impl FnOnce() -> Id, at: &'static Location<'static>) {
    if on() {
        begin(target, work(), at);
    }
}

#[cold]
fn begin(target: usize, work: Id, at: &'static Location<'static>) {
    let is_known = waiters().contains_key(&target);
    // A target has one handle, which does one thing at a time. So nothing else enters it meanwhile.
    if let Some(observer) = OBSERVER.get().filter(|_| !is_known) {
        let waiter = (observer.join_begin)(work, at);
        waiters().insert(target, waiter);
    }
}

/// Records the end of a wait that [`join_begin`] has recorded, if a trace records.
#[inline(always)]
pub(crate) fn join_end(target: usize, work: impl FnOnce() -> Id, outcome: WaitOutcome) {
    if on() {
        end(target, work(), outcome);
    }
}

#[cold]
fn end(target: usize, work: Id, outcome: WaitOutcome) {
    let waiter = waiters().remove(&target);
    if let (Some(waiter), Some(observer)) = (waiter, OBSERVER.get()) {
        (observer.join_end)(waiter, work, outcome);
    }
}
