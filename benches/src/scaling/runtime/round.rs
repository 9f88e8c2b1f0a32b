//! How often a worker of the model looks up from its tasks: the rules of
//! `runtime/src/executor/check_interval.rs` in virtual time.

use super::super::engine::{Time, picos};
use std::cell::Cell;

pub(super) const MAX_ROUND: Time = picos(50_000.0);
pub(super) const MAX_POLLS: i64 = 61;
const EVIDENCE_PER_POLL: i64 = 16;

/// The polls from one check to the next.
pub(super) struct Round {
    pub(super) left: Cell<i64>,
    pub(super) polls: Cell<i64>,
    pub(super) evidence: Cell<i64>,
    pub(super) began: Cell<Time>,
    pub(super) of_external: Cell<bool>,
    pub(super) external_left: Cell<Time>,
}

impl Round {
    pub(super) fn new(now: Time) -> Self {
        Self {
            left: Cell::new(1),
            polls: Cell::new(1),
            evidence: Cell::new(0),
            began: Cell::new(now),
            of_external: Cell::new(false),
            external_left: Cell::new(0),
        }
    }

    /// Ends a round. Returns how long it took.
    pub(super) fn end(&self, now: Time) -> Time {
        let took = now.saturating_sub(self.began.get());
        let ran = self.polls.get() - self.left.get();
        self.evidence.set(if took <= MAX_ROUND {
            (self.evidence.get() + ran).min(MAX_POLLS * EVIDENCE_PER_POLL)
        } else {
            self.evidence.get() * (MAX_ROUND / 1_000_000) as i64 / (took / 1_000_000) as i64
        });
        took
    }

    pub(super) fn begin(&self, now: Time) {
        let polls = (self.evidence.get() / EVIDENCE_PER_POLL).max(1);
        self.polls.set(polls);
        self.left.set(polls);
        self.began.set(now);
    }

    /// Ends a turn. Returns whether external tasks may begin the next one.
    pub(super) fn end_turn(&self, took: Time) -> bool {
        if self.of_external.get() {
            self.external_left.set(self.external_left.get().saturating_sub(took));
        } else {
            self.external_left.set(took);
        }
        !self.of_external.get() || self.external_left.get() > 0
    }
}
