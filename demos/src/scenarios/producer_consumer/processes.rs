//! Between processes: the queue lies in the parent, and its two ends are calls into two children.

use super::ITEMS;
use crate::{interrupt::Interruptible, pools, scenario::CommandError, show::Output};
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

/// Two children, and the queue between them in this process, as with Python's `multiprocessing.Manager`: both its ends
/// are calls. The consumer is the slower one here, so the queue fills up and the producer has to wait.
pub(super) fn between(output: &Output) -> Result<u32, CommandError> {
    output.line("");
    output.line(format_args!(
        "between processes: room for {QUEUE_CAPACITY} in the queue, and a slower consumer"
    ));
    let start = || pools::processes(1).map_err(|error| CommandError::failed("cannot start a process", error));
    let (producer, consumer) = (start()?, start()?);
    let (queue, ours) = (Arc::new(Queue::bounded(QUEUE_CAPACITY)), output.clone());
    let counted = run(async {
        let theirs = queue.clone();
        let feeding = spawn_local(async move {
            let fed = feed(&ours, &theirs, &producer).await;
            // Also after a failure: nobody shall wait for what does not come.
            theirs.put(None).await;
            producer.shutdown();
            fed
        });
        // If this fails, the end of `run` drops the task that feeds.
        let counted = drain(output, &queue, &consumer).await?;
        feeding.await??;
        Ok::<_, JoinError>(counted)
    });
    consumer.shutdown();
    counted.map_err(|error| CommandError::failed("a child", error))
}

/// Each item is made in one child …
async fn feed(output: &Output, queue: &Queue<Option<u32>>, child: &Interruptible) -> Result<(), JoinError> {
    for item in 0..ITEMS {
        let pid = child.with(|child| child.spawn(|_| process::id(), item)).await?;
        let full = if queue.len() == QUEUE_CAPACITY { ": the queue is full, it waits" } else { "" };
        output.event(&format!("pid {pid}"), format_args!("Produced {item}{full}"));
        queue.put(Some(item)).await;
    }
    Ok(())
}

/// … and used in another, which counts; so is the sentinel, for which it gives the count.
async fn drain(output: &Output, queue: &Queue<Option<u32>>, child: &Interruptible) -> Result<u32, JoinError> {
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
