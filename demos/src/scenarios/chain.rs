//! `brigade chain`: one coroutine awaits another, and each is woken in turn.

use crate::{
    scenario::{CommandError, Exit, Scenario, failed, no_arguments},
    show::{Output, show_phases},
};
use brigade_runtime::{run, sleep, spawn_local};
use brigade_trace::{Session, current, label};
use clap::ArgMatches;

/// The scenario.
pub static SCENARIO: Scenario = Scenario {
    name: "chain",
    about: "print_number awaits get_number: the tree, and who woke whom",
    idea: "A task is woken by what it awaits. The timer wakes the inner task. The end of the inner task wakes the task that \
           joined it.",
    made_by: &["handle/src/signal.rs::complete", "runtime/src/executor/spawn.rs::spawn_local"],
    examples: &["chain"],
    arguments: no_arguments,
    show,
};

fn show(output: &Output, _: &ArgMatches) -> Result<Exit, CommandError> {
    output.line("print_number");
    output.line("└─ get_number");
    output.line("   └─ sleep(1)");
    output.line("");
    let session = Session::start(4096).map_err(failed("cannot trace"))?;
    let ours = output.clone();
    run(async move {
        let _ = spawn_local(print_number(ours)).await;
    });
    show_phases(output, &session.stop());
    output.lesson(
        "The timer woke get_number, and the end of get_number woke print_number: the chain unwinds from the inside.",
    );
    Ok(Exit::SUCCESS)
}

async fn get_number(output: Output) -> u32 {
    label(current(), || "get_number".into());
    sleep(output.delay(1.0)).await;
    42
}

async fn print_number(output: Output) {
    label(current(), || "print_number".into());
    // A task of its own, so that the trace shows both; `get_number(output).await` would be part of this task.
    if let Ok(number) = spawn_local(get_number(output.clone())).await {
        output.event("print_number", number);
    }
}
