//! How a pool ends within a time, whatever its jobs do.
//!
//! A job that runs cannot be broken off, and the threads of a pool may all be blocked inside jobs. So who ends the pool cancels what is queued
//! itself, and stops to wait for the threads when the time is over.

use crate::{
    Pool,
    crew::{Crew, Phase},
    job::JobRef,
};
use brigade_handle::wait;
use brigade_trace::clock;
use crossbeam_deque::Steal;
use std::{
    iter,
    sync::{PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

impl Pool {
    /// [`shutdown_now`](Self::shutdown_now) with a deadline: cancels everything that is queued, at once, and waits for what runs, but for so
    /// long at most. Whether all threads have ended. If not, what runs goes on, on threads that nobody waits for, and they end by themselves.
    ///
    /// With [`Duration::ZERO`] this waits for nobody, and may be called anywhere, also by one of the pool's own jobs.
    ///
    /// ```
    /// use std::{sync::mpsc, time::Duration};
    ///
    /// let pool = brigade_pool::Pool::builder().threads(1).build()?;
    /// let ((begins, begun), (go, gate)) = (mpsc::channel(), mpsc::channel());
    /// let stuck = pool.spawn(move || {
    ///     begins.send(()).unwrap();
    ///     gate.recv().unwrap()
    /// });
    /// begun.recv().unwrap();
    /// assert!(!pool.shutdown_timeout(Duration::from_millis(1)));
    /// go.send("late").unwrap();
    /// assert_eq!(stuck.join().unwrap(), "late");
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Panics
    ///
    /// In a forked child. On a thread whose waiting policy forbids blocking, unless the time is zero; the pool is dropped then.
    pub fn shutdown_timeout(mut self, at_most: Duration) -> bool {
        self.crew.assert_not_forked();
        if !at_most.is_zero() {
            wait::assert_allowed("Pool::shutdown_timeout");
        }
        self.is_shut = true;
        self.crew.advance(Phase::Cancelling);
        self.crew.cancel_queued();
        // What was queued may have been all that there was.
        self.crew.advance(Phase::Cancelling);
        // None: so far away that no clock can name it.
        let deadline = clock::now().checked_add(at_most);
        let gone = self.current_thread_index().is_none() && self.crew.wait_until_gone(deadline);
        let threads = std::mem::take(&mut self.crew.roster().threads);
        if gone {
            // They have nothing left to do but to end.
            threads.into_iter().for_each(|thread| _ = thread.join());
        }
        gone
    }
}

impl Crew {
    /// Cancels the jobs that are queued. Those that somebody waits for inside a job, such as the children of a scope, stay for the workers.
    fn cancel_queued(&self) {
        let next = |steal: &dyn Fn() -> Steal<JobRef>| {
            loop {
                match steal() {
                    Steal::Success(job) => return Some(job),
                    Steal::Empty => return None,
                    Steal::Retry => {}
                }
            }
        };
        let mut stay = Vec::new();
        let mut cancel = |steal: &dyn Fn() -> Steal<JobRef>| {
            for job in iter::from_fn(|| next(steal)) {
                if job.may_be_cancelled() {
                    let cancelled = usize::from(job.discard());
                    // Relaxed: who wants the sum joins the threads first.
                    self.cancelled.fetch_add(cancelled, Ordering::Relaxed);
                } else {
                    stay.push(job);
                }
            }
        };
        cancel(&|| self.injector.steal());
        cancel(&|| self.ordered.steal());
        self.seats().for_each(|seat| cancel(&|| seat.jobs.steal()));
        stay.into_iter().for_each(|job| self.inject(job));
    }

    /// Waits until all threads have gone home, or until the deadline. Whether they have.
    fn wait_until_gone(&self, deadline: Option<Instant>) -> bool {
        let _away = wait::away();
        let mut roster = self.roster();
        while !roster.is_deserted() {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(clock::now()));
            roster = match left {
                Some(Duration::ZERO) => return false,
                Some(left) => {
                    self.bed_freed.wait_timeout(roster, left).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.bed_freed.wait(roster).unwrap_or_else(PoisonError::into_inner),
            };
        }
        true
    }
}
