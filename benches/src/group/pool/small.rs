//! Small work: from which length of a job on do two threads gain something? Jobs of 0.1 to 100 µs in five
//! shapes, against rayon and against one thread that does the same work in a plain loop.

use super::entrance::{self, start_brigade, start_rayon};
use crate::bench::{Bench, Metric, Side, sides, timed, workers};
use brigade_trace::clock;
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use std::{
    hint::black_box,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

/// The work of one operation takes one thread about this long.
const WORK_NANOS: usize = 4_000_000;

/// The lengths of a job, each with the ratio to the sequential time that must not be exceeded.
const LENGTHS: [(usize, Option<f64>); 7] = [
    (100, None),
    (300, None),
    (500, Some(1.0 / 1.5)),
    (1_000, Some(1.0 / 1.7)),
    (3_000, Some(1.0 / 1.7)),
    (10_000, Some(1.0 / 1.85)),
    (100_000, Some(1.0 / 1.85)),
];

/// How many children a nested scope has.
const CHILDREN: usize = 4;

/// The shapes of parallel work.
#[derive(Debug, Clone, Copy)]
enum Shape {
    /// One worker spawns all jobs into one scope.
    Scope,
    /// A tree of scopes, with the jobs as its leaves.
    Scopes,
    /// A tree of joins, with the jobs as its leaves.
    Tree,
    /// A parallel loop over the jobs.
    Loop,
    /// A thread outside the pool spawns the jobs one after another.
    Outside,
}

impl Shape {
    const ALL: [(Self, &str); 5] = [
        (Self::Scope, "scope"),
        (Self::Scopes, "scopes"),
        (Self::Tree, "tree"),
        (Self::Loop, "loop"),
        (Self::Outside, "outside"),
    ];
}

/// Equal jobs: how many, and how long.
#[derive(Debug, Clone, Copy)]
struct Jobs {
    count: usize,
    rounds: u32,
}

/// A pool that runs jobs in each of the shapes.
trait Shapes: Sync + 'static {
    fn scope(&self, jobs: Jobs);
    fn scopes(jobs: Jobs);
    fn tree(jobs: Jobs);
    fn each(jobs: Jobs);
    fn spawn(&self, job: impl FnOnce() + Send + 'static);
    fn install(&self, work: impl FnOnce() + Send);
}

impl Shapes for brigade_pool::Pool {
    fn scope(&self, jobs: Jobs) {
        self.scope(|scope| (0..jobs.count).for_each(|_| scope.spawn(move |_| work(jobs.rounds))));
    }

    fn scopes(jobs: Jobs) {
        if jobs.count == 1 {
            return work(jobs.rounds);
        }
        let spawn = |scope: &brigade_pool::Scope<'_>, child| scope.spawn(move |_| Self::scopes(child));
        brigade_pool::scope(|scope| jobs.children().for_each(|child| spawn(scope, child)));
    }

    fn tree(jobs: Jobs) {
        match jobs.halves() {
            Some((left, right)) => _ = brigade_pool::join(|| Self::tree(left), || Self::tree(right)),
            None => work(jobs.rounds),
        }
    }

    fn each(jobs: Jobs) {
        brigade_pool::for_each_in(0..jobs.count, |_| work(jobs.rounds));
    }

    fn spawn(&self, job: impl FnOnce() + Send + 'static) {
        self.spawn_detached(job);
    }

    fn install(&self, work: impl FnOnce() + Send) {
        self.install(work);
    }
}

impl Shapes for rayon::ThreadPool {
    fn scope(&self, jobs: Jobs) {
        self.scope(|scope| (0..jobs.count).for_each(|_| scope.spawn(move |_| work(jobs.rounds))));
    }

    fn scopes(jobs: Jobs) {
        if jobs.count == 1 {
            return work(jobs.rounds);
        }
        let spawn = |scope: &rayon::Scope<'_>, child| scope.spawn(move |_| Self::scopes(child));
        rayon::scope(|scope| jobs.children().for_each(|child| spawn(scope, child)));
    }

    fn tree(jobs: Jobs) {
        match jobs.halves() {
            Some((left, right)) => _ = rayon::join(|| Self::tree(left), || Self::tree(right)),
            None => work(jobs.rounds),
        }
    }

    fn each(jobs: Jobs) {
        (0..jobs.count).into_par_iter().for_each(|_| work(jobs.rounds));
    }

    fn spawn(&self, job: impl FnOnce() + Send + 'static) {
        self.spawn(job);
    }

    fn install(&self, work: impl FnOnce() + Send) {
        self.install(work);
    }
}

impl Jobs {
    /// As many jobs of this length as make up the work of one operation.
    fn of(nanos: usize) -> Self {
        Self { count: WORK_NANOS / nanos, rounds: rounds(nanos) }
    }

    fn halves(self) -> Option<(Self, Self)> {
        let count = self.count / 2;
        (self.count > 1).then_some((Self { count, ..self }, Self { count: self.count - count, ..self }))
    }

    /// The shares of the children of a nested scope.
    fn children(self) -> impl Iterator<Item = Self> {
        let share = move |child| (self.count + child) / CHILDREN;
        (0..CHILDREN).map(share).filter(|&count| count > 0).map(move |count| Self { count, ..self })
    }
}

/// The work of a job. It is compiled once for all sides, because such a short loop takes a third more or less
/// depending on where it happens to lie.
#[inline(never)]
pub(crate) fn work(rounds: u32) {
    black_box((0..rounds).fold(0, |sum, i| black_box(sum ^ i)));
}

/// How many rounds of [`work`] take this long on this machine.
pub(super) fn rounds(nanos: usize) -> u32 {
    const ROUNDS: u32 = 20_000;
    static NANOS_PER_ROUND: OnceLock<f64> = OnceLock::new();
    let nanos_per_round = NANOS_PER_ROUND.get_or_init(|| {
        // A disturbance makes a run only longer.
        let shortest = (0..50).map(|_| clock::timed(|| work(ROUNDS)).1).min().expect("there are many");
        shortest.as_nanos() as f64 / f64::from(ROUNDS)
    });
    (nanos as f64 / nanos_per_round).round() as u32
}

/// The benches of this file.
pub(super) fn benches() -> Vec<Bench> {
    let mut benches = Vec::new();
    for (shape, shape_name) in Shape::ALL {
        for (nanos, sequential_goal) in LENGTHS {
            // Names live as long as the program, which makes its benches a few times.
            let name: &'static str = format!("small_{shape_name}_{nanos}ns").leak();
            let cpu: &'static str = format!("{name}_cpu").leak();
            let ours = move || side(start_brigade(workers()), shape, Jobs::of(nanos));
            let rayon = move || side(start_rayon(workers()), shape, Jobs::of(nanos));
            benches.push(
                Bench::new(name, "rayon", move || sides(ours(), rayon()))
                    .goal(1.0)
                    .row(cpu, Metric::Cpu)
                    .goal(1.05),
            );
            let against_one = Bench::new(name, "sequential", move || sides(ours(), sequential(nanos)));
            benches.push(match sequential_goal {
                Some(goal) => against_one.goal(goal),
                None => against_one,
            });
        }
    }
    benches.extend(LENGTHS.map(|(nanos, goal)| bare_threads(nanos, goal)));
    benches
}

/// The ceiling: threads without a pool that share the jobs out beforehand. Where even these miss the goal,
/// the machine does not have the processors to itself.
fn bare_threads(nanos: usize, goal: Option<f64>) -> Bench {
    let name: &'static str = format!("small_bare_{nanos}ns").leak();
    let jobs = Jobs::of(nanos);
    let share = move || (0..jobs.count.div_ceil(workers())).for_each(|_| work(jobs.rounds));
    let ours = move || {
        timed(jobs.count as u64, move |iterations| {
            let run = || (0..iterations).for_each(|_| share());
            thread::scope(|scope| (0..workers()).for_each(|_| _ = scope.spawn(run)));
        })
    };
    let bench = Bench::new(name, "sequential", move || sides(ours(), sequential(nanos)));
    match goal {
        Some(goal) => bench.goal(goal),
        None => bench,
    }
}

fn sequential(nanos: usize) -> Side {
    let jobs = Jobs::of(nanos);
    entrance::sequential(jobs.count as u64, move || (0..jobs.count).for_each(|_| work(jobs.rounds)))
}

/// Runs the jobs in this shape. Times are for one job.
fn side<P: Shapes>(pool: P, shape: Shape, jobs: Jobs) -> Side {
    let inside = move |pool: &P, run: fn(Jobs), times| pool.install(|| (0..times).for_each(|_| run(jobs)));
    timed(jobs.count as u64, move |iterations| match shape {
        Shape::Scope => pool.install(|| (0..iterations).for_each(|_| pool.scope(jobs))),
        Shape::Scopes => inside(&pool, P::scopes, iterations),
        Shape::Tree => inside(&pool, P::tree, iterations),
        Shape::Loop => inside(&pool, P::each, iterations),
        Shape::Outside => (0..iterations).for_each(|_| outside(&pool, jobs)),
    })
}

/// Spawns the jobs from outside. The job that ends last says so.
fn outside(pool: &impl Shapes, jobs: Jobs) {
    let left = Arc::new(AtomicUsize::new(jobs.count));
    let (tell, told) = mpsc::sync_channel(1);
    for _ in 0..jobs.count {
        let (left, tell) = (left.clone(), tell.clone());
        pool.spawn(move || {
            work(jobs.rounds);
            if left.fetch_sub(1, Ordering::AcqRel) == 1 {
                tell.send(()).expect("somebody waits for it");
            }
        });
    }
    told.recv().expect("the last job is run");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_children_of_a_scope_share_its_jobs() {
        for count in 2..100 {
            let jobs = Jobs { count, rounds: 0 };
            assert_eq!(jobs.children().map(|child| child.count).sum::<usize>(), count);
            assert!(jobs.children().all(|child| child.count < count));
            assert_eq!(jobs.halves().map(|(left, right)| left.count + right.count), Some(count));
        }
    }
}
