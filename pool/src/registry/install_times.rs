//! How long installed jobs take: whether a thread outside the pool should wait awake for its own.
//!
//! A thread that sleeps until its job has ended costs a wake-up: microseconds for the worker, and more until
//! the thread runs. That is a lot for a job that takes less. So the callers of a pool keep an estimate of
//! the time from the queue to the result. It is short only if a worker was awake, and if nothing kept that
//! worker from a processor; so on a machine that is busy the callers sleep.

use crate::sync::pause;
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// A caller waits awake for jobs that are expected within this time. To sleep and to be woken takes longer.
const SPIN_LIMIT: Duration = Duration::from_micros(5);
/// Longer times count as this long, so that they are forgotten after some short ones.
const TIME_LIMIT: Duration = Duration::from_micros(40);
/// Each time moves the estimate by this part.
const SMOOTHING: u64 = 4;
/// Pauses between two looks at the clock.
const PAUSES: u32 = 8;

/// The estimated time of an installed job.
#[derive(Debug)]
pub(crate) struct InstallTimes {
    /// In nanoseconds. Callers overwrite each other's changes, which makes it no worse an estimate.
    expected: AtomicU64,
    /// Whether two threads of this process can run at a time.
    is_parallel: bool,
}

impl InstallTimes {
    pub(crate) fn new(processors: usize) -> Self {
        Self { expected: AtomicU64::new(nanos(TIME_LIMIT)), is_parallel: processors > 1 }
    }

    /// Waits awake until `is_done` returns true, if that is expected soon and while it is.
    pub(crate) fn spin(&self, queued_at: Instant, is_done: impl Fn() -> bool) {
        // Relaxed, here and below: it is an estimate.
        let expected = Duration::from_nanos(self.expected.load(Ordering::Relaxed));
        if expected > SPIN_LIMIT || !self.is_parallel {
            return;
        }
        while !is_done() && queued_at.elapsed() <= 2 * expected {
            pause(PAUSES);
        }
    }

    /// Learns from a job that took this long from the queue to its result.
    pub(crate) fn learn(&self, time: Duration) {
        let expected = self.expected.load(Ordering::Relaxed);
        let time = nanos(time.min(TIME_LIMIT));
        self.expected.store(expected - expected / SMOOTHING + time / SMOOTHING, Ordering::Relaxed);
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use brigade_trace::clock;
    use std::cell::Cell;

    /// Counts the looks of a caller whose job never ends.
    fn looks(times: &InstallTimes) -> u32 {
        let looks = Cell::new(0);
        times.spin(clock::now(), || {
            looks.set(looks.get() + 1);
            false
        });
        looks.get()
    }

    #[test]
    fn callers_wait_awake_after_short_jobs_only() {
        let times = InstallTimes::new(2);
        assert_eq!(looks(&times), 0);
        (0..50).for_each(|_| times.learn(Duration::from_micros(1)));
        assert!(looks(&times) > 0);
        times.learn(Duration::from_millis(1));
        assert_eq!(looks(&times), 0);
    }

    #[test]
    fn nobody_waits_awake_on_one_processor() {
        let times = InstallTimes::new(1);
        (0..50).for_each(|_| times.learn(Duration::from_micros(1)));
        assert_eq!(looks(&times), 0);
    }
}
