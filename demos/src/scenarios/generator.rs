//! `brigade generator`: an async function that yields, and a loop that awaits each value.

use crate::{
    scenario::{CommandError, Exit, Scenario, no_arguments},
    show::Output,
};
use brigade_runtime::{Yielder, generator, run, sleep};
use clap::ArgMatches;

/// The scenario.
pub static SCENARIO: Scenario = Scenario {
    name: "generator",
    about: "An async generator, and the loop that awaits each value",
    idea: "A generator is a function that stops in the middle in two ways: at a `yield_` until the next value is asked for, \
           and at an `.await` until it is woken. It runs inside the task that asks, so it computes nothing ahead and shares \
           nothing.",
    made_by: &[
        "runtime/src/combine/generator.rs::generator",
        "runtime/src/combine/generator.rs::poll_next",
        "runtime/src/combine/generator.rs::yield_",
    ],
    examples: &["generator"],
    takes_speed: true,
    takes_workers: false,
    arguments: no_arguments,
    show,
};

fn show(output: &Output, _: &ArgMatches) -> Result<Exit, CommandError> {
    // --code from here
    run(async {
        let mut numbers = generator(|yielder| countdown(output, yielder));
        output.event("main", "the generator is made, and has not begun");
        while let Some(n) = numbers.next().await {
            output.event("main", n);
        }
        output.event("main", "None: it has returned");
    });
    // --code to here
    output.lesson(
        "The generator yielded each number only when the loop asked for it. It awaited the second between two numbers by \
         itself: the loop knows nothing of it.",
    );
    Ok(Exit::SUCCESS)
}

// --code from here
async fn countdown(output: &Output, mut yielder: Yielder<u32>) {
    for n in (1..=3).rev() {
        output.event("countdown", format_args!("yields {n}"));
        yielder.yield_(n).await;
        output.event("countdown", "is asked for more: sleeps");
        sleep(output.delay(1.0)).await;
    }
}
// --code to here
