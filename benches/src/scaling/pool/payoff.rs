//! The lessons of a model's worker: a copy of the rules of `pool/src/worker/payoff.rs` in virtual time.

use super::super::engine::{Time, picos};
use std::cell::Cell;

const BREAK_EVEN: Time = 2;
const FIRST_COST: Time = picos(125.0);
const COST_SMOOTHING: Time = 32;
const UNPAID_STEALS_LIMIT: u32 = 6;
const FIRST_DOZE: Time = picos(6_000.0);
const LONGEST_DOZE: Time = picos(100_000.0);
const COARSE_WORK: Time = picos(10_000.0);
const SLEEP_PRICE: Time = picos(50_000.0);
const GAP_LIMIT: Time = picos(200_000.0);
const GAP_SMOOTHING: Time = 4;

/// The experience of a worker with its searches.
pub(super) struct Payoff {
    working_since: Cell<Option<Time>>,
    searching_since: Cell<Option<Time>>,
    is_immediate: Cell<bool>,
    is_interrupted: Cell<bool>,
    cost: Cell<Time>,
    unpaid: Cell<u32>,
    is_coarse: Cell<bool>,
    expected_gap: Cell<Time>,
}

impl Payoff {
    pub(super) fn new() -> Self {
        Self {
            working_since: Cell::new(None),
            searching_since: Cell::new(None),
            is_immediate: Cell::new(false),
            is_interrupted: Cell::new(false),
            cost: Cell::new(FIRST_COST),
            unpaid: Cell::new(0),
            is_coarse: Cell::new(false),
            expected_gap: Cell::new(GAP_LIMIT),
        }
    }

    pub(super) fn found_at_once(&self) {
        self.is_immediate.set(!self.is_interrupted.get());
    }

    pub(super) fn interrupted(&self) {
        self.is_interrupted.set(true);
    }

    pub(super) fn begin(&self, now: Time) {
        if let Some(since) = self.searching_since.take() {
            self.learn(now - since);
        }
        self.is_immediate.set(false);
        self.is_interrupted.set(false);
        self.working_since.set(Some(now));
    }

    fn learn(&self, search: Time) {
        let (gap, expected) = (search.min(GAP_LIMIT), self.expected_gap.get());
        self.expected_gap.set(expected - expected / GAP_SMOOTHING + gap / GAP_SMOOTHING);
        if self.is_immediate.get() {
            let cost = self.cost.get();
            self.cost.set(if search < cost {
                search
            } else {
                cost + (search - cost).min(cost) / COST_SMOOTHING
            });
        }
    }

    /// Returns whether a piece of work has ended that a search found, so that the clock is read.
    pub(super) fn end(&self, now: Time) -> bool {
        let Some(since) = self.working_since.take() else { return false };
        let work = now - since;
        self.is_coarse.set(work >= COARSE_WORK);
        let is_paid = work >= self.cost.get() * BREAK_EVEN;
        self.unpaid.set(if is_paid { 0 } else { self.unpaid.get() + 1 });
        self.searching_since.set(Some(now));
        true
    }

    pub(super) fn is_coarse(&self) -> bool {
        self.is_coarse.get()
    }

    pub(super) fn doze_time(&self) -> Option<Time> {
        let excess = self.unpaid.get().checked_sub(UNPAID_STEALS_LIMIT)?;
        Some((FIRST_DOZE * (1 << excess.min(8))).min(LONGEST_DOZE))
    }

    pub(super) fn linger_time(&self, processors: usize) -> Time {
        let gap = self.expected_gap.get();
        if processors > 1 && gap <= SLEEP_PRICE { 2 * gap } else { 0 }
    }
}
