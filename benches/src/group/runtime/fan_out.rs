//! One event for many tasks: a value for 10, 100 or 1,000 receivers, a change that all of them watch, a
//! notification, permits, a barrier, and one join of a thousand tasks.
//!
//! The sender is the future of `block_on`. It goes on when all tasks have what it sent.

use super::{
    executor::{Brigade, Spawner, Threads, Tokio},
    sync::SyncPrimitives,
};
use crate::bench::{Bench, Side, sides, timed, workers};
use futures_util::future::join_all;
use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// How many events there are in an iteration, whatever the number of tasks.
const EVENTS: usize = 20;
/// How many values a slow receiver is behind.
const BACKLOG: usize = 64;
const MESSAGES_PER_PRODUCER: usize = 20;

/// The goal for every bench of the family.
const GOAL: f64 = 0.9;

/// The channels to many receivers of a runtime, and what releases many tasks at once.
trait FanOut: SyncPrimitives {
    type Broadcast: Clone + Send + Sync + 'static;
    type Subscriber: Send + 'static;
    type Watch: Send + Sync + 'static;
    type Watcher: Clone + Send + 'static;
    type Barrier: Send + Sync + 'static;

    fn broadcast(capacity: usize) -> Self::Broadcast;
    fn subscribe(to: &Self::Broadcast) -> Self::Subscriber;
    fn publish(to: &Self::Broadcast, value: usize);
    /// Receives a value, or None at the end.
    fn next(from: &mut Self::Subscriber) -> impl Future<Output = Option<usize>> + Send;
    fn watch() -> (Self::Watch, Self::Watcher);
    fn change(to: &Self::Watch, value: usize);
    /// Waits for a change and reads the value, or None at the end.
    fn changed(from: &mut Self::Watcher) -> impl Future<Output = Option<usize>> + Send;
    fn release(semaphore: &Self::Semaphore, permits: usize);
    fn take(semaphore: &Self::Semaphore) -> impl Future<Output = ()> + Send;
    fn notify_one(notify: &Self::Notify);
    fn barrier(parties: usize) -> Self::Barrier;
    fn meet(barrier: &Self::Barrier) -> impl Future<Output = ()> + Send;
}

/// A count of tasks that have what was sent, for a sender that waits for all of them.
struct Countdown<K: FanOut> {
    left: AtomicUsize,
    done: K::Notify,
}

impl<K: FanOut> Countdown<K> {
    fn new() -> Arc<Self> {
        Arc::new(Self { left: AtomicUsize::new(0), done: K::notify() })
    }

    fn expect(&self, count: usize) {
        // Release: the tasks find the new count when they find the event.
        self.left.store(count, Ordering::Release);
    }

    fn count_down(&self) {
        // AcqRel: the last one comes after all others.
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            K::notify_one(&self.done);
        }
    }

    async fn finished(&self) {
        while self.left.load(Ordering::Acquire) > 0 {
            K::listen(&self.done).await;
        }
    }
}

/// Tasks that all receive, and a sender that publishes a value when all have the one before.
fn broadcast<K: FanOut>(threads: Threads, receivers: usize) -> Side {
    let sender = K::broadcast(16);
    let receive = {
        let sender = sender.clone();
        move |countdown: Arc<Countdown<K>>| {
            let mut receiver = K::subscribe(&sender);
            async move {
                while let Some(value) = K::next(&mut receiver).await {
                    std::hint::black_box(value);
                    countdown.count_down();
                }
            }
        }
    };
    published::<K, _>(threads, receivers, receive, move |value| K::publish(&sender, value))
}

/// The same with a change that all watch.
fn watch<K: FanOut>(threads: Threads, receivers: usize) -> Side {
    let (sender, watcher) = K::watch();
    let receive = move |countdown: Arc<Countdown<K>>| {
        let mut watcher = watcher.clone();
        async move {
            while let Some(value) = K::changed(&mut watcher).await {
                std::hint::black_box(value);
                countdown.count_down();
            }
        }
    };
    published::<K, _>(threads, receivers, receive, move |value| K::change(&sender, value))
}

/// Spawns the receivers once, and publishes [`EVENTS`] values in each iteration. The runtime ends before
/// the sender does, and with it the receivers.
fn published<K: FanOut, F: Future<Output = ()> + Send + 'static>(
    threads: Threads,
    receivers: usize,
    receive: impl Fn(Arc<Countdown<K>>) -> F,
    publish: impl Fn(usize) + 'static,
) -> Side {
    let runtime = K::start(threads);
    let countdown = Countdown::<K>::new();
    let spawner = runtime.spawner();
    runtime.block_on(async {
        (0..receivers).for_each(|_| spawner.detach(receive(countdown.clone())));
        <K::Spawner as Spawner>::yield_now().await;
    });
    timed((receivers * EVENTS) as u64, move |iterations| {
        runtime.block_on(async {
            for value in 0..iterations as usize * EVENTS {
                countdown.expect(receivers);
                publish(value);
                countdown.finished().await;
            }
        });
    })
}

/// Tasks that wait for a notification of all; the last one to come sends it.
fn notify<K: FanOut>(threads: Threads, waiters: usize) -> Side {
    on_tasks::<K, _, _>(threads, waiters, move || {
        let shared = Arc::new((K::notify(), AtomicUsize::new(0)));
        move || {
            let shared = shared.clone();
            async move {
                let (notify, arrived) = &*shared;
                for _ in 0..EVENTS {
                    let listen = K::listen(notify);
                    // AcqRel: the last one comes after all others.
                    if arrived.fetch_add(1, Ordering::AcqRel) == waiters - 1 {
                        arrived.store(0, Ordering::Release);
                        K::notify_all(notify);
                    }
                    listen.await;
                }
            }
        }
    })
}

/// Tasks that meet at a barrier.
fn barrier<K: FanOut>(threads: Threads, parties: usize) -> Side {
    on_tasks::<K, _, _>(threads, parties, move || {
        let barrier = Arc::new(K::barrier(parties));
        move || {
            let barrier = barrier.clone();
            async move {
                for _ in 0..EVENTS {
                    K::meet(&barrier).await;
                }
            }
        }
    })
}

/// Receivers that each read what was published before they were polled.
fn backlog<K: FanOut>(threads: Threads, receivers: usize) -> Side {
    let runtime = K::start(threads);
    timed((receivers * BACKLOG) as u64, move |iterations| {
        let spawner = runtime.spawner();
        runtime.block_on(async {
            for _ in 0..iterations {
                let sender = K::broadcast(BACKLOG);
                let subscribers: Vec<_> = (0..receivers).map(|_| K::subscribe(&sender)).collect();
                (0..BACKLOG).for_each(|value| K::publish(&sender, value));
                let read = |mut subscriber: K::Subscriber| async move {
                    for value in 0..BACKLOG {
                        assert_eq!(K::next(&mut subscriber).await, Some(value));
                    }
                };
                let tasks: Vec<_> = subscribers.into_iter().map(|it| spawner.spawn(read(it))).collect();
                for task in tasks {
                    task.await;
                }
            }
        });
    })
}

/// Tasks that wait for a permit each, and get all permits at once.
fn permits<K: FanOut>(threads: Threads, waiters: usize) -> Side {
    let semaphore = Arc::new(K::semaphore(0));
    let wait = {
        let semaphore = semaphore.clone();
        move |countdown: Arc<Countdown<K>>| {
            let semaphore = semaphore.clone();
            async move {
                loop {
                    K::take(&semaphore).await;
                    countdown.count_down();
                    // The others come first, so that each gets one permit.
                    <K::Spawner as Spawner>::yield_now().await;
                }
            }
        }
    };
    published::<K, _>(threads, waiters, wait, move |_| K::release(&semaphore, waiters))
}

/// Many producers that share a channel with one consumer.
fn producers<K: FanOut>(threads: Threads, producers: usize) -> Side {
    let runtime = K::start(threads);
    timed((producers * MESSAGES_PER_PRODUCER) as u64, move |iterations| {
        let spawner = runtime.spawner();
        runtime.block_on(async {
            for _ in 0..iterations {
                let (sender, mut receiver) = K::channel::<usize>();
                let produce = |sender: K::Sender<usize>| async move {
                    for number in 0..MESSAGES_PER_PRODUCER {
                        K::send(&sender, number).await;
                    }
                };
                (0..producers).for_each(|_| spawner.detach(produce(sender.clone())));
                drop(sender);
                let consumer = spawner.spawn(async move {
                    let mut count = 0;
                    while K::receive(&mut receiver).await.is_some() {
                        count += 1;
                    }
                    count
                });
                assert_eq!(consumer.await, producers * MESSAGES_PER_PRODUCER);
            }
        });
    })
}

/// One `join_all` of tasks that each wait for a reply. All replies are sent at once.
fn joined<K: FanOut>(threads: Threads, tasks: usize) -> Side {
    let runtime = K::start(threads);
    timed(tasks as u64, move |iterations| {
        let spawner = runtime.spawner();
        runtime.block_on(async {
            for _ in 0..iterations {
                let (replies, waits): (Vec<_>, Vec<_>) = (0..tasks).map(|_| K::once::<usize>()).unzip();
                let waiters: Vec<_> = waits.into_iter().map(|wait| spawner.spawn(wait)).collect();
                let all = spawner.spawn(async move { join_all(waiters).await.len() });
                <K::Spawner as Spawner>::yield_now().await;
                replies.into_iter().for_each(|reply| K::reply(reply, 1));
                assert_eq!(all.await, tasks);
            }
        });
    })
}

/// Makes a side in which `count` tasks each do the same [`EVENTS`] times in an iteration.
fn on_tasks<K: FanOut, W, F>(threads: Threads, count: usize, make: impl Fn() -> W + 'static) -> Side
where
    W: Fn() -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let runtime = K::start(threads);
    timed((count * EVENTS) as u64, move |iterations| {
        let spawner = runtime.spawner();
        runtime.block_on(async {
            for _ in 0..iterations {
                let work = make();
                let tasks: Vec<_> = (0..count).map(|_| spawner.spawn(work())).collect();
                for task in tasks {
                    task.await;
                }
            }
        });
    })
}

/// Names a kind of bench with each number of tasks: many threads first, then one.
struct Kind {
    ours: fn(Threads, usize) -> Side,
    tokio: fn(Threads, usize) -> Side,
    /// The number of tasks, and the names.
    sizes: &'static [(usize, &'static str, &'static str)],
}

macro_rules! kind {
    ($side:ident: $($count:literal = $multi:literal, $single:literal);+) => {
        Kind { ours: $side::<Brigade>, tokio: $side::<Tokio>, sizes: &[$(($count, $multi, $single)),+] }
    };
}

const KINDS: [Kind; 8] = [
    kind!(broadcast: 10 = "broadcast_10", "broadcast_10_ct"; 100 = "broadcast_100", "broadcast_100_ct";
        1000 = "broadcast_1000", "broadcast_1000_ct"),
    kind!(backlog: 10 = "broadcast_slow_10", "broadcast_slow_10_ct";
        100 = "broadcast_slow_100", "broadcast_slow_100_ct"),
    kind!(watch: 10 = "watch_10", "watch_10_ct"; 100 = "watch_100", "watch_100_ct";
        1000 = "watch_1000", "watch_1000_ct"),
    kind!(notify: 10 = "notify_10", "notify_10_ct"; 100 = "notify_100", "notify_100_ct";
        1000 = "notify_1000", "notify_1000_ct"),
    kind!(permits: 1000 = "permits_1000", "permits_1000_ct"),
    kind!(barrier: 1000 = "barrier_1000", "barrier_1000_ct"),
    kind!(joined: 1000 = "join_all_1000", "join_all_1000_ct"),
    kind!(producers: 1000 = "mpsc_1000", "mpsc_1000_ct"),
];

/// The benches.
pub(crate) fn benches() -> Vec<Bench> {
    let mut benches = Vec::new();
    for Kind { ours, tokio, sizes } in KINDS {
        for &(count, multi, single) in sizes {
            let on = |name, peer, threads| {
                Bench::new(name, peer, move || sides(ours(threads, count), tokio(threads, count))).goal(GOAL)
            };
            benches.push(on(multi, "tokio", Threads::Workers(workers())));
            benches.push(on(single, "tokio ct", Threads::Current));
        }
    }
    benches
}

/// Implements the trait for a runtime whose primitives have the same names as ours. `$met` tells whether a
/// wait at the barrier has succeeded.
macro_rules! fan_out {
    ($runtime:ident, $($sync:ident)::+, $met:expr) => {
        impl FanOut for $runtime {
            type Broadcast = $($sync)::+::broadcast::Sender<usize>;
            type Subscriber = $($sync)::+::broadcast::Receiver<usize>;
            type Watch = $($sync)::+::watch::Sender<usize>;
            type Watcher = $($sync)::+::watch::Receiver<usize>;
            type Barrier = $($sync)::+::Barrier;

            fn broadcast(capacity: usize) -> Self::Broadcast {
                $($sync)::+::broadcast::channel(capacity).0
            }

            fn subscribe(to: &Self::Broadcast) -> Self::Subscriber {
                to.subscribe()
            }

            fn publish(to: &Self::Broadcast, value: usize) {
                assert!(to.send(value).is_ok(), "the receivers live as long");
            }

            async fn next(from: &mut Self::Subscriber) -> Option<usize> {
                from.recv().await.ok()
            }

            fn watch() -> (Self::Watch, Self::Watcher) {
                $($sync)::+::watch::channel(0)
            }

            fn change(to: &Self::Watch, value: usize) {
                assert!(to.send(value).is_ok(), "the receivers live as long");
            }

            async fn changed(from: &mut Self::Watcher) -> Option<usize> {
                from.changed().await.ok()?;
                Some(*from.borrow_and_update())
            }

            fn release(semaphore: &Self::Semaphore, permits: usize) {
                semaphore.add_permits(permits);
            }

            async fn take(semaphore: &Self::Semaphore) {
                semaphore.acquire().await.expect("nobody closes it").forget();
            }

            fn notify_one(notify: &Self::Notify) {
                notify.notify_one();
            }

            fn barrier(parties: usize) -> Self::Barrier {
                $($sync)::+::Barrier::new(parties)
            }

            async fn meet(barrier: &Self::Barrier) {
                assert!($met(barrier.wait().await), "nobody breaks the barrier");
            }
        }
    };
}
fan_out!(Brigade, brigade_runtime::sync, |met: Result<_, _>| met.is_ok());
fan_out!(Tokio, tokio::sync, |_| true);
