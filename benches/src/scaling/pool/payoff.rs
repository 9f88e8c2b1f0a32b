//! The lessons of a model's worker: the pool's own rules, in virtual time.

use super::super::engine::{Time, nanos, picos};
use brigade_trace::clock;
use std::time::{Duration, Instant};

/// The file of the pool itself, so that the model cannot depart from it.
#[path = "../../../../pool/src/worker/payoff.rs"]
mod rules;

/// The experience of a worker with its searches.
pub(super) struct Payoff {
    rules: rules::StealPayoff,
    /// The moment at which virtual time is 0. Only differences count, so any moment would do.
    start: Instant,
}

impl Payoff {
    pub(super) fn new() -> Self {
        Self { rules: rules::StealPayoff::default(), start: clock::now() }
    }

    fn at(&self, now: Time) -> Instant {
        self.start + Duration::from_nanos(nanos(now) as u64)
    }

    pub(super) fn found_at_once(&self) {
        self.rules.found_at_once();
    }

    pub(super) fn interrupted(&self) {
        self.rules.interrupted();
    }

    pub(super) fn begin(&self, now: Time) {
        self.rules.begin(self.at(now));
    }

    /// Returns whether a piece of work has ended that a search found, so that the clock is read.
    pub(super) fn end(&self, now: Time) -> bool {
        self.rules.end(|| self.at(now))
    }

    pub(super) fn is_coarse(&self) -> bool {
        self.rules.is_coarse()
    }

    pub(super) fn doze_time(&self) -> Option<Time> {
        self.rules.doze_time().map(virtual_time)
    }

    pub(super) fn linger_time(&self, processors: usize) -> Time {
        virtual_time(self.rules.linger_time(processors))
    }
}

fn virtual_time(duration: Duration) -> Time {
    picos(duration.as_nanos() as f64)
}
