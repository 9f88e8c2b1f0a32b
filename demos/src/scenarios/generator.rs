//! `brigade generator`: an async function that yields, and a loop that awaits each value.

use crate::{
    scenario::{Exit, Scenario, no_arguments},
    show::Stage,
};
use brigade_runtime::{Yielder, generator, run, sleep};

/// The scenario.
pub static SCENARIO: Scenario = Scenario {
    name: "generator",
    about: "An async generator, and the loop that awaits each value",
    idea: "A generator is a function that stops in the middle, twice over: at a `yield_` until the next value is asked for, \
           and at an `.await` until it is woken. It runs inside the one who asks, so nothing is computed ahead and \
           nothing is shared.",
    made_by: &[
        "runtime/src/generator.rs::generator",
        "runtime/src/generator.rs::poll_next",
        "runtime/src/generator.rs::yield_",
    ],
    arguments: no_arguments,
    run: |stage, _| {
        run(async {
            let mut numbers = generator(|yielder| countdown(stage, yielder));
            stage.event("main", "the generator is made, and has not begun");
            while let Some(n) = numbers.next().await {
                stage.event("main", n);
            }
            stage.event("main", "None: it has returned");
        });
        stage.seen(
            "Each number was yielded only when it was asked for, and the second between two of them was awaited inside the \
             generator: the loop does not know of it.",
        );
        Ok(Exit::FINE)
    },
};

async fn countdown(stage: &Stage, mut yielder: Yielder<u32>) {
    for n in (1..=3).rev() {
        stage.event("countdown", format_args!("yields {n}"));
        yielder.yield_(n).await;
        stage.event("countdown", "is asked for more: sleeps");
        sleep(stage.delay(1.0)).await;
    }
}
