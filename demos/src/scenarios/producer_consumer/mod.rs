//! `brigade producer-consumer`: one makes, one uses, a queue between them, and a sentinel at the end.

mod channel;
mod processes;
mod threads;

use crate::{
    options::whole_number,
    scenario::{CommandError, Exit, Scenario},
    show::{Output, thousands},
};
use clap::{Arg, ArgMatches, Command};

/// The scenario.
pub static SCENARIO: Scenario = Scenario {
    name: "producer-consumer",
    about: "A queue with a sentinel: between threads, and processes",
    idea: "A bounded queue lets the quicker side go ahead only so far: then it waits. A sentinel that is no item, here None, \
           tells the consumer that nothing more will come. Threads share the queue. Between processes it is a connection: \
           the producer spends a permit on each item, and the consumer sends the permit back. Kill the producer meanwhile \
           (`--items 100`, `kill -9`): the end of the connection tells the consumer what no sentinel can.",
    made_by: &[
        "pool/src/blocking/queue.rs::put",
        "pool/src/blocking/queue.rs::get",
        "demos/src/scenarios/producer_consumer/channel.rs::put",
        "demos/src/scenarios/producer_consumer/channel.rs::get",
        "process/src/front/pool.rs::spawn",
    ],
    examples: &["producer-consumer"],
    takes_speed: true,
    takes_workers: false,
    arguments,
    show,
};

/// How a run has ended.
enum Outcome {
    /// The consumer has had this many items, and the sentinel.
    Complete(u32),
    /// The producer was lost, after the consumer had this many items.
    ProducerLost(u32),
    /// The consumer was lost.
    ConsumerLost,
}

fn arguments(command: Command) -> Command {
    let between = Arg::new("between")
        .value_name("BETWEEN")
        .value_parser(["threads", "processes"])
        .hide_possible_values(true);
    let items = Arg::new("items").long("items").value_name("N").default_value("5");
    let items =
        items.value_parser(|text: &str| whole_number::<u32>(text, 1_000_000)).allow_negative_numbers(true);
    command
        .arg(between.help("threads or processes (both, if you name none)"))
        .arg(items.help("How many items are produced"))
}

fn show(output: &Output, matches: &ArgMatches) -> Result<Exit, CommandError> {
    let items = matches.get_one("items").copied().unwrap_or(5);
    let between = matches.get_one::<String>("between").map(String::as_str);
    let mut lessons = Vec::new();
    let mut exit = Exit::SUCCESS;
    if between != Some("processes") {
        let consumed = threads::produce_and_consume(output, items)?;
        lessons.push(lesson_of("threads", consumed));
    }
    if between.is_none() {
        output.line("");
    }
    if between != Some("threads") {
        match processes::produce_and_consume(output, items)? {
            Outcome::Complete(consumed) => lessons.push(lesson_of("processes", consumed)),
            Outcome::ProducerLost(consumed) => {
                exit = Exit::FAILURE;
                lessons.push(format!(
                    "The producer was lost after {} had come through. It could send no sentinel, but its end closed the \
                     channel, and that told the consumer. The parent was told by the handle of the call.",
                    items_in_words(consumed)
                ));
            }
            Outcome::ConsumerLost => {
                exit = Exit::FAILURE;
                lessons.push(
                    "The consumer was lost. Its end closed the channel, and that told the producer, which would have \
                     waited for room for ever. The parent was told by the handle of the call."
                        .into(),
                );
            }
        }
    }
    if exit == Exit::SUCCESS {
        lessons.push("The consumer ended by itself, at the sentinel: without one it would wait for the next item for ever.".into());
    }
    output.lesson(&lessons.join(" "));
    Ok(exit)
}

fn lesson_of(between: &str, consumed: u32) -> String {
    format!("{} went between {between}, in the order in which they were made.", items_in_words(consumed))
}

fn items_in_words(count: u32) -> String {
    if count == 1 { "1 item".into() } else { format!("{} items", thousands(count.into())) }
}
