//! `brigade run`: what is left over when the main future ends.

use crate::{
    scenario::{CommandError, Exit, Scenario, no_arguments},
    show::Output,
};
use brigade_runtime::{run, sleep, spawn, yield_now};
use clap::ArgMatches;
use std::time::Duration;

/// The scenario.
pub static SCENARIO: Scenario = Scenario {
    name: "run",
    about: "run cancels what is left over, and it can run again",
    idea: "`run` returns when its future is ready. Before it returns it cancels the tasks that are left over and drops \
           everything that they own, as asyncio.run does. So nothing is left over for the next run.",
    made_by: &["runtime/src/run.rs::run"],
    examples: &["run"],
    takes_speed: false,
    takes_workers: false,
    arguments: no_arguments,
    show,
};

fn show(output: &Output, _: &ArgMatches) -> Result<Exit, CommandError> {
    let ours = output.clone();
    // --code from here
    run(async move {
        let theirs = ours.clone();
        drop(spawn(async move {
            let _guard = Destructor(theirs.clone());
            theirs.event("leftover", "sleeps for an hour");
            sleep(Duration::from_secs(3600)).await;
        }));
        yield_now().await;
        ours.event("main", "Hello Async");
    });
    // --code to here
    output.event("main", "run has returned");
    let answer = run(async { 42 });
    output.event("main", format_args!("a second run works: {answer}"));
    output.lesson(
        "The destructor of the leftover task ran before run returned, although nobody had waited for that task.",
    );
    Ok(Exit::SUCCESS)
}

/// Reports when it is dropped.
struct Destructor(Output);

impl Drop for Destructor {
    fn drop(&mut self) {
        self.0.event("leftover", "is cancelled: its destructor runs");
    }
}
