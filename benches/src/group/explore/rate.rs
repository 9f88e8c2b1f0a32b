//! How many schedules a second are run, and how long shrinking takes, against limits.

use super::{loom, shuttle};
use crate::{
    bench::{Bench, Measure, Metric, Side, limit, sides},
    cpu,
};
use brigade_explore::{
    Explore, Verdict, bugs,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    thread,
};
use brigade_trace::clock;
use std::sync::Arc;

/// A small check runs 2,000 schedules a second or more.
const MAX_SCHEDULE_TIME: u64 = 500_000; // nanoseconds
/// A failure with 10,000 steps is shrunk in this time.
const MAX_SHRINK_TIME: u64 = 5_000_000_000; // nanoseconds
/// A right program of two threads: some ten choice points.
const SMALL: &str = "aba";
/// The schedules of a run of a side.
const SCHEDULES: u64 = 1_000;

pub(super) fn benches() -> Vec<Bench> {
    vec![
        Bench::new("small_check", "limit", || sides(small(), limit(MAX_SCHEDULE_TIME)))
            .reads(Metric::Rate)
            .goal(1.0),
        Bench::new("small_check", "shuttle", || sides(small(), small_of_shuttle())).reads(Metric::Rate),
        Bench::new("small_check", "loom", || sides(small(), small_of_loom())).reads(Metric::Rate),
        Bench::new("task_check", "limit", || sides(tasks(), limit(MAX_SCHEDULE_TIME))).reads(Metric::Rate),
        Bench::new("shrink_10000_steps", "limit", || sides(shrink(), limit(MAX_SHRINK_TIME))).goal(1.0),
    ]
}

/// Measures a number of schedules, which `run` returns.
fn schedules(mut run: impl FnMut() -> u64 + 'static) -> Side {
    Box::new(move |iterations| {
        let before = cpu::with_children();
        let (ops, wall) = clock::timed(|| (0..iterations).map(|_| run()).sum());
        let cpu = cpu::with_children().saturating_sub(before);
        Measure { ops, wall, cpu, extra: Vec::new() }
    })
}

/// Two threads, about ten choice points.
fn small() -> Side {
    right(SMALL)
}

/// Two tasks of a runtime with two workers.
fn tasks() -> Side {
    right("two-locks")
}

fn right(name: &'static str) -> Side {
    let bug = bugs::ALL.iter().find(|bug| bug.name == name).expect("the bug is planted");
    schedules(move || match bug.right.explore(Explore::new().schedules(SCHEDULES)) {
        Verdict::Passed(coverage) => coverage.schedules,
        verdict => panic!("{verdict:?}"),
    })
}

fn small_of_shuttle() -> Side {
    schedules(|| {
        shuttle::run_right(SMALL, SCHEDULES as usize);
        SCHEDULES
    })
}

fn small_of_loom() -> Side {
    schedules(|| loom::run_right(SMALL))
}

/// Finds a failure in a run of 10,000 steps, by chance, so with thousands of deviations, and shrinks it.
fn shrink() -> Side {
    schedules(|| {
        let Verdict::Failed(failed) = Explore::new().schedules(1_000).explore_threads(count_for_long) else {
            panic!("no update is lost")
        };
        assert_eq!(failed.schedule.deviations().len(), 1, "one preemption loses an update");
        1
    })
}

/// The rounds of each of two threads, of two atomic operations each.
const ROUNDS: usize = 2_500;

fn count_for_long() {
    let count = Arc::new(AtomicUsize::new(0));
    let threads = [0, 1].map(|_| {
        let count = count.clone();
        thread::spawn(move || {
            for _ in 0..ROUNDS {
                count.store(count.load(SeqCst) + 1, SeqCst);
            }
        })
    });
    for thread in threads {
        thread.join().expect("no thread panics");
    }
    assert_eq!(count.load(SeqCst), 2 * ROUNDS, "an update is lost");
}
