//! The way in: short pieces of work that threads outside the pool hand in and wait for, one after another.

use super::{
    entrance::{start_brigade, start_rayon},
    join::scramble,
    small,
};
use crate::bench::{Bench, Metric, Side, sides, timed, workers};
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use std::{hint::black_box, thread};

/// How many threads outside the pool hand work in at the same time.
const CLIENTS: u64 = 4;

/// A pool into which threads from outside hand work.
trait Entrance: Sync + 'static {
    /// Runs a closure that does nothing on a worker, and waits for it.
    fn install(&self);
    /// The sum of the scrambled numbers, by a parallel loop that is called from outside.
    fn sum(&self, numbers: &[u32]) -> u64;
    /// Runs three jobs of this many rounds in a scope.
    fn three_jobs(&self, rounds: u32);
}

impl Entrance for brigade_pool::Pool {
    fn install(&self) {
        assert_eq!(self.install(|| black_box(1)), 1);
    }

    fn sum(&self, numbers: &[u32]) -> u64 {
        self.install(|| brigade_pool::map_reduce(numbers, 0, |number| scramble(*number), |a, b| a + b))
    }

    fn three_jobs(&self, rounds: u32) {
        self.scope(|scope| (0..3).for_each(|_| scope.spawn(move |_| small::work(rounds))));
    }
}

impl Entrance for rayon::ThreadPool {
    fn install(&self) {
        assert_eq!(self.install(|| black_box(1)), 1);
    }

    fn sum(&self, numbers: &[u32]) -> u64 {
        self.install(|| numbers.par_iter().map(|number| scramble(*number)).sum())
    }

    fn three_jobs(&self, rounds: u32) {
        self.scope(|scope| (0..3).for_each(|_| scope.spawn(move |_| small::work(rounds))));
    }
}

/// The benches of this file. Times are for one piece of work that is handed in.
pub(super) fn benches() -> Vec<Bench> {
    let ours = || start_brigade(workers());
    let theirs = || start_rayon(workers());
    let cpu = |bench: Bench, name| bench.goal(1.0).row(name, Metric::Cpu).goal(1.0);
    vec![
        cpu(
            Bench::new("install", "rayon", move || sides(installs(ours()), installs(theirs()))),
            "install_cpu",
        ),
        cpu(
            Bench::new("install_4_clients", "rayon", move || {
                sides(installs_by_clients(ours()), installs_by_clients(theirs()))
            }),
            "install_4_clients_cpu",
        ),
        Bench::new("loop_1k_outside", "rayon", move || sides(sums(ours(), 1_000), sums(theirs(), 1_000)))
            .goal(1.0),
        Bench::new("loop_100k_outside", "rayon", move || {
            sides(sums(ours(), 100_000), sums(theirs(), 100_000))
        })
        .goal(1.0),
        Bench::new("three_jobs_50us", "rayon", move || sides(three_jobs(ours()), three_jobs(theirs())))
            .goal(1.0),
    ]
}

/// Hands in one empty closure after another.
fn installs(pool: impl Entrance) -> Side {
    timed(1, move |iterations| (0..iterations).for_each(|_| pool.install()))
}

/// Hands in empty closures from several threads at once.
fn installs_by_clients(pool: impl Entrance) -> Side {
    timed(CLIENTS, move |iterations| {
        let client = || (0..iterations).for_each(|_| pool.install());
        thread::scope(|scope| (0..CLIENTS).for_each(|_| _ = scope.spawn(client)));
    })
}

/// Calls one loop over so many numbers after another.
fn sums(pool: impl Entrance, count: u32) -> Side {
    let numbers: Vec<u32> = (0..count).collect();
    let expected: u64 = numbers.iter().map(|number| scramble(*number)).sum();
    timed(1, move |iterations| {
        (0..iterations).for_each(|_| assert_eq!(pool.sum(black_box(&numbers)), expected));
    })
}

/// Hands in one scope of three jobs of 50 µs after another.
fn three_jobs(pool: impl Entrance) -> Side {
    let rounds = small::rounds(50_000);
    timed(1, move |iterations| (0..iterations).for_each(|_| pool.three_jobs(rounds)))
}
