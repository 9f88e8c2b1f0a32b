//! Records of the CPU time of threads.

use crate::{
    clock,
    event::{Cause, Event, Kind},
};
use brigade_handle::Id;
use std::cell::Cell;

/// The last record of a thread.
struct Last {
    /// When it was made, as a stamp.
    at: Cell<u64>,
    /// How often the thread had slept by then.
    sleeps: Cell<u64>,
}

thread_local! {
    static LAST: Last = const { Last { at: Cell::new(0), sleeps: Cell::new(0) } };
}

/// The CPU time of this thread, and whether it has slept since the last record.
pub(crate) fn event(thread: Id) -> Event {
    let at = clock::stamp();
    let (detail, sleeps) = (clock::cpu_nanos(), clock::thread_sleeps());
    let before = LAST.with(|last| {
        last.at.set(at);
        last.sleeps.replace(sleeps)
    });
    let cause = if sleeps == before { Cause::Unknown } else { Cause::Yield };
    Event { at, kind: Kind::Cpu, subject: thread, by: Id::NONE, cause, detail }
}

/// Whether enough time has passed from the last record to this stamp.
pub(crate) fn is_due(at: u64) -> bool {
    at.wrapping_sub(LAST.with(|last| last.at.get())) >= clock::cpu_interval()
}
