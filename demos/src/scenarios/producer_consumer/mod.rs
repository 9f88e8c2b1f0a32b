//! `brigade producer-consumer`: one makes, one uses, a queue between them, and a sentinel at the end.

mod processes;
mod threads;

use crate::{
    scenario::{CommandError, Exit, Scenario, no_arguments},
    show::Output,
};
use clap::ArgMatches;

/// How many items are produced each time.
const ITEMS: u32 = 5;

/// The scenario.
pub static SCENARIO: Scenario = Scenario {
    name: "producer-consumer",
    about: "A queue with a sentinel: between threads, and processes",
    idea: "The queue lets each side go at its own pace: the quicker side waits. A sentinel that is no item, here None, tells \
           the consumer that nothing more will come. Between processes the queue lies in the parent, and its two ends are \
           calls: one child makes the items, another one uses them.",
    made_by: &[
        "pool/src/blocking/queue.rs::put",
        "pool/src/blocking/queue.rs::get",
        "process/src/front/pool.rs::spawn",
        "runtime/src/sync/queue.rs::put",
    ],
    examples: &["producer-consumer"],
    takes_speed: true,
    takes_workers: false,
    arguments: no_arguments,
    show,
};

fn show(output: &Output, _: &ArgMatches) -> Result<Exit, CommandError> {
    let of_threads = threads::produce_and_consume(output)?;
    let of_processes = processes::produce_and_consume(output)?;
    output.lesson(&format!(
        "{of_threads} items went between threads and {of_processes} between processes, in the order in which they were made. \
         Each consumer ended by itself, at the sentinel. Without one it would wait for the next item for ever.",
    ));
    Ok(Exit::SUCCESS)
}
