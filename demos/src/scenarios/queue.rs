//! `brigade queue`: a producer and an endless consumer on a queue, all of it under a timeout.

use super::chain::Watched;
use crate::{
    scenario::{CommandError, Exit, Scenario, no_arguments},
    show::Output,
};
use brigade_runtime::{gather, run, sleep, sync::Queue, timeout};
use clap::ArgMatches;
use std::{cell::Cell, future::Future, pin::Pin};

const ITEMS: u32 = 5;

/// How many items wait in the queue at most; the document's queue has no bound.
const QUEUE_CAPACITY: usize = 2;

/// A future in a box, so that two of different types fit into one array.
type Boxed<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// The scenario.
pub static SCENARIO: Scenario = Scenario {
    name: "queue",
    about: "A producer, an endless consumer, a queue, and a timeout",
    idea: "A wait at the queue suspends the task and not the thread: `get` waits for an item, `put` waits for room. The \
           consumer never returns, so gathering it with the producer never ends either. The timeout drops the gather, and \
           with it the `get` in which the consumer waits. `task_done` counts the items that are dealt with; `join` waits \
           until all are.",
    made_by: &[
        "runtime/src/sync/queue.rs::put",
        "runtime/src/sync/queue.rs::get",
        "runtime/src/sync/wait_queue.rs::grant",
        "runtime/src/time/timeout.rs::timeout",
    ],
    examples: &["queue"],
    takes_speed: true,
    takes_workers: false,
    arguments: no_arguments,
    show,
};

fn show(output: &Output, _: &ArgMatches) -> Result<Exit, CommandError> {
    // --code from here
    let queue = Queue::bounded(QUEUE_CAPACITY);
    let unfinished_max = Cell::new(0);
    let in_time = run(async {
        let produce = produce(output, &queue, &unfinished_max);
        let produce = Watched::new("producer", produce);
        let consume = Watched::new("consumer", consume(output, &queue));
        let both: [Boxed<'_>; 2] = [Box::pin(produce), Box::pin(consume)];
        timeout(output.delay(3.0), gather(both)).await.is_ok()
    });
    // --code to here
    if in_time {
        return Ok(Exit::FAILURE);
    }
    output.event("timeout", "the time is up: it drops the gather, and so the consumer");
    output.event("queue", format_args!("{} waiting, {} not done", queue.len(), queue.unfinished()));
    output.lesson(&lesson(unfinished_max.get(), queue.unfinished()));
    Ok(Exit::SUCCESS)
}

fn lesson(unfinished_max: usize, left: usize) -> String {
    let pace = match unfinished_max {
        0 | 1 => "The consumer is quicker than the producer, so it consumed each item before the next one was produced, and \
                  waited in between."
            .into(),
        most => format!("At times {most} items were not done, because the consumer got its turn late."),
    };
    let rest = match left {
        0 => "nothing was left undone".into(),
        left => format!("{left} items were left undone"),
    };
    format!("{pace} It would have waited for ever: the timeout cancelled it where it waited, and {rest}.")
}

// --code from here
/// Keeps in `most` how many items were not done at a time.
async fn produce(output: &Output, queue: &Queue<u32>, most: &Cell<usize>) {
    for item in 0..ITEMS {
        queue.put(item).await;
        most.set(most.get().max(queue.unfinished()));
        output.event("producer", format_args!("Produced {item}"));
        sleep(output.delay(0.5)).await;
    }
    queue.join().await;
    output.event("producer", "ends: join says that each item is done");
}

async fn consume(output: &Output, queue: &Queue<u32>) {
    loop {
        let item = queue.get().await;
        let left = queue.unfinished();
        let consumed = format!("Consumed {item}, {left} not done");
        output.event("consumer", consumed);
        queue.task_done();
    }
}
// --code to here
