//! A bench: one piece of work, done by Brigade and by a peer, and the goal for the ratio of the two.
//!
//! ```text
//!   Bench ── prepare ──> Sides { ours, peer }      two closures: "do it N times, and measure that"
//!     └── rows: the metric that is read from a Measure, and the ratio that is wanted
//! ```
//!
//! The groups (`pool`, `runtime`, `process`, `demos`, `explore`) are lists of benches. `run` measures
//! them, and `report` prints the outcomes. Criterion's benches read the same lists.

use crate::cpu;
use brigade_trace::clock;
use std::{thread, time::Duration};

/// The measurements of one run of a side.
#[derive(Debug, Clone, Default)]
pub struct Measure {
    /// How many operations were done. Times are shown per operation.
    pub ops: u64,
    /// The time from the begin of the first operation to the end of the last.
    pub wall: Duration,
    /// The CPU time of all threads, and of child processes if they do the work, until the side had come to
    /// rest.
    pub cpu: Duration,
    /// Further figures, such as bytes or percentiles of a latency in nanoseconds. [`Metric::ExtraTime`],
    /// [`Metric::ExtraBytes`] and [`Metric::ExtraCount`] read them.
    pub extra: Vec<f64>,
}

/// A side: a closure that does the work as often as it is told, and measures it. A side whose runs have a
/// length of their own ignores the number.
pub type Side = Box<dyn FnMut(u64) -> Measure>;

/// Both sides of a bench, ready to run.
pub struct Sides {
    /// Brigade.
    pub ours: Side,
    /// The peer.
    pub peer: Side,
}

/// The reason why a bench cannot run on this machine, in words for the reader of the table.
pub type Skip = String;

/// The figure that a row reads from a [`Measure`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// The wall time of an operation, in nanoseconds.
    Wall,
    /// The same, shown as operations per second. A ratio below one still means that ours is faster.
    Rate,
    /// The CPU time of an operation, in nanoseconds.
    Cpu,
    /// An extra figure that is a time, in nanoseconds.
    ExtraTime(usize),
    /// An extra figure that is a size, in bytes.
    ExtraBytes(usize),
    /// An extra figure that is a number.
    ExtraCount(usize),
}

impl Metric {
    /// Reads the figure from a measure.
    pub fn read(self, measure: &Measure) -> f64 {
        let each = |time: Duration| time.as_nanos() as f64 / measure.ops.max(1) as f64;
        match self {
            Self::Wall | Self::Rate => each(measure.wall),
            Self::Cpu => each(measure.cpu),
            Self::ExtraTime(index) | Self::ExtraBytes(index) | Self::ExtraCount(index) => {
                measure.extra[index]
            }
        }
    }
}

/// One figure of a bench, and the goal for its ratio to the peer's figure.
#[derive(Debug, Clone)]
pub struct Row {
    /// The name in the table and in JSON.
    pub name: &'static str,
    /// The figure.
    pub metric: Metric,
    /// The ratio, ours to peer's, that must not be exceeded.
    pub goal: Option<f64>,
}

/// One piece of work, done by Brigade and by a peer.
pub struct Bench {
    /// The name of the peer.
    pub peer: &'static str,
    /// The rows that are read from each run. The first row names the bench.
    pub rows: Vec<Row>,
    /// The family in whose geometric mean the first row counts.
    pub family: Option<&'static Family>,
    /// Checks that this machine has everything that the bench needs.
    needs: fn() -> Result<(), Skip>,
    prepare: Box<dyn Fn() -> Result<Sides, Skip>>,
}

/// Benches whose geometric mean has a goal.
#[derive(Debug)]
pub struct Family {
    /// The row for the mean of the wall times.
    pub wall: Row,
    /// The row for the mean of the CPU times.
    pub cpu: Row,
}

impl Bench {
    /// A bench with one row, which reads the wall time.
    pub fn new(name: &'static str, peer: &'static str, sides: impl Fn() -> Sides + 'static) -> Self {
        Self::needing(|| Ok(()), name, peer, move || Ok(sides()))
    }

    /// A bench that needs something that a machine may lack.
    pub fn needing(
        needs: fn() -> Result<(), Skip>,
        name: &'static str,
        peer: &'static str,
        sides: impl Fn() -> Result<Sides, Skip> + 'static,
    ) -> Self {
        let row = Row { name, metric: Metric::Wall, goal: None };
        Self { peer, rows: vec![row], family: None, needs, prepare: Box::new(sides) }
    }

    /// The name of the bench, which is that of its first row.
    pub fn name(&self) -> &'static str {
        self.rows[0].name
    }

    /// Lets the latest row read another figure than the wall time.
    pub fn reads(mut self, metric: Metric) -> Self {
        self.last().metric = metric;
        self
    }

    /// Sets the ratio that the latest row must not exceed.
    pub fn goal(mut self, ratio: f64) -> Self {
        self.last().goal = Some(ratio);
        self
    }

    /// Adds a row that is read from the same runs.
    pub fn row(mut self, name: &'static str, metric: Metric) -> Self {
        self.rows.push(Row { name, metric, goal: None });
        self
    }

    /// Counts the first row in the geometric mean of this family.
    pub fn of(mut self, family: &'static Family) -> Self {
        self.family = Some(family);
        self
    }

    fn last(&mut self) -> &mut Row {
        self.rows.last_mut().expect("a bench has a row from the start")
    }

    /// Checks whether the bench can run here.
    ///
    /// # Errors
    ///
    /// Returns a [`Skip`] that says what is missing.
    pub fn possible(&self) -> Result<(), Skip> {
        (self.needs)()
    }

    /// Starts everything that both sides need. Dropping the sides ends it.
    ///
    /// # Errors
    ///
    /// Returns a [`Skip`] if this machine lacks something.
    pub fn prepare(&self) -> Result<Sides, Skip> {
        self.possible()?;
        (self.prepare)()
    }
}

/// Makes a pair of two sides.
pub fn sides(ours: Side, peer: Side) -> Sides {
    Sides { ours, peer }
}

/// Makes a side that runs inside this process. `work` does `ops` operations as often as it is told.
pub fn timed(ops: u64, work: impl FnMut(u64) + 'static) -> Side {
    measured(ops, cpu::own, work)
}

/// Like [`timed`], for work that child processes share: their CPU time counts.
pub fn timed_with_children(ops: u64, work: impl FnMut(u64) + 'static) -> Side {
    measured(ops, cpu::with_children, work)
}

fn measured(ops: u64, cpu: fn() -> Duration, mut work: impl FnMut(u64) + 'static) -> Side {
    Box::new(move |iterations| {
        let before = cpu();
        let start = clock::now();
        work(iterations);
        let wall = start.elapsed();
        rest();
        Measure { ops: ops * iterations, wall, cpu: cpu().saturating_sub(before), extra: Vec::new() }
    })
}

/// Makes a side whose `work` returns how late each of its events was. The extra figures are the lateness of
/// which half of the events have no more (p50), 99 of 100 (p99), and all.
pub(crate) fn lateness(mut work: impl FnMut(u64) -> Vec<Duration> + 'static) -> Side {
    Box::new(move |iterations| {
        let before = cpu::own();
        let (mut late, wall) = clock::timed(|| work(iterations));
        rest();
        let cpu = cpu::own().saturating_sub(before);
        late.sort_unstable();
        let at = |part: f64| late[(part * (late.len() - 1) as f64) as usize].as_nanos() as f64;
        Measure { ops: late.len() as u64, wall, cpu, extra: vec![at(0.5), at(0.99), at(1.0)] }
    })
}

/// Makes a peer that is a fixed limit: this many nanoseconds per operation.
pub fn limit(nanos: u64) -> Side {
    limit_of(1, Duration::from_nanos(nanos))
}

/// Makes a peer that is a fixed limit for an iteration of so many operations.
pub(crate) fn limit_of(ops: u64, all: Duration) -> Side {
    Box::new(move |iterations| {
        let time = all * u32::try_from(iterations).unwrap_or(u32::MAX);
        Measure { ops: ops * iterations, wall: time, cpu: time, extra: Vec::new() }
    })
}

/// Lets idle workers find out that they are idle. So the CPU time that they use on their way to sleep counts
/// for their own side, and does not disturb the other one.
pub fn rest() {
    thread::sleep(Duration::from_millis(1));
}

/// How many workers each side has: one for each core.
pub fn workers() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}
