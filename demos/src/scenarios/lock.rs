//! `brigade lock`: the same additions under a lock: none is lost, and what that costs.

use crate::{
    pools,
    scenario::{CommandError, Exit, Scenario, no_arguments},
    show::thousands,
};
use brigade_pool::lock::Lock;
use brigade_trace::clock;
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
    idea: "A lock makes load, add and store one step for everybody who takes it. The others wait, so it costs time, most of \
           all when many want it at once.",
    made_by: &["pool/src/lock.rs::lock", "pool/src/lock.rs::release"],
    arguments: no_arguments,
    run: |output, _| {
        let pool = pools::threads(2, "worker");
        let pool = pool.map_err(|error| CommandError::failed("cannot start threads", error))?;
        let bare = Arc::new(AtomicU64::new(0));
        let theirs = bare.clone();
        let ((), without) = clock::timed(|| {
            let both = Barrier::new(2);
            let add = move |_| {
                both.wait();
                for _ in 0..ADDITIONS_PER_WORKER {
                    theirs.store(black_box(theirs.load(Ordering::Relaxed)) + 1, Ordering::Relaxed);
                }
            };
            pool.map(add, 0..2);
        });
        let each = |time: Duration| time.as_nanos() as f64 / (2 * ADDITIONS_PER_WORKER) as f64;
        let lost = 2 * ADDITIONS_PER_WORKER - bare.load(Ordering::Relaxed);
        output.event(
            "no lock",
            format_args!("{:>9} lost, {:7.1} ns an addition", thousands(lost), each(without)),
        );
        let number = Arc::new(Lock::new("number", 0_u64));
        let theirs = number.clone();
        let (results, with) = clock::timed(|| {
            let both = Barrier::new(2);
            let add = move |_| {
                both.wait();
                (0..ADDITIONS_PER_WORKER).try_for_each(|_| theirs.lock().map(|mut number| *number += 1))
            };
            pool.map(add, 0..2)
        });
        for result in results {
            result
                .map_err(|error| CommandError::failed("a worker", error))?
                .map_err(|error| CommandError::failed("the lock", error))?;
        }
        pool.shutdown();
        let total = *number.lock().map_err(|error| CommandError::failed("the lock", error))?;
        output.event(
            "lock",
            format_args!(
                "{:>9} lost, {:7.1} ns an addition",
                thousands(2 * ADDITIONS_PER_WORKER - total),
                each(with)
            ),
        );
        let luck = if lost == 0 {
            " (Without it none was lost either, this time: luck, and nothing else.)"
        } else {
            ""
        };
        let counts = if total == 2 * ADDITIONS_PER_WORKER {
            "every addition counts"
        } else {
            "additions are lost: the lock is broken"
        };
        output.lesson(&format!(
            "With the lock {counts}, at {:.0} times the price: both want it all the time. Hold it briefly, or give each worker a \
             number of its own.{luck}",
            each(with) / each(without).max(0.1)
        ));
        Ok(if total == 2 * ADDITIONS_PER_WORKER { Exit::SUCCESS } else { Exit::FAILURE })
    },
};
