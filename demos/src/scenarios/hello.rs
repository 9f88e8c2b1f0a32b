//! `brigade hello`: what `asyncio.run(say_hello())` does, seen from ten thousand feet.

use crate::{
    scenario::{CommandError, Exit, Scenario, failed, no_arguments},
    show::{Output, show_phases},
};
use brigade_runtime::{run, sleep, spawn_local};
use brigade_trace::{Session, current, label};
use clap::ArgMatches;

/// The scenario.
pub static SCENARIO: Scenario = Scenario {
    name: "hello",
    about: "Hello, a second, World: the phases of run, from the trace",
    idea: "An async function is a state machine. `run` creates it and polls it until it suspends. Then `run` sleeps until \
           something wakes the state machine, polls it again, and closes it when it is ready.",
    made_by: &[
        "runtime/src/run.rs::run",
        "runtime/src/time/sleep.rs::sleep",
        "runtime/src/task/state.rs::wake",
    ],
    examples: &["hello"],
    takes_speed: true,
    takes_workers: false,
    arguments: no_arguments,
    show,
};

fn show(output: &Output, _: &ArgMatches) -> Result<Exit, CommandError> {
    let recording = Session::start(4096).map_err(failed("cannot trace"))?;
    let ours = output.clone();
    // --code from here
    run(async move {
        let _ = spawn_local(say_hello(ours)).await;
    });
    // --code to here
    show_phases(output, &recording.stop());
    output.lesson(
        "While say_hello waited it was suspended, and no thread ran it. The timer woke it; only then was it polled again.",
    );
    Ok(Exit::SUCCESS)
}

// --code from here
async fn say_hello(output: Output) {
    label(current(), || "say_hello".into());
    output.event("say_hello", "Hello");
    sleep(output.delay(1.0)).await;
    output.event("say_hello", "World");
}
// --code to here
