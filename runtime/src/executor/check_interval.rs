//! How often a busy executor looks up from its tasks: at its timers, at the driver, and at what came from
//! outside.
//!
//! A look, a *check*, has a price: the clock is read, and a poll of the driver is a system call. A poll of a
//! task may take 10 ns or 10 ms. With a check after each of the short polls, the checks are all the work;
//! with one after 60 of the long polls, a timer fires 600 ms late. So a check comes after some *polls*, as
//! counting is cheap, and their number is such that they take some *time*, [`MAX_ROUND`]. The polls from one
//! check to the next are a *round*.
//!
//! # How many polls make a round
//!
//! Nobody knows how long the next poll takes. The polls before it are evidence:
//!
//! ```text
//!   evidence   the number of polls since the last long round             at most 61 · 16
//!   round      evidence / 16 polls                                       1 to 61
//!
//!   a round in time        evidence + the polls of the round
//!   a round that is late   evidence · MAX_ROUND / the time it took
//! ```
//!
//! * If polls of 200 µs begin after some 16 · n short ones, the first round has n of them. The next one has
//!   fewer by the factor by which this one was late, and soon there is a check after each poll.
//! * If short polls follow on a long one, a thousand of them are needed for full rounds. The clock is read a
//!   hundred times meanwhile, which takes about 2 µs. A long poll has taken 50 µs at least, so the price of
//!   measuring is small beside what made it necessary.
//! * If all polls are short, there is one check for 61 polls.
//!
//! An average of the time of a poll, as tokio keeps for its injector, would forget four long tasks among
//! forty short ones, and then the four would run in one round. Here a handful of short polls changes little.
//!
//! # Taking turns
//!
//! An *external* task was woken by a timer, by the driver or by another thread. It has been waiting since
//! its event, and behind all tasks that are ready it would wait once more. So external tasks go first. A
//! flood of them must not starve the others, so both kinds take [`Turns`], of equal time.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

/// The time that a round should take at most. It is also the longest time for which a busy executor leaves
/// the driver alone, if polls are short.
pub(crate) const MAX_ROUND: Duration = Duration::from_micros(50);
/// The time that a single poll takes at least to count as long. Another worker is called to the driver before
/// the polls that follow it.
const LONG_POLL: Duration = Duration::from_micros(200);
/// A poll is expected to be long for as many polls after a long one as there are such times in it. A call to
/// the driver takes 5 µs, so the calls take an eighth of the time of the long polls at most.
const TIME_PER_CALL: Duration = Duration::from_micros(40);
/// The most polls that are expected to be long after a long one.
const MAX_CALLS: u32 = 32;
/// The most polls of a round.
const MAX_POLLS: i32 = 61;
/// The number of polls that must have been short for one more poll in a round.
const EVIDENCE_PER_POLL: i32 = 16;

/// Counts the polls of a round, and says how many the next one has.
pub(crate) struct CheckInterval {
    /// The polls that are left of this round. Below zero if more were made before the check.
    left: Cell<i32>,
    /// The polls of this round.
    polls: Cell<i32>,
    evidence: Cell<i32>,
    began: Cell<Instant>,
    /// For how many more polls a long one is expected.
    calls_left: Cell<u32>,
}

impl CheckInterval {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            left: Cell::new(1),
            polls: Cell::new(1),
            evidence: Cell::new(0),
            began: Cell::new(now),
            calls_left: Cell::new(0),
        }
    }

    /// Counts a poll.
    #[inline]
    pub(crate) fn count_poll(&self) {
        self.left.set(self.left.get() - 1);
    }

    /// Tells whether the round is over.
    #[inline]
    pub(crate) fn is_due(&self) -> bool {
        self.left.get() <= 0
    }

    /// Tells whether the polls of late are so short that a round has the most of them.
    pub(crate) fn has_short_polls(&self) -> bool {
        self.polls.get() == MAX_POLLS
    }

    /// Tells whether there is a check after each poll.
    pub(crate) fn is_after_each_poll(&self) -> bool {
        self.polls.get() == 1
    }

    /// Tells whether the next poll may be a long one, which justifies a call to the driver. There are some
    /// such calls after each long poll: one task may compute for a millisecond while another one answers
    /// requests.
    pub(crate) fn expects_long_poll(&self) -> bool {
        self.is_after_each_poll() && self.calls_left.get() > 0
    }

    /// Counts a call to the driver.
    pub(crate) fn count_call(&self) {
        self.calls_left.set(self.calls_left.get().saturating_sub(1));
    }

    /// Returns the polls that were made in this round.
    pub(crate) fn made(&self) -> usize {
        (self.polls.get() - self.left.get()).unsigned_abs() as usize
    }

    /// Ends a round and begins the next one. Returns the time that the round took. Before a sleep this
    /// accounts for a round that is not complete.
    pub(crate) fn end_round(&self, now: Instant) -> Duration {
        let took = now.saturating_duration_since(self.began.get());
        let ran = self.polls.get() - self.left.get();
        self.evidence.set(weigh(self.evidence.get(), ran, took));
        if ran > 0 && took >= LONG_POLL {
            let calls = took.as_nanos() / TIME_PER_CALL.as_nanos();
            let calls = u32::try_from(calls).unwrap_or(u32::MAX).min(MAX_CALLS);
            self.calls_left.set(calls.max(self.calls_left.get()));
        }
        self.begin_round(now);
        took
    }

    /// Leaves out a wait of this length: the round goes on after it.
    pub(crate) fn exclude(&self, wait: Duration) {
        self.began.set(self.began.get() + wait);
    }

    /// Begins a round after a sleep, which counts for no round.
    pub(crate) fn begin_round(&self, now: Instant) {
        let polls = (self.evidence.get() / EVIDENCE_PER_POLL).max(1);
        self.polls.set(polls);
        self.left.set(polls);
        self.began.set(now);
    }
}

/// Returns the evidence after a round of this many polls that took this long.
fn weigh(evidence: i32, polls: i32, took: Duration) -> i32 {
    if took <= MAX_ROUND {
        return (evidence + polls).min(MAX_POLLS * EVIDENCE_PER_POLL);
    }
    // In whole microseconds: both are far below 2⁶³ of them.
    let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
    let shrunk = i64::from(evidence) * micros(MAX_ROUND) / micros(took);
    i32::try_from(shrunk).unwrap_or(evidence)
}

/// Says whose turn it is: that of the external tasks, or that of the others.
///
/// A turn of the external tasks takes as long as the round of the others before it, and one poll at least.
pub(crate) struct Turns {
    /// True if the round began with an external task.
    of_external: Cell<bool>,
    /// The time that is left to the external tasks.
    left: Cell<Duration>,
}

impl Turns {
    pub(crate) fn new() -> Self {
        Self { of_external: Cell::new(false), left: Cell::new(Duration::ZERO) }
    }

    /// Ends a round that took this long. Returns true if external tasks may begin the next one. The caller
    /// then says by [`begin`](Self::begin) whether there are some.
    pub(crate) fn end_round(&self, took: Duration) -> bool {
        if self.of_external.get() {
            self.left.set(self.left.get().saturating_sub(took));
        } else {
            self.left.set(took);
        }
        !self.of_external.get() || self.left.get() > Duration::ZERO
    }

    /// Begins a round, with an external task or without.
    pub(crate) fn begin(&self, with_external: bool) {
        self.of_external.set(with_external);
    }

    /// Tells whether the round began with an external task.
    #[inline]
    pub(crate) fn is_of_external(&self) -> bool {
        self.of_external.get()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use brigade_trace::clock;

    const SHORT: Duration = Duration::from_nanos(100);
    const LONG: Duration = Duration::from_micros(200);

    /// An interval in simulated time.
    struct Simulation {
        interval: CheckInterval,
        now: Instant,
        checks: usize,
    }

    impl Simulation {
        fn new() -> Self {
            let now = clock::now();
            Self { interval: CheckInterval::new(now), now, checks: 0 }
        }

        /// Makes polls of this length. Returns the longest time without a check.
        fn poll(&mut self, polls: usize, each: Duration) -> Duration {
            let (mut longest, mut checked) = (Duration::ZERO, self.now);
            for _ in 0..polls {
                self.now += each;
                self.interval.count_poll();
                if self.interval.is_due() {
                    self.interval.end_round(self.now);
                    self.checks += 1;
                    longest = longest.max(self.now - checked);
                    checked = self.now;
                }
            }
            longest.max(self.now - checked)
        }
    }

    #[test]
    fn after_each_long_poll_there_is_a_check() {
        let mut simulation = Simulation::new();
        assert_eq!(simulation.poll(1000, LONG), LONG);
        assert_eq!(simulation.checks, 1000);
    }

    #[test]
    fn among_short_polls_one_of_61_is_checked() {
        let mut simulation = Simulation::new();
        simulation.poll(2000, SHORT);
        simulation.checks = 0;
        simulation.poll(6100, SHORT);
        assert_eq!(simulation.checks, 100);
        assert!(simulation.interval.has_short_polls());
    }

    #[test]
    fn a_round_takes_100_us_at_most_or_is_one_poll() {
        for nanos in [100, 700, 1000, 3000, 7000, 20_000, 40_000, 60_000, 2_000_000] {
            let mut simulation = Simulation::new();
            let each = Duration::from_nanos(nanos);
            simulation.poll(5000, each);
            // A round is tried that is longer by a few polls, and then they become fewer.
            assert!(simulation.poll(5000, each) <= (MAX_ROUND * 2).max(each), "polls of {nanos} ns");
        }
    }

    #[test]
    fn the_price_of_finding_out_that_polls_are_short_again_is_a_hundred_checks() {
        let mut simulation = Simulation::new();
        simulation.poll(10, LONG);
        simulation.checks = 0;
        simulation.poll(1200, SHORT);
        assert!(simulation.interval.has_short_polls());
        assert!(simulation.checks < 120, "{} checks", simulation.checks);
    }

    #[test]
    fn long_polls_after_a_few_short_ones_are_checked_at_once() {
        let mut simulation = Simulation::new();
        simulation.poll(100, LONG);
        for _ in 0..100 {
            // Ten timers fire, then four tasks compute.
            simulation.poll(10, SHORT);
            assert!(simulation.poll(4, LONG) <= LONG + 10 * SHORT);
        }
    }

    #[test]
    fn after_any_number_of_short_polls_the_second_round_of_long_ones_is_a_few_polls() {
        let mut simulation = Simulation::new();
        simulation.poll(100_000, SHORT);
        assert!(simulation.poll(122, LONG) <= 61 * LONG + 61 * SHORT);
        assert!(simulation.interval.is_after_each_poll());
        assert_eq!(simulation.poll(100, LONG), LONG);
    }

    #[test]
    fn a_long_poll_is_expected_for_some_calls_after_a_long_one_and_for_a_few_short_polls() {
        let mut simulation = Simulation::new();
        assert!(!simulation.interval.expects_long_poll());
        simulation.poll(2, LONG);
        for _ in 0..LONG.as_micros() / TIME_PER_CALL.as_micros() {
            simulation.poll(1, SHORT);
            assert!(simulation.interval.expects_long_poll());
            simulation.interval.count_call();
        }
        assert!(!simulation.interval.expects_long_poll());
        simulation.poll(1, 1000 * LONG);
        assert_eq!(simulation.interval.calls_left.get(), MAX_CALLS);
        simulation.poll(100, SHORT);
        assert!(!simulation.interval.expects_long_poll(), "there is not a check after each poll any more");
    }

    #[test]
    fn a_sleep_counts_for_no_round_and_a_short_burst_before_it_does() {
        let mut simulation = Simulation::new();
        simulation.poll(2000, SHORT);
        for _ in 0..3 {
            // Each time five tasks compute, and then the executor sleeps.
            simulation.poll(5, LONG);
            simulation.interval.end_round(simulation.now);
            simulation.now += Duration::from_secs(1);
            simulation.interval.begin_round(simulation.now);
        }
        assert!(simulation.interval.is_after_each_poll());
    }

    #[test]
    fn both_kinds_of_tasks_get_the_same_time() {
        let turns = Turns::new();
        let (mut external, mut others) = (Duration::ZERO, Duration::ZERO);
        let mut took = Duration::ZERO;
        for _ in 0..1000 {
            let is_external = turns.end_round(took);
            turns.begin(is_external);
            took = if is_external { Duration::from_micros(10) } else { LONG };
            *(if is_external { &mut external } else { &mut others }) += took;
        }
        let ratio = external.as_secs_f64() / others.as_secs_f64();
        assert!((0.9..1.1).contains(&ratio), "{external:?} and {others:?}");
    }

    #[test]
    fn a_flood_of_long_external_tasks_leaves_every_other_turn_to_the_rest() {
        let turns = Turns::new();
        let mut took = SHORT;
        let mut order = Vec::new();
        for _ in 0..6 {
            let is_external = turns.end_round(took);
            turns.begin(is_external);
            took = if is_external { LONG } else { SHORT };
            order.push(is_external);
        }
        assert_eq!(order, [true, false, true, false, true, false]);
    }

    #[test]
    fn a_turn_that_finds_no_external_task_is_not_used_up() {
        let turns = Turns::new();
        assert!(turns.end_round(LONG));
        turns.begin(false);
        assert!(turns.end_round(LONG), "there was none in the round before");
    }
}
