//! `brigade run`: what is left over when the main future ends.

use crate::{
    scenario::{Exit, Scenario, no_arguments},
    show::Output,
};
use brigade_runtime::{run, sleep, spawn, yield_now};
use std::time::Duration;

/// The scenario.
pub static SCENARIO: Scenario = Scenario {
    name: "run",
    about: "run cancels what is left over, and it can run again",
    idea: "`run` returns when its future is ready. Tasks that are still there are dropped first, with everything that \
           they own, as asyncio.run cancels them; so nothing is left over for the next run.",
    made_by: &["runtime/src/block_on.rs::run"],
    arguments: no_arguments,
    run: |output, _| {
        let ours = output.clone();
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
        output.event("main", "run has returned");
        let answer = run(async { 42 });
        output.event("main", format_args!("a second run works: {answer}"));
        output.lesson("The leftover's destructor ran before run returned, though nobody had waited for it.");
        Ok(Exit::SUCCESS)
    },
};

/// Says when it is dropped.
struct Destructor(Output);

impl Drop for Destructor {
    fn drop(&mut self) {
        self.0.event("leftover", "is cancelled: its destructor runs");
    }
}
