//! Statistics: what the workers of a pool have done so far.
//!
//! Each worker counts for itself, on cache lines of its own, by a plain load and a plain store: it is the only one that writes.
//! Who reads adds up what it sees, so the sum is exact only when the pool is at rest. A `join` counts nothing; only the theft of
//! its second half is counted.

use crate::{registry::Registry, sync::Padded};
use std::sync::atomic::{AtomicU64, Ordering};

/// What a pool has done since it was started, and what it has to do. See [`Pool::stats`](crate::Pool::stats).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Jobs that workers have taken out of the queues to run them, those included that turned out to be cancelled.
    pub jobs: u64,
    /// Thefts from other workers: of the second half of a join, or of a job.
    pub steals: u64,
    /// How often a worker went to sleep, for want of work or inside a job.
    pub parks: u64,
    /// How often new work woke a worker that slept for want of work.
    pub wakes: u64,
    /// Jobs that are queued now.
    pub queue_depth: usize,
    /// Threads that exist now, spare ones included.
    pub threads: usize,
}

/// What one worker counts. Only the worker writes it.
#[derive(Debug, Default)]
pub(crate) struct WorkerStats(Padded<WorkerCounts>);

#[derive(Debug, Default)]
struct WorkerCounts {
    jobs: AtomicU64,
    steals: AtomicU64,
    parks: AtomicU64,
}

impl WorkerStats {
    #[inline]
    pub(crate) fn count_job(&self) {
        count(&self.0.0.jobs);
    }

    pub(crate) fn count_steal(&self) {
        count(&self.0.0.steals);
    }

    pub(crate) fn count_park(&self) {
        count(&self.0.0.parks);
    }
}

#[inline]
fn count(number: &AtomicU64) {
    // Relaxed, and not one operation: nobody else writes it. A seat's next owner gets it with the seat's kit, under a lock.
    number.store(number.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

impl Registry {
    pub(crate) fn stats(&self) -> Stats {
        let mut stats = Stats {
            wakes: self.sleep.wakes(),
            queue_depth: self.injector.len() + self.ordered.len(),
            threads: self.roster().total,
            ..Stats::default()
        };
        for slot in self.slots() {
            let counts = &slot.stats.0.0;
            // Relaxed: the numbers order nothing.
            stats.jobs += counts.jobs.load(Ordering::Relaxed);
            stats.steals += counts.steals.load(Ordering::Relaxed);
            stats.parks += counts.parks.load(Ordering::Relaxed);
            stats.queue_depth += slot.jobs.len() + slot.mailbox.len();
        }
        stats
    }
}
