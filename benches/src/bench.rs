//! A bench: one piece of work, done by us and by a peer, and the goal for the ratio of the two.
//!
//! ```text
//!   Bench ── prepare ──> Sides { ours, peer }      two closures: "do it so many times, and say what it took"
//!     └── rows: what is read off a Measure, and the ratio that is wanted
//! ```
//!
//! The files of a group (`pool`, `runtime`, `process`, `demos`) are lists of benches; `run` measures them, and
//! `report` prints what came out. Criterion's benches read the same lists.

use crate::cpu;
use brigade_trace::clock;
use std::{thread, time::Duration};

/// What one run of a side took.
#[derive(Debug, Clone, Default)]
pub struct Measure {
    /// How many operations were done. Times are told for one of them.
    pub ops: u64,
    /// From the first operation's begin to the last one's end.
    pub wall: Duration,
    /// CPU time of all threads, and of child processes where they do the work, until the side had come to rest.
    pub cpu: Duration,
    /// What else was seen, such as bytes or percentiles of a latency in nanoseconds. [`Metric::ExtraTime`] and [`Metric::ExtraBytes`] read it.
    pub extra: Vec<f64>,
}

/// Does the work so many times, and says what it took. Sides whose runs have a length of their own ignore the number.
pub type Side = Box<dyn FnMut(u64) -> Measure>;

/// Both sides of a bench, ready to run.
pub struct Sides {
    /// Brigade.
    pub ours: Side,
    /// What Brigade is measured against.
    pub peer: Side,
}

/// Why a bench cannot run on this machine, in words for the reader of the table.
pub type Skip = String;

/// What a row reads off a [`Measure`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Wall time an operation, in nanoseconds.
    Wall,
    /// The same, shown as operations a second: a ratio below one still means that ours is faster.
    Rate,
    /// CPU time an operation, in nanoseconds.
    Cpu,
    /// An extra figure that is a time, in nanoseconds.
    ExtraTime(usize),
    /// An extra figure that is a size, in bytes.
    ExtraBytes(usize),
}

impl Metric {
    /// The figure of this measure.
    pub fn read(self, measure: &Measure) -> f64 {
        let each = |time: Duration| time.as_nanos() as f64 / measure.ops.max(1) as f64;
        match self {
            Self::Wall | Self::Rate => each(measure.wall),
            Self::Cpu => each(measure.cpu),
            Self::ExtraTime(index) | Self::ExtraBytes(index) => measure.extra[index],
        }
    }
}

/// One figure of a bench, and what its ratio to the peer's should be.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its name in the table and in JSON.
    pub name: &'static str,
    /// What it reads.
    pub metric: Metric,
    /// The ratio, ours to peer's, that must not be exceeded.
    pub goal: Option<f64>,
}

/// One piece of work, done by us and by a peer.
pub struct Bench {
    /// Who is on the other side.
    pub peer: &'static str,
    /// What is read off each run; the first row names the bench.
    pub rows: Vec<Row>,
    /// The family in whose geometric mean the first row counts.
    pub family: Option<&'static Family>,
    /// Whether this machine has what it needs.
    needs: fn() -> Result<(), Skip>,
    prepare: Box<dyn Fn() -> Result<Sides, Skip>>,
}

/// Benches of which the geometric mean has a goal.
#[derive(Debug)]
pub struct Family {
    /// The row of the mean of wall times.
    pub wall: Row,
    /// The row of the mean of CPU times.
    pub cpu: Row,
}

impl Bench {
    /// A bench with one row, which reads the wall time.
    pub fn new(name: &'static str, peer: &'static str, sides: impl Fn() -> Sides + 'static) -> Self {
        Self::needing(|| Ok(()), name, peer, move || Ok(sides()))
    }

    /// A bench that needs something which a machine may lack.
    pub fn needing(
        needs: fn() -> Result<(), Skip>,
        name: &'static str,
        peer: &'static str,
        sides: impl Fn() -> Result<Sides, Skip> + 'static,
    ) -> Self {
        let row = Row { name, metric: Metric::Wall, goal: None };
        Self { peer, rows: vec![row], family: None, needs, prepare: Box::new(sides) }
    }

    /// Its name: that of its first row.
    pub fn name(&self) -> &'static str {
        self.rows[0].name
    }

    /// What the latest row reads, if not the wall time.
    pub fn reads(mut self, metric: Metric) -> Self {
        self.last().metric = metric;
        self
    }

    /// The ratio that the latest row must not exceed.
    pub fn goal(mut self, ratio: f64) -> Self {
        self.last().goal = Some(ratio);
        self
    }

    /// One more row, read off the same runs.
    pub fn row(mut self, name: &'static str, metric: Metric) -> Self {
        self.rows.push(Row { name, metric, goal: None });
        self
    }

    /// Counts the first row in this family's geometric mean.
    pub fn of(mut self, family: &'static Family) -> Self {
        self.family = Some(family);
        self
    }

    fn last(&mut self) -> &mut Row {
        self.rows.last_mut().expect("a bench has a row from the start")
    }

    /// Whether it can run here.
    ///
    /// # Errors
    ///
    /// [`Skip`] says what is missing.
    pub fn possible(&self) -> Result<(), Skip> {
        (self.needs)()
    }

    /// Starts what both sides need, and gives them. Dropping them ends it.
    ///
    /// # Errors
    ///
    /// [`Skip`] if this machine lacks something.
    pub fn prepare(&self) -> Result<Sides, Skip> {
        self.possible()?;
        (self.prepare)()
    }
}

/// Two sides.
pub fn sides(ours: Side, peer: Side) -> Sides {
    Sides { ours, peer }
}

/// A side that runs inside this process: `work` does `ops` operations as often as it is told.
pub fn timed(ops: u64, work: impl FnMut(u64) + 'static) -> Side {
    measured(ops, cpu::own, work)
}

/// [`timed`], where child processes do a part of the work: their CPU time counts.
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

/// A peer that is a fixed limit: this many nanoseconds an operation.
pub fn limit(nanos: u64) -> Side {
    Box::new(move |iterations| {
        let time = Duration::from_nanos(nanos) * u32::try_from(iterations).unwrap_or(u32::MAX);
        Measure { ops: iterations, wall: time, cpu: time, extra: Vec::new() }
    })
}

/// Lets idle workers find out that they are idle, so that what they burn on the way to sleep counts for the side that
/// they belong to, and does not disturb the other.
pub fn rest() {
    thread::sleep(Duration::from_millis(1));
}

/// How many workers each side has: one a core.
pub fn workers() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}
