//! `brigade queue`: a producer and an endless consumer on a queue, all of it under a timeout.

use crate::{
    scenario::{Exit, Scenario, no_arguments},
    show::Output,
};
use brigade_runtime::{gather, run, sleep, sync::Queue, timeout};
use std::{cell::Cell, future::Future, pin::Pin};

const ITEMS: u32 = 5;
/// How many items wait in the queue at most; the document's queue has no bound.
const QUEUE_CAPACITY: usize = 2;

/// The scenario.
pub static SCENARIO: Scenario = Scenario {
    name: "queue",
    about: "A producer, an endless consumer, a queue, and a timeout",
    idea: "Waiting at the queue suspends the task and not the thread: `get` until there is an item, `put` until there is room. \
           The consumer never returns, so neither does the gather of both; the timeout drops it, and with it the `get` that \
           the consumer stands in. `task_done` counts what is dealt with, and `join` waits for the count.",
    made_by: &[
        "runtime/src/sync/queue.rs::put",
        "runtime/src/sync/queue.rs::get",
        "runtime/src/sync/line.rs::grant",
        "runtime/src/time/timeout.rs::timeout",
    ],
    arguments: no_arguments,
    run: |output, _| {
        let queue = Queue::bounded(QUEUE_CAPACITY);
        let most = Cell::new(0);
        let in_time = run(async {
            let both: [Pin<Box<dyn Future<Output = ()>>>; 2] =
                [Box::pin(produce(output, &queue, &most)), Box::pin(consume(output, &queue))];
            timeout(output.delay(3.0), gather(both)).await.is_ok()
        });
        if in_time {
            return Ok(Exit::FAILURE);
        }
        output.event("timeout", "the time is up: it drops the gather, and so the consumer");
        output.event("queue", format_args!("{} waiting, {} not done", queue.len(), queue.unfinished()));
        let pace = match most.get() {
            0 | 1 => "Each item was consumed before the next was produced, since the consumer is the quicker of the two: it waits.".into(),
            most => format!("Up to {most} items were not done at a time: the consumer got its turn late."),
        };
        let rest = match queue.unfinished() {
            0 => "nothing was left undone".into(),
            rest => format!("{rest} not done were left"),
        };
        output.lesson(&format!(
            "{pace} It did not end by itself: the timeout cancelled it where it waited, and {rest}."
        ));
        Ok(Exit::SUCCESS)
    },
};

/// `most` is how many items were not done at a time.
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
        queue.task_done();
        output.event("consumer", format_args!("Consumed {item}, {} not done", queue.unfinished()));
    }
}
