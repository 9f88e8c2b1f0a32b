//! Brigade's own code under exploration: the claims of the situation tests of `runtime` and `pool` that need
//! no real I/O, each under a thousand schedules or more. `BRIGADE_EXPLORE_SCHEDULES` sets another number.

mod channels;
mod groups;
mod pool;
mod sync;

use brigade_explore::{Explore, Verdict};
use std::{env, future::Future};

/// The schedules of each situation, unless the variable says otherwise.
const SCHEDULES: u64 = 1_000;

/// A check within the budget. Operations on atomics count as choice points.
fn budget() -> Explore {
    let asked = env::var("BRIGADE_EXPLORE_SCHEDULES").ok();
    let schedules = asked.map_or(SCHEDULES, |text| text.parse().expect("a number of schedules"));
    Explore::new().schedules(schedules)
}

fn demand(verdict: Verdict) {
    // A line of the output of a long run says how much it was.
    println!("{:?}", verdict.expect_pass());
}

/// Checks a future on a runtime with two workers.
fn tasks<F: Future<Output = ()> + 'static>(future: impl Fn() -> F + Send + Sync + 'static) {
    demand(budget().workers(2).explore(future));
}

/// Checks code that makes its own pools.
fn threads(code: impl Fn() + Send + Sync + 'static) {
    demand(budget().explore_threads(code));
}
