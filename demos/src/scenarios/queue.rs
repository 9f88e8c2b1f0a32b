//! `brigade queue`: a producer and an endless consumer on a queue, all of it under a timeout.

use crate::{
    scenario::{Exit, Scenario, no_arguments},
    show::Stage,
};
use brigade_runtime::{gather, run, sleep, sync::Queue, timeout};
use std::{cell::Cell, future::Future, pin::Pin};

const ITEMS: u32 = 5;
/// How many items wait in the queue at most; the document's queue has no bound.
const ROOM: usize = 2;

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
    run: |stage, _| {
        let queue = Queue::bounded(ROOM);
        let most = Cell::new(0);
        let in_time = run(async {
            let both: [Pin<Box<dyn Future<Output = ()>>>; 2] =
                [Box::pin(produce(stage, &queue, &most)), Box::pin(consume(stage, &queue))];
            timeout(stage.delay(3.0), gather(both)).await.is_ok()
        });
        if in_time {
            return Ok(Exit::FAILED);
        }
        stage.event("timeout", "the time is up: it drops the gather, and so the consumer");
        stage.event("queue", format_args!("{} waiting, {} not done", queue.len(), queue.unfinished()));
        let pace = match most.get() {
            0 | 1 => "Each item was consumed before the next was produced, since the consumer is the quicker of the two: it waits.".into(),
            most => format!("Up to {most} items were not done at a time: the consumer got its turn late."),
        };
        let rest = match queue.unfinished() {
            0 => "nothing was left undone".into(),
            rest => format!("{rest} not done were left"),
        };
        stage.seen(&format!(
            "{pace} It did not end by itself: the timeout cancelled it where it waited, and {rest}."
        ));
        Ok(Exit::FINE)
    },
};

/// `most` is how many items were not done at a time.
async fn produce(stage: &Stage, queue: &Queue<u32>, most: &Cell<usize>) {
    for item in 0..ITEMS {
        queue.put(item).await;
        most.set(most.get().max(queue.unfinished()));
        stage.event("producer", format_args!("Produced {item}"));
        sleep(stage.delay(0.5)).await;
    }
    queue.join().await;
    stage.event("producer", "ends: join says that each item is done");
}

async fn consume(stage: &Stage, queue: &Queue<u32>) {
    loop {
        let item = queue.get().await;
        queue.task_done();
        stage.event("consumer", format_args!("Consumed {item}, {} not done", queue.unfinished()));
    }
}
