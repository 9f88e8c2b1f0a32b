//! `brigade lock`: the same additions under a lock: none is lost, and what that costs.

use super::race::{self, Additions};
use crate::{
    pools,
    scenario::{CommandError, Exit, Scenario, failed, no_arguments},
    show::{Output, thousands},
};
use brigade_handle::observe;
use brigade_pool::{Pool, lock::Lock};
use brigade_trace::clock;
use clap::ArgMatches;
use serde_json::json;
use std::{
    sync::{Arc, Barrier},
    time::Duration,
};

/// How many additions each worker makes under the lock.
const ADDITIONS_PER_WORKER: u64 = 1_000_000;
/// The same while a session records. An addition writes up to eight events, and all of them fit into a ring
/// of 65,536.
const RECORDED_ADDITIONS_PER_WORKER: u64 = 8_000;

/// The scenario.
pub static SCENARIO: Scenario = Scenario {
    name: "lock",
    about: "The lock that mends the race, and what it costs",
    idea: "A lock makes load, add and store one step for everybody who takes it. The others wait, and that costs time, most \
           of all when many want the lock at once.",
    made_by: &[
        "pool/src/blocking/lock.rs::lock",
        "pool/src/blocking/lock.rs::release",
        "demos/src/scenarios/race.rs::add_until_lost",
    ],
    examples: &["lock"],
    takes_speed: false,
    takes_workers: false,
    arguments: no_arguments,
    show,
};

fn show(output: &Output, _: &ArgMatches) -> Result<Exit, CommandError> {
    let pool = pools::threads(2, "worker").map_err(failed("cannot start threads"))?;
    let bare = race::add_until_lost(&pool);
    report(output, "no lock", bare.lost(), bare.made, nanoseconds(bare.time, bare.made));
    let is_recorded = observe::records();
    let per_worker = if is_recorded { RECORDED_ADDITIONS_PER_WORKER } else { ADDITIONS_PER_WORKER };
    let (total, time) = sum(&pool, per_worker)?;
    pool.shutdown();
    let made = 2 * per_worker;
    report(output, "lock", made - total, made, nanoseconds(time, made));
    output.lesson(&lesson(&bare, made - total, nanoseconds(time, made), is_recorded));
    Ok(if total == made { Exit::SUCCESS } else { Exit::FAILURE })
}

fn report(output: &Output, who: &str, lost: u64, made: u64, nanos: f64) {
    let numbers = json!({ "additions": made, "lost": lost, "nanoseconds_per_addition": nanos });
    let (lost, made) = (thousands(lost), thousands(made));
    output.measured(who, format_args!("{lost} of {made} lost, {nanos:.1} ns an addition"), numbers);
}

/// How long an addition took, in nanoseconds.
fn nanoseconds(time: Duration, additions: u64) -> f64 {
    time.as_nanos() as f64 / additions as f64
}

fn lesson(bare: &Additions, lost: u64, nanos: f64, is_recorded: bool) -> String {
    let without = match bare.lost() {
        0 => format!(
            "Without the lock none was lost {}, because the two threads hardly ever ran at the same time. Nothing prevents a \
             loss.",
            bare.in_which_try()
        ),
        lost => format!("Without the lock {} additions were lost {}.", thousands(lost), bare.in_which_try()),
    };
    let with = if lost == 0 { "every addition counts" } else { "additions are lost, so the lock is broken" };
    let recorded = if is_recorded { " The recording of each locking is a part of that price." } else { "" };
    format!(
        "{without} With it {with}, at {:.0} times the price, because both workers want the lock all the time.{recorded} Hold a \
         lock briefly, or give each worker a number of its own.",
        nanos / nanoseconds(bare.time, bare.made).max(0.1)
    )
}

// --code from here
/// Has two workers add under a lock. Returns the sum and its time.
fn sum(pool: &Pool, times: u64) -> Result<(u64, Duration), CommandError> {
    let number = Arc::new(Lock::new("number", 0_u64));
    let theirs = number.clone();
    let (results, time) = clock::timed(|| {
        let both = Barrier::new(2);
        let add = move |_| {
            both.wait();
            let add_one = |_| theirs.lock().map(|mut number| *number += 1);
            (0..times).try_for_each(add_one)
        };
        pool.map(add, 0..2)
    });
    for result in results {
        result.map_err(failed("a worker"))?.map_err(failed("the lock"))?;
    }
    let total = *number.lock().map_err(failed("the lock"))?;
    Ok((total, time))
}
// --code to here
