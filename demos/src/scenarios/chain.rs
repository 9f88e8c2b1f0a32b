//! `brigade chain`: one coroutine awaits another, and who woke whom.

use crate::{
    scenario::{Exit, Scenario, Trouble, no_arguments},
    show::{Stage, phases},
};
use brigade_runtime::{run, sleep, spawn_local};
use brigade_trace::{Session, current, label};

/// The scenario.
pub static SCENARIO: Scenario = Scenario {
    name: "chain",
    about: "print_number awaits get_number: the tree, and who woke whom",
    idea: "Who awaits is woken by what it awaits. A timer wakes the innermost task; that one ends, and its end wakes the \
           task that joined it.",
    made_by: &["handle/src/signal.rs::complete", "runtime/src/spawn.rs::spawn_local"],
    arguments: no_arguments,
    run: |stage, _| {
        stage.line("print_number");
        stage.line("└─ get_number");
        stage.line("   └─ sleep(1)");
        stage.line("");
        let session = Session::start(4096).map_err(|error| Trouble::failed("cannot trace", error))?;
        let ours = stage.clone();
        run(async move {
            let _ = spawn_local(print_number(ours)).await;
        });
        phases(stage, &session.stop());
        stage.seen("The timer woke get_number; get_number's end woke print_number: the chain unwinds from the inside.");
        Ok(Exit::FINE)
    },
};

async fn get_number(stage: Stage) -> u32 {
    label(current(), || "get_number".into());
    sleep(stage.delay(1.0)).await;
    42
}

async fn print_number(stage: Stage) {
    label(current(), || "print_number".into());
    // A task of its own, so that each of the two can be seen; `get_number(stage).await` would be one task.
    if let Ok(number) = spawn_local(get_number(stage.clone())).await {
        stage.event("print_number", number);
    }
}
