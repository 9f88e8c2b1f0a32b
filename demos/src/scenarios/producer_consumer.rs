//! `brigade producer-consumer`: one makes, one uses, a queue between them, and a sentinel at the end.

use crate::{
    interrupt::Guarded,
    scenario::{Exit, Scenario, Trouble, no_arguments},
    show::{Stage, worker},
};
use brigade_handle::JoinError;
use brigade_pool::{Pool, queue::Queue};
use brigade_runtime::{run, spawn_local, sync};
use std::{
    process,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread::sleep,
    time::Duration,
};

const ITEMS: u32 = 5;
/// How many items wait between the processes at most.
const ROOM: usize = 2;

/// The scenario.
pub static SCENARIO: Scenario = Scenario {
    name: "producer-consumer",
    about: "A queue with a None sentinel, between threads and between processes",
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
    run: |stage, _| {
        stage.line("between threads");
        let pool = Pool::builder().threads(2).name("worker").build();
        let pool = pool.map_err(|error| Trouble::failed("cannot start threads", error))?;
        let queue = Arc::new(Queue::unbounded());
        let (ours, theirs) = (stage.clone(), queue.clone());
        let consumer = pool.spawn(move || consume(&ours, &theirs));
        let (ours, theirs) = (stage.clone(), queue.clone());
        let producer = pool.spawn(move || produce(&ours, &theirs));
        producer.join().map_err(|error| Trouble::failed("the producer", error))?;
        let consumed = consumer.join().map_err(|error| Trouble::failed("the consumer", error))?;
        queue.join();
        pool.shutdown();
        let counted = between_processes(stage)?;
        stage.seen(&format!(
            "{consumed} items between threads, {counted} between processes, in the order in which they were made, and each \
             consumer ended by itself, at the sentinel. The document's program has none: its consumer never ends.",
        ));
        Ok(Exit::FINE)
    },
};

fn produce(stage: &Stage, queue: &Queue<Option<u32>>) {
    for item in 0..ITEMS {
        stage.event(&worker(), format_args!("Produced {item}"));
        queue.put(Some(item));
        sleep(stage.delay(1.0));
    }
    queue.put(None);
}

fn consume(stage: &Stage, queue: &Queue<Option<u32>>) -> u32 {
    let mut consumed = 0;
    while let Some(item) = queue.get() {
        stage.event(&worker(), format_args!("Consumed {item}"));
        consumed += 1;
        queue.task_done();
    }
    stage.event(&worker(), "None: no more");
    queue.task_done();
    consumed
}

/// Two children, and the queue between them in this process, as with Python's `multiprocessing.Manager`: both its ends
/// are calls. The consumer is the slower one here, so the queue fills up and the producer has to wait.
fn between_processes(stage: &Stage) -> Result<u32, Trouble> {
    stage.line("");
    stage.line(format_args!("between processes: room for {ROOM} in the queue, and a slower consumer"));
    let start = || Guarded::start(1).map_err(|error| Trouble::failed("cannot start a process", error));
    let (producer, consumer) = (start()?, start()?);
    let (queue, ours) = (Arc::new(sync::Queue::bounded(ROOM)), stage.clone());
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
        let counted = drain(stage, &queue, &consumer).await?;
        feeding.await??;
        Ok::<_, JoinError>(counted)
    });
    consumer.shutdown();
    counted.map_err(|error| Trouble::failed("a child", error))
}

/// Each item is made in one child …
async fn feed(stage: &Stage, queue: &sync::Queue<Option<u32>>, child: &Guarded) -> Result<(), JoinError> {
    for item in 0..ITEMS {
        let pid = child.with(|child| child.spawn(|_| process::id(), item)).await?;
        let full = if queue.len() == ROOM { ": the queue is full, it waits" } else { "" };
        stage.event(&format!("pid {pid}"), format_args!("Produced {item}{full}"));
        queue.put(Some(item)).await;
    }
    Ok(())
}

/// … and used in another, which counts; so is the sentinel, for which it gives the count.
async fn drain(stage: &Stage, queue: &sync::Queue<Option<u32>>, child: &Guarded) -> Result<u32, JoinError> {
    loop {
        let (item, pause) = (queue.get().await, stage.delay(0.5));
        let (pid, count) = child.with(|child| child.spawn(consume_in_child, (item, pause))).await?;
        queue.task_done();
        let who = format!("pid {pid}");
        match item {
            Some(item) => stage.event(&who, format_args!("Consumed {item}")),
            None => {
                stage.event(&who, "None: no more");
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
