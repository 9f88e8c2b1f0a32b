//! Measuring: Brigade and the peer by turns, A B A B …, so that a disturbance of the machine hits both.
//!
//! 1. *Calibrate*: the number of iterations per run is doubled until the run of the slower side lasts
//!    `RUN_LENGTH_MIN`. Both sides do the same number.
//! 2. *Warm up*: a few pairs of runs are not counted (the calibration warms up, too, and alone if its first
//!    run was long enough).
//! 3. *Measure*: pairs of runs. Each pair gives one ratio. The median of these is *the* ratio, which a
//!    disturbance of a few pairs does not move, and their quartiles are its spread.

use crate::bench::{Bench, Measure, Row, Sides, Skip};
use brigade_trace::clock;
use std::time::Duration;

/// How long a run lasts at least: long compared with the grain of the clock and of the scheduler.
const RUN_LENGTH_MIN: Duration = Duration::from_millis(40);

/// How many pairs after the calibration are not counted, unless both sides ran for [`WARM_UP_LENGTH`] in it.
const WARM_UP_PAIRS: usize = 2;

/// A run of this length needs no other one as a warm-up: caches and pools are warm after a few milliseconds.
const WARM_UP_LENGTH: Duration = Duration::from_millis(100);

/// How many pairs there are unless the user asks for another number.
pub const DEFAULT_PAIRS: usize = 15;

/// The outcome for one row of a bench.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The row.
    pub row: Row,
    /// The name of the peer.
    pub peer: &'static str,
    /// The median of our figures: nanoseconds per operation, or bytes. None if the row is a mean of ratios.
    pub ours: Option<f64>,
    /// The same for the peer.
    pub theirs: Option<f64>,
    /// The ratio of ours to the peer's, over the pairs.
    pub ratio: Spread,
    /// The median ratio of our CPU time to the peer's. None if a side used no CPU time that could be
    /// measured.
    pub cpu_ratio: Option<f64>,
}

impl Outcome {
    /// Whether the goal is met, if there is one.
    pub fn met(&self) -> Option<bool> {
        self.row.goal.map(|goal| self.ratio.median <= goal)
    }
}

/// The median of a sample, and its quartiles.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Spread {
    /// A quarter of the sample is below this.
    pub low: f64,
    /// Half of the sample is below this.
    pub median: f64,
    /// A quarter of the sample is above this.
    pub high: f64,
}

impl Spread {
    /// Computes the quartiles of a sample, which are zero if it is empty.
    pub fn of(sample: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = sample.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let at = |part: f64| match sorted.len() {
            0 => 0.0,
            n => {
                let place = part * (n - 1) as f64;
                let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
                below + (above - below) * place.fract()
            }
        };
        Self { low: at(0.25), median: at(0.5), high: at(0.75) }
    }
}

/// Measures a bench. Returns one outcome for each row.
///
/// # Errors
///
/// Returns a [`Skip`] if the bench cannot run here.
pub fn run(bench: &Bench, pairs: usize) -> Result<Vec<Outcome>, Skip> {
    Ok(measure(bench, bench.prepare()?, pairs))
}

/// Measures the peer of a bench against a second copy of it. A ratio other than 1 is chance, so this tells
/// which differences mean something. Half of such ratios lie above 1.
///
/// # Errors
///
/// Returns a [`Skip`] if the bench cannot run here.
pub fn run_peer_twice(bench: &Bench, pairs: usize) -> Result<Vec<Outcome>, Skip> {
    let (first, second) = (bench.prepare()?, bench.prepare()?);
    Ok(measure(bench, Sides { ours: first.peer, peer: second.peer }, pairs))
}

fn measure(bench: &Bench, mut sides: Sides, pairs: usize) -> Vec<Outcome> {
    let Calibrated { iterations, is_warm } = calibrate(&mut sides);
    if !is_warm {
        (0..WARM_UP_PAIRS).for_each(|_| drop(pair(&mut sides, iterations)));
    }
    let measured: Vec<_> = (0..pairs.max(1)).map(|_| pair(&mut sides, iterations)).collect();
    bench.rows.iter().map(|row| outcome(bench, row, &measured)).collect()
}

/// The outcome of the calibration.
struct Calibrated {
    iterations: u64,
    /// Both sides have run for [`WARM_UP_LENGTH`].
    is_warm: bool,
}

/// Finds the number of iterations of a run.
fn calibrate(sides: &mut Sides) -> Calibrated {
    let mut iterations = 1;
    loop {
        let ((), ours) = clock::timed(|| drop((sides.ours)(iterations)));
        let ((), theirs) = clock::timed(|| drop((sides.peer)(iterations)));
        if ours.max(theirs) >= RUN_LENGTH_MIN || iterations >= 1 << 30 {
            return Calibrated { iterations, is_warm: ours.min(theirs) >= WARM_UP_LENGTH };
        }
        iterations *= 2;
    }
}

fn pair(sides: &mut Sides, iterations: u64) -> (Measure, Measure) {
    ((sides.ours)(iterations), (sides.peer)(iterations))
}

fn outcome(bench: &Bench, row: &Row, pairs: &[(Measure, Measure)]) -> Outcome {
    let ratio = |ours: f64, theirs: f64| if theirs == 0.0 { f64::INFINITY } else { ours / theirs };
    let read = |measure: &Measure| row.metric.read(measure);
    let per_op = |m: &Measure| m.cpu.as_nanos() as f64 / m.ops.max(1) as f64;
    let cpu = Spread::of(pairs.iter().map(|(ours, theirs)| ratio(per_op(ours), per_op(theirs)))).median;
    Outcome {
        row: row.clone(),
        peer: bench.peer,
        ours: Some(Spread::of(pairs.iter().map(|pair| read(&pair.0))).median),
        theirs: Some(Spread::of(pairs.iter().map(|pair| read(&pair.1))).median),
        ratio: Spread::of(pairs.iter().map(|(ours, theirs)| ratio(read(ours), read(theirs)))),
        cpu_ratio: (cpu.is_finite() && cpu > 0.0).then_some(cpu),
    }
}

/// The geometric means over the families of the benches that ran. Each family has two outcomes, wall and CPU.
pub fn means(ran: &[(&Bench, Vec<Outcome>)]) -> Vec<Outcome> {
    let mut families: Vec<_> = ran.iter().filter_map(|(bench, _)| bench.family).collect();
    families.dedup_by(|a, b| std::ptr::eq(*a, *b));
    let mut means = Vec::new();
    for family in families {
        let members =
            ran.iter().filter(|(bench, _)| bench.family.is_some_and(|its| std::ptr::eq(its, family)));
        let firsts: Vec<_> = members.map(|(bench, rows)| (bench.peer, &rows[0])).collect();
        let peer = firsts[0].0;
        let wall = |pick: fn(&Spread) -> f64| geometric_mean(firsts.iter().map(|(_, row)| pick(&row.ratio)));
        let spread = Spread { low: wall(|s| s.low), median: wall(|s| s.median), high: wall(|s| s.high) };
        let cpu = geometric_mean(firsts.iter().filter_map(|(_, row)| row.cpu_ratio));
        let of = |row: &Row, ratio| Outcome {
            row: row.clone(),
            peer,
            ours: None,
            theirs: None,
            ratio,
            cpu_ratio: Some(cpu),
        };
        means.push(of(&family.wall, spread));
        means.push(of(&family.cpu, Spread { low: cpu, median: cpu, high: cpu }));
    }
    means
}

/// The n-th root of the product of n values; 1 if there are none.
fn geometric_mean(sample: impl Iterator<Item = f64>) -> f64 {
    let (logs, count) = sample.fold((0.0, 0.0), |(sum, count), value| (sum + value.ln(), count + 1.0));
    if count == 0.0 { 1.0 } else { f64::exp(logs / count) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{limit, sides};

    #[test]
    fn quartiles_lie_between_the_values() {
        let spread = Spread::of([4.0, 1.0, 3.0, 2.0, 5.0]);
        assert_eq!(spread, Spread { low: 2.0, median: 3.0, high: 4.0 });
        assert_eq!(Spread::of([1.0, 2.0]).median, 1.5);
        assert_eq!(Spread::of([]), Spread::default());
    }

    #[test]
    fn the_ratio_of_two_limits_is_theirs_and_the_goal_is_held_against_it() {
        let measured = [(limit(30)(10), limit(60)(10))];
        let bench = Bench::new("half", "limit", || sides(limit(30), limit(60))).goal(0.5);
        let outcome = outcome(&bench, &bench.rows[0], &measured);
        assert_eq!(outcome.ours, Some(30.0));
        assert_eq!(outcome.ratio.median, 0.5);
        assert_eq!(outcome.met(), Some(true));
    }

    #[test]
    fn a_peer_against_itself_is_as_fast_as_itself() {
        let bench = Bench::new("half", "limit", || sides(limit(30), limit(60))).goal(0.5);
        let outcomes = run_peer_twice(&bench, 3).expect("a limit runs everywhere");
        assert_eq!((outcomes[0].ours, outcomes[0].ratio.median), (Some(60.0), 1.0));
    }

    #[test]
    fn a_geometric_mean_evens_out_a_factor_and_its_inverse() {
        assert!((geometric_mean([0.5, 2.0].into_iter()) - 1.0).abs() < 1e-12);
    }
}
