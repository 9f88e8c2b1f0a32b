//! `brigade producer-consumer`: one makes, one uses, a queue between them, and a sentinel at the end.

mod processes;

use crate::{
    scenario::{CommandError, Exit, Scenario, no_arguments},
    show::{Output, worker_name},
};
use brigade_pool::{Pool, queue::Queue};
use std::{sync::Arc, thread::sleep};

const ITEMS: u32 = 5;

/// The scenario.
pub static SCENARIO: Scenario = Scenario {
    name: "producer-consumer",
    about: "A queue with a sentinel: between threads, and processes",
    idea: "The queue lets each side go at its own pace: who is quicker waits. A sentinel that is no item, here None, tells the \
           consumer that nothing more will come. Between processes the queue lies in the parent, and its two ends are calls: \
           one child makes the items, another uses them.",
    made_by: &[
        "pool/src/queue.rs::put",
        "pool/src/queue.rs::get",
        "process/src/pool.rs::spawn",
        "runtime/src/sync/queue.rs::put",
    ],
    arguments: no_arguments,
    run: |output, _| {
        output.line("between threads");
        let pool = Pool::builder().threads(2).name("worker").build();
        let pool = pool.map_err(|error| CommandError::failed("cannot start threads", error))?;
        let queue = Arc::new(Queue::unbounded());
        let (ours, theirs) = (output.clone(), queue.clone());
        let consumer = pool.spawn(move || consume(&ours, &theirs));
        let (ours, theirs) = (output.clone(), queue.clone());
        let producer = pool.spawn(move || produce(&ours, &theirs));
        producer.join().map_err(|error| CommandError::failed("the producer", error))?;
        let consumed = consumer.join().map_err(|error| CommandError::failed("the consumer", error))?;
        queue.join();
        pool.shutdown();
        let counted = processes::between(output)?;
        output.lesson(&format!(
            "{consumed} items between threads, {counted} between processes, in the order in which they were made. Each \
             consumer ended by itself, at the sentinel; without one it would wait for a next item for ever.",
        ));
        Ok(Exit::SUCCESS)
    },
};

fn produce(output: &Output, queue: &Queue<Option<u32>>) {
    for item in 0..ITEMS {
        output.event(&worker_name(), format_args!("Produced {item}"));
        queue.put(Some(item));
        sleep(output.delay(1.0));
    }
    queue.put(None);
}

fn consume(output: &Output, queue: &Queue<Option<u32>>) -> u32 {
    let mut consumed = 0;
    while let Some(item) = queue.get() {
        output.event(&worker_name(), format_args!("Consumed {item}"));
        consumed += 1;
        queue.task_done();
    }
    output.event(&worker_name(), "None: no more");
    queue.task_done();
    consumed
}
