//! Everything at once on both executors, for half a second, or for as many seconds as
//! `BRIGADE_STRESS_SECONDS` says: spawning, cancelling, timers, sockets, channels, groups, blocking calls,
//! and runtimes that come and go. A wake-up that is lost shows as a hang, work that is lost or done twice
//! as a wrong sum, and what is left behind as a count at the end.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use brigade_runtime::{
    Either, JoinError, JoinSet, Runtime, Until, as_completed,
    net::{TcpListener, TcpStream},
    race, select, sleep, spawn, spawn_blocking, sync, task_group, timeout, try_task_group, wait_for,
    yield_now,
};
use brigade_trace::clock;
use futures_util::{AsyncReadExt as _, AsyncWriteExt as _};
use std::{
    env,
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

const MS: Duration = Duration::from_millis(1);

/// Futures that are alive. None must be when all runtimes are gone.
static ALIVE: AtomicI64 = AtomicI64::new(0);

struct Alive;

impl Alive {
    fn new() -> Self {
        ALIVE.fetch_add(1, Ordering::Relaxed);
        Self
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn spawns(turn: u64) {
    let tasks: Vec<_> = (0..turn % 50)
        .map(|n| {
            let alive = Alive::new();
            spawn(async move {
                let _alive = alive;
                for _ in 0..n % 4 {
                    yield_now().await;
                }
                spawn(async move { n }).await.unwrap()
            })
        })
        .collect();
    let mut sum = 0;
    for task in tasks {
        sum += task.await.unwrap();
    }
    assert_eq!(sum, (0..turn % 50).sum());
}

async fn cancels(turn: u64) {
    let tasks: Vec<_> = (0..20)
        .map(|n| {
            let alive = Alive::new();
            spawn(async move {
                let _alive = alive;
                match n % 3 {
                    0 => pending().await,
                    1 => sleep(MS * (n % 5) as u32).await,
                    _ => yield_now().await,
                }
            })
        })
        .collect();
    if turn.is_multiple_of(2) {
        yield_now().await;
    }
    tasks.iter().step_by(3).for_each(|task| task.cancel());
    for (n, task) in tasks.into_iter().enumerate() {
        assert_eq!(task.await.is_err(), n % 3 == 0);
    }
}

async fn timers(turn: u64) {
    let naps = (0..30).map(|n| {
        let span = Duration::from_micros(n * turn % 4000);
        async move { timeout(span, sleep(MS * 2)).await.is_ok() }
    });
    let mut ended = as_completed(naps);
    let mut count = 0;
    while ended.next().await.is_some() {
        count += 1;
    }
    assert_eq!(count, 30);
    let mut timers: Vec<_> = (0..50).map(|n| Box::pin(sleep(MS * (n % 7)))).collect();
    for timer in &mut timers {
        let _ = timeout(Duration::ZERO, timer).await;
    }
}

async fn sockets(turn: u64) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let clients = 1 + turn % 4;
    let server = spawn(async move {
        let mut serving = JoinSet::new();
        for _ in 0..clients {
            let (mut stream, _) = listener.accept().await.unwrap();
            serving.spawn(async move {
                let _alive = Alive::new();
                let mut bytes = [0; 64];
                loop {
                    match stream.read(&mut bytes).await {
                        Ok(0) | Err(_) => break,
                        Ok(count) => stream.write_all(&bytes[..count]).await.unwrap(),
                    }
                }
            });
        }
        serving.join_all().await.len()
    });
    let clients = (0..clients).map(|_| {
        spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            for n in 0..10_u8 {
                stream.write_all(&[n; 8]).await.unwrap();
                let mut answer = [0; 8];
                stream.read_exact(&mut answer).await.unwrap();
                assert_eq!(answer, [n; 8]);
            }
            // A read that is given up must not swallow what comes later.
            assert!(timeout(MS, stream.read(&mut [0; 8])).await.is_err());
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    server.await.unwrap();
}

async fn queues(turn: u64) {
    let queue = Arc::new(sync::Queue::bounded(1 + turn as usize % 8));
    let sum = Arc::new(sync::Mutex::new(0));
    let getters: Vec<_> = (0..3)
        .map(|_| {
            let (queue, sum) = (queue.clone(), sum.clone());
            spawn(async move {
                loop {
                    let n: u64 = queue.get().await;
                    *sum.lock().await += n;
                    queue.task_done();
                }
            })
        })
        .collect();
    let putters: Vec<_> = (0..4)
        .map(|_| {
            let queue = queue.clone();
            spawn(async move {
                for n in 0..25 {
                    queue.put(n).await;
                }
            })
        })
        .collect();
    for putter in putters {
        putter.await.unwrap();
    }
    queue.join().await;
    assert_eq!(*sum.lock().await, 4 * (0..25).sum::<u64>());
    getters.iter().for_each(|getter| getter.cancel());
    for getter in getters {
        assert!(matches!(getter.await, Err::<(), _>(JoinError::Cancelled(_))));
    }
}

async fn groups(turn: u64) {
    let sum = Arc::new(AtomicU64::new(0));
    task_group(async |group| {
        for n in 0..turn % 20 {
            let (sum, inner) = (sum.clone(), group.clone());
            drop(group.spawn(async move {
                let _alive = Alive::new();
                yield_now().await;
                drop(inner.spawn(async move { _ = sum.fetch_add(n, Ordering::Relaxed) }));
            }));
        }
    })
    .await;
    assert_eq!(sum.load(Ordering::Relaxed), (0..turn % 20).sum());
    let failed: Result<(), u64> = try_task_group(async |group| {
        for n in 0..10 {
            drop(group.try_spawn(async move {
                let _alive = Alive::new();
                if n == turn % 10 { Err::<(), _>(n) } else { pending().await }
            }));
        }
        Ok(())
    })
    .await;
    assert_eq!(failed, Err(turn % 10));
}

async fn races(turn: u64) {
    let span = Duration::from_micros(turn % 2000);
    race((sleep(span), sleep(MS), async { spawn(sleep(MS)).await.unwrap() })).await;
    if let Either::Left(result) = select(spawn(sleep(span)), sleep(MS)).await {
        result.unwrap();
    }
    let tasks: Vec<_> = (0..10).map(|n| spawn(sleep(Duration::from_micros(n * 300)))).collect();
    let waited = wait_for(tasks, Until::FirstCompleted).await;
    waited.pending.iter().for_each(|(_, task)| task.cancel());
    assert_eq!(waited.done.len() + waited.pending.len(), 10);
    let (sender, receiver) = sync::oneshot::channel();
    drop(spawn(async move { _ = sender.send(turn) }));
    assert_eq!(receiver.await.ok(), Some(turn));
}

async fn blocking(turn: u64) {
    let calls: Vec<_> = (0..turn % 6).map(|n| spawn_blocking(move || n * n)).collect();
    let mut sum = 0;
    for call in calls {
        sum += call.await.unwrap();
    }
    assert_eq!(sum, (0..turn % 6).map(|n| n * n).sum());
}

async fn one(turn: u64) {
    match turn % 8 {
        0 => spawns(turn).await,
        1 => cancels(turn).await,
        2 => timers(turn).await,
        3 => sockets(turn).await,
        4 => queues(turn).await,
        5 => groups(turn).await,
        6 => races(turn).await,
        _ => blocking(turn).await,
    }
}

/// A task of a runtime that ends: whatever becomes of it, it does not panic.
async fn leaf(number: u64) {
    let _alive = Alive::new();
    match number % 6 {
        0 => sleep(Duration::from_micros(number % 3000)).await,
        1 => {
            for _ in 0..number % 100 {
                yield_now().await;
            }
        }
        2 => _ = spawn(sleep(MS)).await,
        3 => _ = spawn_blocking(|| ()).await,
        4 => {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let _ = select(listener.accept(), sleep(MS)).await;
        }
        _ => {
            task_group(async |group| {
                (0..5).for_each(|_| drop(group.spawn(sleep(MS))));
            })
            .await;
        }
    }
}

/// A runtime that ends in one of three ways while tasks of all kinds are under way.
fn life(turn: u64) {
    let runtime = match turn % 3 {
        0 => Runtime::current_thread().unwrap(),
        workers => Runtime::multi_thread(workers as usize).unwrap(),
    };
    let mut tasks: Vec<_> = (0..18).map(|n| runtime.spawn(leaf(31 * turn + n))).collect();
    if turn.is_multiple_of(2) {
        runtime.block_on(yield_now());
    }
    match turn / 3 % 3 {
        0 => {
            tasks.push(runtime.spawn(pending()));
            drop(runtime);
        }
        1 => runtime.shutdown(),
        _ => {
            tasks.push(runtime.spawn(pending()));
            assert!(runtime.shutdown_timeout(Duration::from_micros(turn % 5000)).is_err());
        }
    }
    for task in tasks {
        assert!(matches!(task.join(), Ok(()) | Err(JoinError::Cancelled(_))));
    }
}

fn descriptors() -> usize {
    std::fs::read_dir("/dev/fd").unwrap().count()
}

#[test]
fn everything_at_once_goes_well_on_both_executors() {
    let seconds = env::var("BRIGADE_STRESS_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(0.5);
    let (begin, time) = (clock::now(), Duration::from_secs_f64(seconds));
    let open = descriptors();
    let turns = AtomicU64::new(0);
    let multi = Runtime::multi_thread(2).unwrap();
    let drive = |runtime: &Runtime, first: u64| {
        let mut turn = first;
        while begin.elapsed() < time {
            let tasks: Vec<_> = (0..8).map(|n| runtime.spawn(one(turn + n))).collect();
            runtime.block_on(async {
                one(turn).await;
                for task in tasks {
                    task.await.unwrap();
                }
            });
            turn += 7;
            turns.fetch_add(9, Ordering::Relaxed);
        }
    };
    thread::scope(|threads| {
        threads.spawn(|| drive(&Runtime::current_thread().unwrap(), 0));
        threads.spawn(|| drive(&multi, 1000));
        threads.spawn(|| drive(&multi, 2000));
        threads.spawn(|| {
            let mut turn = 0;
            while begin.elapsed() < time {
                life(turn);
                turn += 1;
            }
        });
    });
    drop(multi);
    assert_eq!(ALIVE.load(Ordering::Relaxed), 0, "futures are left");
    assert_eq!(descriptors(), open, "descriptors are left");
    println!("{} in {:.1?}", turns.into_inner(), begin.elapsed());
}
