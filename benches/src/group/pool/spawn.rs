//! Work by `spawn`: empty jobs, the way into an idle pool, and the CPU time that a pool uses between bursts.

use super::entrance::{start_brigade, start_rayon};
use crate::bench::{Bench, Measure, Metric, Side, limit, sides, timed, workers};
use crate::cpu;
use brigade_trace::clock;
use std::{hint::black_box, sync::mpsc, thread, time::Duration};

const JOBS: usize = 100_000;

/// How many jobs a burst has.
const BURST: usize = 200;

/// The ways of jobs into a pool.
trait Jobs: Sync + 'static {
    /// Spawns a job from outside, without waiting.
    fn spawn(&self, job: impl FnOnce() + Send + 'static);
    /// Spawns `count` jobs from one worker in a scope, and waits for them.
    fn scope(&self, count: usize, job: impl Fn() + Sync);
    /// Submits a job from outside and waits for its result.
    fn round_trip(&self) -> u64;
}

impl Jobs for brigade_pool::Pool {
    fn spawn(&self, job: impl FnOnce() + Send + 'static) {
        self.spawn_detached(job);
    }

    fn scope(&self, count: usize, job: impl Fn() + Sync) {
        let job = &job;
        self.scope(|scope| (0..count).for_each(|_| scope.spawn(move |_| job())));
    }

    fn round_trip(&self) -> u64 {
        self.install(|| black_box(1))
    }
}

impl Jobs for rayon::ThreadPool {
    fn spawn(&self, job: impl FnOnce() + Send + 'static) {
        self.spawn(job);
    }

    fn scope(&self, count: usize, job: impl Fn() + Sync) {
        let job = &job;
        self.scope(|scope| (0..count).for_each(|_| scope.spawn(move |_| job())));
    }

    fn round_trip(&self) -> u64 {
        self.install(|| black_box(1))
    }
}

/// The benches of this file.
pub(crate) fn benches() -> Vec<Bench> {
    let ours = || start_brigade(workers());
    let theirs = || start_rayon(workers());
    vec![
        Bench::new("spawn_scope", "rayon", move || sides(in_scope(ours()), in_scope(theirs()))).goal(0.5),
        Bench::new("spawn_outside", "rayon", move || sides(outside(ours()), outside(theirs()))).goal(0.5),
        Bench::new("idle_wake", "rayon", move || sides(idle_wake(ours()), idle_wake(theirs()))).goal(1.0),
        // The goal is no CPU time. The limit is the error of a clock: a tenth of a thousandth of one core.
        Bench::new("idle_cpu", "limit", move || sides(idle_cpu(ours()), limit(100_000)))
            .reads(Metric::Cpu)
            .goal(1.0),
        Bench::new("bursts", "rayon", move || sides(bursts(ours()), bursts(theirs())))
            .goal(1.0)
            .row("bursts_cpu", Metric::Cpu)
            .goal(0.7),
        // The floor: the same jobs in a plain loop, with the same pauses.
        Bench::new("bursts", "sequential", move || sides(bursts(ours()), bursts_alone()))
            .row("bursts_cpu", Metric::Cpu),
    ]
}

/// Spawns empty jobs from one worker into a scope, and waits for all.
fn in_scope(pool: impl Jobs) -> Side {
    timed(JOBS as u64, move |iterations| (0..iterations).for_each(|_| pool.scope(JOBS, || ())))
}

/// Spawns empty jobs from outside. The last job reports that the others have been taken out of the queue; a
/// count of them would measure the counter.
fn outside(pool: impl Jobs) -> Side {
    timed(JOBS as u64, move |iterations| {
        for _ in 0..iterations {
            (1..JOBS).for_each(|_| pool.spawn(|| ()));
            let (last, done) = mpsc::sync_channel(1);
            pool.spawn(move || last.send(()).expect("somebody waits for it"));
            done.recv().expect("the last job is run");
        }
    })
}

/// Submits one job to a pool that has slept for two milliseconds, and waits for the result. Only the trips
/// are timed, not the pauses.
fn idle_wake(pool: impl Jobs) -> Side {
    Box::new(move |iterations| {
        let before = cpu::own();
        let mut wall = Duration::ZERO;
        for _ in 0..iterations {
            thread::sleep(Duration::from_millis(2));
            wall += clock::timed(|| pool.round_trip()).1;
        }
        Measure { ops: iterations, wall, cpu: cpu::own().saturating_sub(before), extra: Vec::new() }
    })
}

/// Measures the CPU time that the threads of a pool use in a second in which they have nothing to do. It
/// samples 50 ms, a little after the last job.
fn idle_cpu(pool: brigade_pool::Pool) -> Side {
    const SAMPLES_PER_SECOND: u32 = 20;
    Box::new(move |_| {
        pool.round_trip();
        thread::sleep(Duration::from_millis(10));
        let before = cpu::of_other_threads();
        let ((), wall) = clock::timed(|| thread::sleep(Duration::from_secs(1) / SAMPLES_PER_SECOND));
        let cpu = cpu::of_other_threads().saturating_sub(before) * SAMPLES_PER_SECOND;
        Measure { ops: 1, wall, cpu, extra: Vec::new() }
    })
}

/// The work of a job. It is compiled once for both sides, because such a short loop takes a third more or
/// less depending on where it happens to lie.
#[inline(never)]
fn some_microseconds() {
    black_box((0..2000_u32).fold(0, |sum, i| black_box(sum ^ i)));
}

/// Runs twelve bursts of 200 jobs of some microseconds, with 3 ms between them: what does it cost to fall
/// asleep too late, or too early?
fn bursts(pool: impl Jobs) -> Side {
    bursts_by(move || pool.scope(BURST, some_microseconds))
}

/// The same on the thread that measures.
fn bursts_alone() -> Side {
    bursts_by(|| (0..BURST).for_each(|_| some_microseconds()))
}

fn bursts_by(burst: impl Fn() + 'static) -> Side {
    timed(1, move |iterations| {
        for _ in 0..12 * iterations {
            burst();
            thread::sleep(Duration::from_millis(3));
        }
    })
}
