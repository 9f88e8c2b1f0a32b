//! Virtual time: it stands still while any thread of a run can go on.

use super::baton::is_managed;
use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

// Relaxed everywhere: the thread that has the baton is the only one that changes the time, and the baton
// orders the threads.

/// The virtual nanoseconds since the run began.
static NOW: AtomicU64 = AtomicU64::new(0);
/// How many stamps were given. They order what happens at one virtual moment.
static STAMPS: AtomicU64 = AtomicU64::new(0);
/// Whether this process makes runs, so that its recordings count in virtual time.
static EXPLORES: AtomicBool = AtomicBool::new(false);
/// The instant of virtual nanosecond 0. A run sees differences only.
static EPOCH: OnceLock<Instant> = OnceLock::new();

/// Lets a run begin at nanosecond 0.
pub(super) fn restart() {
    NOW.store(0, Relaxed);
}

/// Returns the virtual nanoseconds since the run began.
pub(super) fn nanos() -> u64 {
    NOW.load(Relaxed)
}

/// Lets time pass until this nanosecond.
pub(super) fn pass_until(nanos: u64) {
    NOW.fetch_max(nanos, Relaxed);
}

/// Returns the virtual time of the run that the calling thread belongs to, or `None` if it belongs to none.
#[must_use]
pub fn now() -> Option<Instant> {
    is_managed().then(|| *EPOCH.get_or_init(Instant::now) + Duration::from_nanos(nanos()))
}

/// Returns a number that grows with every call, and with virtual time, in nanoseconds. Returns `None` in a
/// process that makes no runs.
#[must_use]
pub fn stamp() -> Option<u64> {
    EXPLORES.load(Relaxed).then(|| nanos() + STAMPS.fetch_add(1, Relaxed))
}

/// Makes [`stamp`] give numbers from now on, in this process.
pub fn begin_stamps() {
    EXPLORES.store(true, Relaxed);
}

/// The virtual nanoseconds at which a blocked thread goes on anyway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TimeLimits {
    /// A user has asked for this one.
    pub(super) deadline: Option<u64>,
    /// Nobody has asked for this one.
    pub(super) upkeep: Option<u64>,
}

impl TimeLimits {
    /// Makes limits of spans from now on.
    pub(super) fn after(deadline: Option<Duration>, upkeep: Option<Duration>) -> Self {
        let now = nanos();
        let at = |span: Duration| now.saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX));
        Self { deadline: deadline.map(at), upkeep: upkeep.map(at) }
    }
}
