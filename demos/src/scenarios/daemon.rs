//! `brigade daemon`: a thread that nobody waits for ends with main, in the middle of its work.

use crate::{
    recorded::sleep,
    scenario::{CommandError, Exit, Scenario, no_arguments},
    show::{Output, worker_name},
};
use brigade_pool::Pool;
use clap::ArgMatches;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// How many steps the daemon would take.
const STEPS: usize = 20;

/// Added to the count of steps when main ends, so that the daemon sees it.
const MAIN_ENDED: usize = usize::MAX / 2;

/// The scenario.
pub static SCENARIO: Scenario = Scenario {
    name: "daemon",
    about: "A daemon ends with main, and its unfinished work is named",
    idea: "The threads of the global pool belong to nobody. They end when the process does, wherever they are. Work that \
           must be finished needs somebody who joins it.",
    made_by: &["pool/src/pool.rs::global", "handle/src/join_handle.rs::is_finished"],
    examples: &["daemon"],
    takes_speed: true,
    takes_workers: false,
    arguments: no_arguments,
    show,
};

fn show(output: &Output, _: &ArgMatches) -> Result<Exit, CommandError> {
    let done = Arc::new(AtomicUsize::new(0));
    let (ours, theirs) = (output.clone(), done.clone());
    // --code from here
    let handle = Pool::global().spawn(move || work(&ours, &theirs));
    sleep(output.delay(1.25));
    let finished = handle.is_finished();
    let done = done.fetch_add(MAIN_ENDED, Ordering::Relaxed);
    output.event("main", "is over, and waits for nobody");
    // --code to here
    if finished || done >= STEPS {
        output.lesson("The daemon came to its end before main did. Main would not have waited for it.");
    } else {
        output.event("main", format_args!("unfinished: the daemon's steps {} to {STEPS}", done + 1));
        output.lesson("The daemon did not get to its end. Give a daemon only work that nobody misses.");
    }
    Ok(Exit::SUCCESS)
}

// --code from here
/// The daemon.
fn work(output: &Output, done: &AtomicUsize) {
    for step in 1..=STEPS {
        sleep(output.delay(0.5));
        // Usually the end of the process stops the daemon. When other
        // scenarios follow, this does.
        if done.fetch_add(1, Ordering::Relaxed) >= MAIN_ENDED {
            return;
        }
        let what = format!("step {step} of {STEPS}");
        output.event(&worker_name(), what);
    }
}
// --code to here
