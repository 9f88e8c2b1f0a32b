//! `brigade thread`: start a thread, and wait for it.

use crate::{
    recorded::sleep,
    scenario::{CommandError, Exit, Scenario, failed, no_arguments},
    show::{Output, worker_name},
};
use brigade_pool::Pool;
use clap::ArgMatches;

/// The scenario.
pub static SCENARIO: Scenario = Scenario {
    name: "thread",
    about: "Start a thread; join waits for it",
    idea: "A job runs on another thread while this thread goes on. `join` waits for the job to end and returns its result.",
    made_by: &["pool/src/job/spawn.rs::spawn", "handle/src/join_handle.rs::join"],
    examples: &["thread"],
    takes_speed: true,
    takes_workers: false,
    arguments: no_arguments,
    show,
};

fn show(output: &Output, _: &ArgMatches) -> Result<Exit, CommandError> {
    let pool = Pool::builder().threads(1).name("worker").build().map_err(failed("cannot start a thread"))?;
    let ours = output.clone();
    // --code from here
    output.event("main", "starts the thread");
    let handle = pool.spawn(move || {
        ours.event(&worker_name(), "Running in a thread");
        sleep(ours.delay(1.0));
        ours.event(&worker_name(), "done");
        42
    });
    output.event("main", "goes on, and joins");
    let answer = handle.join().map_err(failed("the thread"))?;
    // --code to here
    output.event("main", format_args!("has joined, and has the result: {answer}"));
    pool.shutdown();
    output.lesson("Main went on while the thread ran. join returned only after the thread was done.");
    Ok(Exit::SUCCESS)
}
