//! The lessons of a worker's own searches: whether stealing pays, and how long the next work takes to come.
//! Both are measured, because neither depends on the pool alone.
//!
//! ```text
//!   work begins        work ends, search begins        work begins
//!        |-- brought by the steal --|------- the search -------|
//!                                   |- cost of a steal -|          if the first look found something
//!                                   |----------- gap ----------|   otherwise
//! ```
//!
//! # Whether stealing pays
//!
//! A steal costs the thief some cache misses, and the victim as many, because the thief takes cache lines
//! away from it. How long that takes depends on the machine. So the worker measures the steals that found
//! something at the first look, unless it slept or dozed before that look. If the work that a steal
//! brings is shorter than the cost of both sides, both workers together are slower than the victim alone.
//! After some such steals in a row the worker **dozes** (`registry/sleep.rs`), longer and longer until a
//! steal pays again.
//!
//! # How long the next work takes to come
//!
//! To sleep and to be woken costs two threads some ten microseconds. So a worker whose next work has
//! lately come within that time waits for it awake; and one whose work came later sleeps at once. A thread
//! outside the pool that hands in one job after another finds the worker awake (`install`), and between
//! bursts (`bursts`) nobody waits in vain. On a machine with one processor no worker waits awake, because it
//! would keep the thread that brings the work from running.
//!
//! # Time comes as an argument
//!
//! These rules ask no clock. So the simulation of more cores compiles this very file and runs it in virtual
//! time (`benches/src/scaling/pool/payoff.rs`), and a test says what time it is.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

/// A steal pays off if it brings this many times its cost: the thief's share and the victim's.
const BREAK_EVEN: u32 = 2;
/// The estimate of a worker that has measured nothing.
const FIRST_COST: Duration = Duration::from_nanos(125);
/// A measured cost above the estimate moves it by this part. Most of these contain something else: a wait, an
/// interrupt. A cost below the estimate replaces it.
const COST_SMOOTHING: u32 = 32;
/// After this many unpaid steals in a row the worker dozes. A few are normal: the last pieces of a
/// parallel loop are short.
const UNPAID_STEALS_LIMIT: u32 = 6;
/// The first doze, which each further unpaid steal doubles, and the longest one.
const FIRST_DOZE: Duration = Duration::from_micros(6);
const LONGEST_DOZE: Duration = Duration::from_micros(100);
/// An owner whose pieces of work take this long answers late. So a thief requests the next stack job in
/// advance.
const COARSE_WORK: Duration = Duration::from_micros(10);
/// A worker that expects its next work within this time waits for it awake. About the price of a sleep.
const SLEEP_PRICE: Duration = Duration::from_micros(50);
/// Longer gaps count as this long, so that one pause of the program is forgotten after a few short gaps.
const GAP_LIMIT: Duration = Duration::from_micros(200);
/// Each gap moves the expectation by this part.
const GAP_SMOOTHING: u32 = 4;

/// The experience of a worker with its searches.
#[derive(Debug)]
pub(crate) struct StealPayoff {
    /// When the worker began the work that it found by searching.
    working_since: Cell<Option<Instant>>,
    /// When that work ended.
    searching_since: Cell<Option<Instant>>,
    /// Whether the first look of this search found the work.
    is_immediate: Cell<bool>,
    /// Whether the worker slept or dozed in this search, so that its time is not the cost of a steal.
    is_interrupted: Cell<bool>,
    /// The estimated cost of a steal to the thief.
    cost: Cell<Duration>,
    /// How many steals in a row did not pay off.
    unpaid: Cell<u32>,
    /// Whether the work that began with the last steal took long.
    is_coarse: Cell<bool>,
    /// How long the next work is expected to take to come.
    expected_gap: Cell<Duration>,
}

impl Default for StealPayoff {
    fn default() -> Self {
        Self {
            working_since: Cell::default(),
            searching_since: Cell::default(),
            is_immediate: Cell::default(),
            is_interrupted: Cell::default(),
            cost: Cell::new(FIRST_COST),
            unpaid: Cell::default(),
            is_coarse: Cell::default(),
            expected_gap: Cell::new(GAP_LIMIT),
        }
    }
}

impl StealPayoff {
    /// Notes that the first look of a search found work.
    pub(crate) fn found_at_once(&self) {
        self.is_immediate.set(!self.is_interrupted.get());
    }

    /// Notes that the worker slept or dozed in this search.
    pub(crate) fn interrupted(&self) {
        self.is_interrupted.set(true);
    }

    /// Notes that a search has found work.
    pub(crate) fn begin(&self, now: Instant) {
        if let Some(since) = self.searching_since.take() {
            self.learn(now.saturating_duration_since(since));
        }
        self.is_immediate.set(false);
        self.is_interrupted.set(false);
        self.working_since.set(Some(now));
    }

    /// Learns from the time that a search took.
    fn learn(&self, search: Duration) {
        let (gap, expected) = (search.min(GAP_LIMIT), self.expected_gap.get());
        self.expected_gap.set(expected - expected / GAP_SMOOTHING + gap / GAP_SMOOTHING);
        if self.is_immediate.get() {
            let cost = self.cost.get();
            self.cost.set(if search < cost {
                search
            } else {
                // A disturbed measurement counts as twice the estimate at most.
                cost + (search - cost).min(cost) / COST_SMOOTHING
            });
        }
    }

    /// Notes that a piece of work has ended. Asks for the time, and returns true, if a search had found it.
    pub(crate) fn end(&self, now: impl FnOnce() -> Instant) -> bool {
        let Some(since) = self.working_since.take() else { return false };
        let now = now();
        self.judge(now.saturating_duration_since(since));
        self.searching_since.set(Some(now));
        true
    }

    /// Judges a steal by the work that it brought.
    fn judge(&self, work: Duration) {
        let paid = work >= self.cost.get() * BREAK_EVEN;
        self.is_coarse.set(work >= COARSE_WORK);
        self.unpaid.set(if paid { 0 } else { self.unpaid.get().saturating_add(1) });
    }

    pub(crate) fn is_coarse(&self) -> bool {
        self.is_coarse.get()
    }

    /// Returns how long the worker is to doze before it searches, if it is.
    pub(crate) fn doze_time(&self) -> Option<Duration> {
        let excess = self.unpaid.get().checked_sub(UNPAID_STEALS_LIMIT)?;
        Some((FIRST_DOZE * (1 << excess.min(8))).min(LONGEST_DOZE))
    }

    /// Returns how long a worker may wait awake for its next work, because that has come soon lately.
    /// On a single processor it may not, since nobody else runs meanwhile.
    pub(crate) fn linger_time(&self, processors: usize) -> Duration {
        let gap = self.expected_gap.get();
        if processors > 1 && gap <= SLEEP_PRICE { 2 * gap } else { Duration::ZERO }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use brigade_trace::clock;

    const MICROSECOND: Duration = Duration::from_micros(1);

    /// Steals that find something at the first look, after this time.
    fn steal(payoff: &StealPayoff, cost: Duration) {
        payoff.found_at_once();
        payoff.learn(cost);
        payoff.is_immediate.set(false);
    }

    #[test]
    fn work_pays_if_it_is_longer_than_a_steal_costs_both_sides() {
        let payoff = StealPayoff::default();
        let judge = |work| {
            (0..UNPAID_STEALS_LIMIT).for_each(|_| payoff.judge(work));
            payoff.doze_time()
        };
        steal(&payoff, MICROSECOND / 10);
        assert_eq!(judge(MICROSECOND / 2), None);
        assert_eq!(judge(MICROSECOND / 10), Some(FIRST_DOZE));
        // On a machine whose steals cost more, the same work does not pay.
        assert_eq!(judge(MICROSECOND / 2), None);
        (0..1000).for_each(|_| steal(&payoff, MICROSECOND));
        assert!(judge(MICROSECOND / 2).is_some());
    }

    #[test]
    fn a_wait_is_no_cost() {
        let payoff = StealPayoff::default();
        steal(&payoff, MICROSECOND / 10);
        payoff.learn(Duration::from_secs(1));
        assert_eq!(payoff.cost.get(), MICROSECOND / 10);
    }

    #[test]
    fn a_sleep_before_the_first_look_is_no_cost() {
        let (payoff, mut now) = (StealPayoff::default(), clock::now());
        payoff.begin(now);
        for _ in 0..300 {
            payoff.end(|| now);
            payoff.interrupted();
            payoff.found_at_once();
            now += Duration::from_millis(1);
            payoff.begin(now);
        }
        assert_eq!(payoff.cost.get(), FIRST_COST);
        // The next search is measured again.
        payoff.end(|| now);
        payoff.found_at_once();
        payoff.begin(now);
        assert_eq!(payoff.cost.get(), Duration::ZERO);
    }

    #[test]
    fn dozes_get_longer_until_a_steal_pays() {
        let payoff = StealPayoff::default();
        let mut dozes = Vec::new();
        for _ in 0..100 {
            payoff.judge(Duration::ZERO);
            dozes.extend(payoff.doze_time());
        }
        assert!(dozes.is_sorted());
        assert_eq!((dozes[0], dozes.last()), (FIRST_DOZE, Some(&LONGEST_DOZE)));
        payoff.judge(MICROSECOND);
        assert_eq!(payoff.doze_time(), None);
    }

    #[test]
    fn a_worker_lingers_while_its_work_comes_soon() {
        let payoff = StealPayoff::default();
        assert_eq!(payoff.linger_time(2), Duration::ZERO);
        (0..20).for_each(|_| payoff.learn(10 * MICROSECOND));
        let linger = payoff.linger_time(2);
        assert!(linger > 10 * MICROSECOND && linger <= 2 * SLEEP_PRICE);
        assert_eq!(payoff.linger_time(1), Duration::ZERO, "nobody could bring work meanwhile");
        (0..2).for_each(|_| payoff.learn(Duration::from_millis(3)));
        assert_eq!(payoff.linger_time(2), Duration::ZERO);
    }
}
