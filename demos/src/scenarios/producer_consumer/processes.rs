//! Between processes: the queue lies in the parent, and its two ends are calls into two children.
//!
//! Python's `multiprocessing.Manager` works the same way. The consumer is the slower one here, so the queue
//! fills up and the producer has to wait.

use super::ITEMS;
use crate::{
    interrupt::Interruptible,
    pools,
    scenario::{CommandError, failed},
    show::Output,
};
use brigade_handle::JoinError;
use brigade_runtime::{run, spawn_local, sync::Queue};
use std::{
    process,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread::sleep,
    time::Duration,
};

/// How many items wait in the queue at most.
const QUEUE_CAPACITY: usize = 2;

/// Lets one child produce and another consume. Returns how many items were consumed.
pub(super) fn produce_and_consume(output: &Output) -> Result<u32, CommandError> {
    output.line("");
    output.line(format_args!(
        "between processes: room for {QUEUE_CAPACITY} in the queue, and a slower consumer"
    ));
    let start = || pools::processes(1).map_err(failed("cannot start a process"));
    let (producer, consumer) = (start()?, start()?);
    let (queue, ours) = (Arc::new(Queue::bounded(QUEUE_CAPACITY)), output.clone());
    let counted = run(async {
        let theirs = queue.clone();
        let producing = spawn_local(async move {
            let produced = produce(&ours, &theirs, &producer).await;
            // Also after a failure, so that the consumer does not wait for an item that never comes.
            theirs.put(None).await;
            producer.shutdown();
            produced
        });
        // If this fails, the end of `run` drops the producing task.
        let counted = consume(output, &queue, &consumer).await?;
        producing.await??;
        Ok::<_, JoinError>(counted)
    });
    consumer.shutdown();
    counted.map_err(failed("a child"))
}

/// Has each item made in one child.
async fn produce(
    output: &Output,
    queue: &Queue<Option<u32>>,
    child: &Interruptible,
) -> Result<(), JoinError> {
    for item in 0..ITEMS {
        let pid = child.with(|child| child.spawn(|_| process::id(), item)).await?;
        let full = if queue.len() == QUEUE_CAPACITY { ": the queue is full, it waits" } else { "" };
        output.event(&format!("pid {pid}"), format_args!("Produced {item}{full}"));
        queue.put(Some(item)).await;
    }
    Ok(())
}

/// Has each item used in another child, which counts them. The child takes the sentinel too, and answers with
/// the count.
async fn consume(
    output: &Output,
    queue: &Queue<Option<u32>>,
    child: &Interruptible,
) -> Result<u32, JoinError> {
    loop {
        let (item, pause) = (queue.get().await, output.delay(0.5));
        let (pid, count) = child.with(|child| child.spawn(consume_in_child, (item, pause))).await?;
        queue.task_done();
        let who = format!("pid {pid}");
        match item {
            Some(item) => output.event(&who, format_args!("Consumed {item}")),
            None => {
                output.event(&who, "None: no more");
                return Ok(count);
            }
        }
    }
}

/// Runs in the consumer's process.
fn consume_in_child((item, pause): (Option<u32>, Duration)) -> (u32, u32) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    if item.is_some() {
        sleep(pause);
        COUNT.fetch_add(1, Ordering::Relaxed);
    }
    (process::id(), COUNT.load(Ordering::Relaxed))
}
