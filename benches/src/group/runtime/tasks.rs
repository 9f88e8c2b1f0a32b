//! Tasks that only exist, wait for one another, or yield.
//!
//! Where tasks talk, they use tokio's channels on all runtimes, so that only the scheduling differs.

use super::executor::{Runtime, Spawner, Threads};
use crate::bench::{Side, timed};
use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::sync::{mpsc, oneshot};

const SPAWNS: usize = 10_000;
const CHAIN_TASKS: usize = 1000;
const DEFAULT_PAIRS: usize = 1000;
const RING_TASKS: usize = 300;
const RING_ROUNDS: usize = 100;
const YIELDERS: usize = 200;
const YIELDS_PER_TASK: usize = 1000;

/// Spawns 10,000 tasks from the future of `block_on`, and awaits them all.
pub(crate) fn spawn_join<R: Runtime>(threads: Threads) -> Side {
    let runtime = R::start(threads);
    timed(SPAWNS as u64, move |iterations| {
        runtime.block_on(repeat(iterations, runtime.spawner(), spawn_and_join));
    })
}

/// Does the same from inside a task.
pub(crate) fn spawn_join_worker<R: Runtime>(threads: Threads) -> Side {
    let runtime = R::start(threads);
    timed(SPAWNS as u64, move |iterations| {
        let spawner = runtime.spawner();
        runtime.block_on(runtime.spawn(repeat(iterations, spawner, spawn_and_join)));
    })
}

/// Does the same from a thread that is not the runtime's. The workers have nothing else to do.
pub(crate) fn spawn_join_remote<R: Runtime>(threads: Threads) -> Side {
    let runtime = R::start(threads);
    timed(SPAWNS as u64, move |iterations| {
        for _ in 0..iterations {
            let tasks: Vec<_> = (0..SPAWNS).map(|number| runtime.spawn(async move { number })).collect();
            let sum = runtime.block_on(async {
                let mut sum = 0;
                for task in tasks {
                    sum += task.await;
                }
                sum
            });
            assert_eq!(black_box(sum), SPAWNS * (SPAWNS - 1) / 2);
        }
    })
}

async fn repeat<I: Spawner, F: Future<Output = ()>>(iterations: u64, spawner: I, work: impl Fn(I) -> F) {
    for _ in 0..iterations {
        work(spawner.clone()).await;
    }
}

async fn spawn_and_join(spawner: impl Spawner) {
    let tasks: Vec<_> = (0..SPAWNS).map(|number| spawner.spawn(async move { number })).collect();
    let mut sum = 0;
    for task in tasks {
        sum += task.await;
    }
    assert_eq!(black_box(sum), SPAWNS * (SPAWNS - 1) / 2);
}

/// Runs a chain of 1,000 tasks, each of which spawns the next.
pub(crate) fn chain<R: Runtime>(threads: Threads) -> Side {
    fn link<I: Spawner>(spawner: I, left: usize, done: oneshot::Sender<()>) {
        if left == 0 {
            done.send(()).expect("the end of the chain is awaited");
        } else {
            let next = spawner.clone();
            spawner.detach(async move { link(next, left - 1, done) });
        }
    }
    on_worker::<R, _>(threads, CHAIN_TASKS, async |spawner| {
        let (done, end) = oneshot::channel();
        link(spawner, CHAIN_TASKS, done);
        end.await.expect("the chain comes to its end");
    })
}

/// Runs 1,000 pairs of tasks. The first task of a pair spawns the second, sends it a message and gets one
/// back.
pub(crate) fn ping_pong<R: Runtime>(threads: Threads) -> Side {
    on_worker::<R, _>(threads, DEFAULT_PAIRS, async |spawner| {
        let (done, end) = oneshot::channel();
        let done = Arc::new((AtomicUsize::new(DEFAULT_PAIRS), std::sync::Mutex::new(Some(done))));
        for _ in 0..DEFAULT_PAIRS {
            let (partner, done) = (spawner.clone(), done.clone());
            spawner.detach(async move {
                let (ping, pinged) = oneshot::channel();
                let (pong, ponged) = oneshot::channel();
                partner.detach(async move {
                    pinged.await.expect("the ping comes");
                    pong.send(()).expect("the pong is awaited");
                });
                ping.send(()).expect("the ping is awaited");
                ponged.await.expect("the pong comes");
                // AcqRel: the last pair's end comes after the others'.
                if done.0.fetch_sub(1, Ordering::AcqRel) == 1 {
                    let done = done.1.lock().expect("no holder panics").take();
                    done.expect("there is one last pair").send(()).expect("the end is awaited");
                }
            });
        }
        end.await.expect("the last pair ends");
    })
}

/// Sends a token round a ring of 300 tasks, a hundred times. Times are per hop.
pub(crate) fn ring<R: Runtime>(threads: Threads) -> Side {
    on_worker::<R, _>(threads, RING_TASKS * RING_ROUNDS, async |spawner| {
        let (first, mut from) = mpsc::channel::<usize>(1);
        let mut tasks = Vec::with_capacity(RING_TASKS);
        for _ in 1..RING_TASKS {
            let (to, next) = mpsc::channel(1);
            let mut own = std::mem::replace(&mut from, next);
            tasks.push(spawner.spawn(async move {
                while let Some(token) = own.recv().await {
                    to.send(token + 1).await.expect("the next in the ring lives longer");
                }
            }));
        }
        for _ in 0..RING_ROUNDS {
            first.send(1).await.expect("the ring is closed");
            assert_eq!(from.recv().await, Some(RING_TASKS));
        }
        drop(first);
        for task in tasks {
            task.await;
        }
    })
}

/// Runs 200 tasks that yield 1,000 times each.
pub(crate) fn yields<R: Runtime>(threads: Threads) -> Side {
    on_worker::<R, _>(threads, YIELDERS * YIELDS_PER_TASK, async |spawner| {
        let yielder = || async {
            for _ in 0..YIELDS_PER_TASK {
                <R::Spawner as Spawner>::yield_now().await;
            }
        };
        let tasks: Vec<_> = (0..YIELDERS).map(|_| spawner.spawn(yielder())).collect();
        for task in tasks {
            task.await;
        }
    })
}

/// Makes a side whose work runs in `block_on`, and is `ops` operations each time.
fn on_worker<R: Runtime, W: AsyncFn(R::Spawner) + 'static>(threads: Threads, ops: usize, work: W) -> Side {
    let runtime = R::start(threads);
    timed(ops as u64, move |iterations| {
        runtime.block_on(async {
            for _ in 0..iterations {
                work(runtime.spawner()).await;
            }
        });
    })
}
