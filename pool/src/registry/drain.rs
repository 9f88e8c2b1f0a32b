//! Ending a pool within a time, whatever its jobs do.
//!
//! A running job cannot be interrupted, and the threads of a pool may all be blocked inside jobs. So the
//! thread that ends the pool cancels the queued jobs itself, and stops waiting for the threads when the
//! time is over.

use crate::{job::JobRef, registry::Registry};
use brigade_handle::wait;
use brigade_trace::clock;
use crossbeam_deque::Steal;
use std::{
    iter,
    sync::{PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

impl Registry {
    /// Cancels the queued jobs. A job stays for the workers if something inside a job waits for it, such
    /// as a child of a scope.
    pub(crate) fn cancel_queued(&self) {
        let next = |steal: &dyn Fn() -> Steal<JobRef>| {
            loop {
                match steal() {
                    Steal::Success(job) => return Some(job),
                    Steal::Empty => return None,
                    Steal::Retry => {}
                }
            }
        };
        let mut guard = Vec::new();
        let mut cancel = |steal: &dyn Fn() -> Steal<JobRef>| {
            for job in iter::from_fn(|| next(steal)) {
                if job.may_be_cancelled() {
                    let cancelled = usize::from(job.discard());
                    // Relaxed: the thread that reads the sum joins the threads first.
                    self.cancelled.fetch_add(cancelled, Ordering::Relaxed);
                } else {
                    guard.push(job);
                }
            }
        };
        cancel(&|| self.injector.steal());
        cancel(&|| self.ordered.steal());
        self.slots().for_each(|slot| cancel(&|| slot.jobs.steal()));
        guard.into_iter().for_each(|job| self.inject(job));
    }

    /// Waits until all threads have ended, or until the deadline. Returns whether they have ended.
    pub(crate) fn wait_for_threads(&self, deadline: Option<Instant>) -> bool {
        let _away = wait::away();
        let mut roster = self.roster();
        while !roster.have_all_ended() {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(clock::now()));
            roster = match left {
                Some(Duration::ZERO) => return false,
                Some(left) => {
                    self.thread_ended.wait_timeout(roster, left).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.thread_ended.wait(roster).unwrap_or_else(PoisonError::into_inner),
            };
        }
        true
    }
}
