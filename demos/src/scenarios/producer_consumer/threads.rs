//! Between threads: the queue blocks the thread that finds it empty.

use crate::{
    recorded::sleep,
    scenario::{CommandError, failed},
    show::{Output, worker_name},
};
use brigade_pool::{Pool, queue::Queue};
use brigade_trace::{current, label};
use std::sync::Arc;

/// Lets one thread produce this many items and another consume them. Returns how many were consumed.
pub(super) fn produce_and_consume(output: &Output, items: u32) -> Result<u32, CommandError> {
    output.line("between threads");
    let pool = Pool::builder().threads(2).name("worker").build().map_err(failed("cannot start threads"))?;
    let queue = Arc::new(Queue::unbounded());
    let (ours, theirs) = (output.clone(), queue.clone());
    let consumer = pool.spawn(move || {
        label(current(), || "consumer".into());
        consume(&ours, &theirs)
    });
    let (ours, theirs) = (output.clone(), queue.clone());
    let producer = pool.spawn(move || {
        label(current(), || "producer".into());
        produce(&ours, &theirs, items);
    });
    producer.join().map_err(failed("the producer"))?;
    let consumed = consumer.join().map_err(failed("the consumer"))?;
    queue.join();
    pool.shutdown();
    Ok(consumed)
}

// --code from here
fn produce(output: &Output, queue: &Queue<Option<u32>>, items: u32) {
    for item in 0..items {
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
// --code to here
