//! `brigade lock`: the same additions under a lock: none is lost, and what that costs.

use crate::{
    pools,
    scenario::{CommandError, Exit, Scenario, failed, no_arguments},
    show::{Output, thousands},
};
use brigade_pool::{Pool, lock::Lock};
use brigade_trace::clock;
use clap::ArgMatches;
use std::{
    hint::black_box,
    sync::{
        Arc, Barrier,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

const ADDITIONS_PER_WORKER: u64 = 1_000_000;

/// The scenario.
pub static SCENARIO: Scenario = Scenario {
    name: "lock",
    about: "The lock that mends the race, and what it costs",
    idea: "A lock makes load, add and store one step for everybody who takes it. The others wait, and that costs time, most \
           of all when many want the lock at once.",
    made_by: &["pool/src/blocking/lock.rs::lock", "pool/src/blocking/lock.rs::release"],
    examples: &["lock"],
    arguments: no_arguments,
    show,
};

/// The outcome of two workers adding to the same number.
struct Sum {
    lost: u64,
    /// How long an addition took, in nanoseconds.
    nanos: f64,
}

fn show(output: &Output, _: &ArgMatches) -> Result<Exit, CommandError> {
    let pool = pools::threads(2, "worker").map_err(failed("cannot start threads"))?;
    let report = |name: &str, Sum { lost, nanos }: &Sum| {
        output.event(name, format_args!("{:>9} lost, {nanos:7.1} ns an addition", thousands(*lost)));
    };
    let bare = without_lock(&pool);
    report("no lock", &bare);
    let locked = with_lock(&pool)?;
    pool.shutdown();
    report("lock", &locked);
    output.lesson(&lesson(&bare, &locked));
    Ok(if locked.lost == 0 { Exit::SUCCESS } else { Exit::FAILURE })
}

fn lesson(bare: &Sum, locked: &Sum) -> String {
    let counts =
        if locked.lost == 0 { "every addition counts" } else { "additions are lost, so the lock is broken" };
    let luck = if bare.lost == 0 {
        " (Without the lock none was lost either, this time. That was luck.)"
    } else {
        ""
    };
    format!(
        "With the lock {counts}, at {:.0} times the price, because both workers want the lock all the time. Hold a lock \
         briefly, or give each worker a number of its own.{luck}",
        locked.nanos / bare.nanos.max(0.1)
    )
}

fn without_lock(pool: &Pool) -> Sum {
    let number = Arc::new(AtomicU64::new(0));
    let theirs = number.clone();
    let ((), time) = clock::timed(|| {
        let both = Barrier::new(2);
        let add = move |_| {
            both.wait();
            for _ in 0..ADDITIONS_PER_WORKER {
                theirs.store(black_box(theirs.load(Ordering::Relaxed)) + 1, Ordering::Relaxed);
            }
        };
        pool.map(add, 0..2);
    });
    Sum::of(number.load(Ordering::Relaxed), time)
}

fn with_lock(pool: &Pool) -> Result<Sum, CommandError> {
    let number = Arc::new(Lock::new("number", 0_u64));
    let theirs = number.clone();
    let (results, time) = clock::timed(|| {
        let both = Barrier::new(2);
        let add = move |_| {
            both.wait();
            (0..ADDITIONS_PER_WORKER).try_for_each(|_| theirs.lock().map(|mut number| *number += 1))
        };
        pool.map(add, 0..2)
    });
    for result in results {
        result.map_err(failed("a worker"))?.map_err(failed("the lock"))?;
    }
    let total = *number.lock().map_err(failed("the lock"))?;
    Ok(Sum::of(total, time))
}

impl Sum {
    fn of(total: u64, time: Duration) -> Self {
        let additions = 2 * ADDITIONS_PER_WORKER;
        Self { lost: additions - total, nanos: time.as_nanos() as f64 / additions as f64 }
    }
}
