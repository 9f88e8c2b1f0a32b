//! Statistics: what the workers of a pool have done so far.
//!
//! Each worker counts for itself, on cache lines of its own, by a plain load and a plain store, because
//! no other thread writes its counts. A reader adds up the counts that it sees, so the sum is exact only
//! when the pool is at rest. A `join` counts nothing; only a steal of its stack job is counted.

use crate::{registry::Registry, sync::Padded};
use std::sync::atomic::{AtomicU64, Ordering};

/// The work that a pool has done since it was started, and the work that it has to do.
/// [`Pool::stats`](crate::Pool::stats) returns it.
///
/// ```
/// let pool = brigade_pool::Pool::builder().threads(2).build()?;
/// let stats = pool.stats();
/// assert_eq!((stats.threads, stats.queue_depth), (2, 0));
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Jobs that workers have taken out of the queues to run them, including jobs that turned out to be
    /// cancelled.
    pub jobs: u64,
    /// Steals from other workers: of the second closure of a join, or of a job.
    pub steals: u64,
    /// How often a worker went to sleep, for want of work or inside a job.
    pub parks: u64,
    /// How often new work woke a worker that slept for want of work.
    pub wakes: u64,
    /// Jobs that are queued now.
    pub queue_depth: usize,
    /// Threads that exist now, including spare threads.
    pub threads: usize,
}

/// The counts of one worker. Only the worker writes them.
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
        #[cfg(feature = "explore")]
        brigade_handle::explore::progress();
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
    // Relaxed, and not one operation: no other thread writes it. The next thread of a worker slot gets
    // the counts with the slot's queue of jobs, under a lock.
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
