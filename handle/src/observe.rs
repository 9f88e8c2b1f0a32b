//! The switch of the trace, and the waits of this crate that it records.
//!
//! A trace lies above this crate. So it leaves an [`Observer`] here, which hears of each wait for a handle.
//! While the switch is off, that costs one relaxed load and a branch.

use crate::{Id, fork::PerProcess};
use std::{
    panic::Location,
    // Not loom's: no model records.
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

/// Whether a trace records.
static RECORDING: AtomicBool = AtomicBool::new(false);
/// The trace of this process. A forked child has none until it makes its own.
static OBSERVER: PerProcess<Observer> = PerProcess::new();

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
    RECORDING.store(on, Relaxed);
}

/// Leaves the observer of this process; the first one stays. [`Observer`] has an example.
pub fn install(observer: Observer) {
    OBSERVER.get_or_init(|| observer);
}

/// Records the begin of a wait, if a trace records. Returns the waiter, or [`Id::NONE`].
#[inline(always)]
pub(crate) fn join_begin(work: impl FnOnce() -> Id, at: &'static Location<'static>) -> Id {
    if on() { begin(work(), at) } else { Id::NONE }
}

#[cold]
fn begin(work: Id, at: &'static Location<'static>) -> Id {
    OBSERVER.get().map_or(Id::NONE, |observer| (observer.join_begin)(work, at))
}

/// Records the end of a wait that [`join_begin`] has recorded.
#[cold]
pub(crate) fn join_end(waiter: Id, work: Id, outcome: WaitOutcome) {
    if let Some(observer) = OBSERVER.get().filter(|_| on()) {
        (observer.join_end)(waiter, work, outcome);
    }
}
