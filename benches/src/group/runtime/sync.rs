//! Tasks that talk and wait for one another. Each runtime uses its own channels, locks and notifications.
//!
//! smol has `async-channel` (also for a single reply), `async-lock` and `event-listener`.

use super::executor::{Brigade, Runtime, Smol, Spawner, Threads, Tokio};
use crate::bench::{Side, timed};
use std::{
    future::Future,
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

const PRODUCERS: usize = 4;
const MESSAGES_PER_PRODUCER: usize = 25_000;
const CLIENTS: usize = 8;
const REQUESTS_PER_CLIENT: usize = 1000;
const CHANNEL_CAPACITY: usize = 128;
const UNCONTENDED_ROUNDS: usize = 10_000;
const CONTENDERS: usize = 8;
const ROUNDS_PER_CONTENDER: usize = 1000;
const WAITERS: usize = 500;
const NOTIFY_ROUNDS: usize = 20;

/// A value that goes from task to task.
pub(crate) trait Value: Send + 'static {}
impl<T: Send + 'static> Value for T {}

/// The channels, locks and notifications of a runtime.
pub(crate) trait SyncPrimitives: Runtime {
    type Sender<T: Value>: Clone + Send + Sync + 'static;
    type Receiver<T: Value>: Send + 'static;
    type Reply<T: Value>: Send + 'static;
    type Mutex: Send + Sync + 'static;
    type Semaphore: Send + Sync + 'static;
    type Notify: Send + Sync + 'static;

    fn channel<T: Value>() -> (Self::Sender<T>, Self::Receiver<T>);
    fn send<T: Value>(to: &Self::Sender<T>, value: T) -> impl Future<Output = ()> + Send;
    fn receive<T: Value>(from: &mut Self::Receiver<T>) -> impl Future<Output = Option<T>> + Send;
    fn once<T: Value>() -> (Self::Reply<T>, impl Future<Output = T> + Send);
    fn reply<T: Value>(to: Self::Reply<T>, value: T);
    fn mutex() -> Self::Mutex;
    /// Locks, adds one, awaits `inside` and unlocks.
    fn locked(
        mutex: &Self::Mutex,
        inside: impl Future<Output = ()> + Send,
    ) -> impl Future<Output = ()> + Send;
    fn semaphore(permits: usize) -> Self::Semaphore;
    /// Acquires a permit, awaits `inside` and puts it back.
    fn permitted(
        semaphore: &Self::Semaphore,
        inside: impl Future<Output = ()> + Send,
    ) -> impl Future<Output = ()> + Send;
    fn notify() -> Self::Notify;
    /// Returns a future that is notified from now on.
    fn listen(notify: &Self::Notify) -> impl Future<Output = ()> + Send + '_;
    fn notify_all(notify: &Self::Notify);
}

/// Four producers send 25,000 messages each to one task.
pub(crate) fn mpsc<K: SyncPrimitives>(threads: Threads) -> Side {
    on_task::<K, _, _>(threads, PRODUCERS * MESSAGES_PER_PRODUCER, async |spawner: K::Spawner| {
        let (sender, mut receiver) = K::channel::<usize>();
        let produce = |sender: K::Sender<usize>| async move {
            for number in 0..MESSAGES_PER_PRODUCER {
                K::send(&sender, number).await;
            }
        };
        let producers: Vec<_> = (0..PRODUCERS).map(|_| spawner.spawn(produce(sender.clone()))).collect();
        drop(sender);
        let consumer = spawner.spawn(async move {
            let mut sum = 0;
            while let Some(number) = K::receive(&mut receiver).await {
                sum += number;
            }
            sum
        });
        let sum = consumer.await;
        assert_eq!(black_box(sum), PRODUCERS * MESSAGES_PER_PRODUCER * (MESSAGES_PER_PRODUCER - 1) / 2);
        for producer in producers {
            producer.await;
        }
    })
}

/// Eight clients send 1,000 requests each to a server, and await each reply.
pub(crate) fn request_reply<K: SyncPrimitives>(threads: Threads) -> Side {
    on_task::<K, _, _>(threads, CLIENTS * REQUESTS_PER_CLIENT, async |spawner: K::Spawner| {
        let (sender, mut requests) = K::channel::<(usize, K::Reply<usize>)>();
        let ask = |sender: K::Sender<(usize, K::Reply<usize>)>| async move {
            for number in 0..REQUESTS_PER_CLIENT {
                let (to, reply) = K::once();
                K::send(&sender, (number, to)).await;
                assert_eq!(reply.await, number + 1);
            }
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| spawner.spawn(ask(sender.clone()))).collect();
        drop(sender);
        let server = spawner.spawn(async move {
            while let Some((number, to)) = K::receive(&mut requests).await {
                K::reply(to, number + 1);
            }
        });
        for client in clients {
            client.await;
        }
        server.await;
    })
}

/// One task locks a mutex that nobody else wants.
pub(crate) fn mutex<K: SyncPrimitives>(threads: Threads) -> Side {
    on_task::<K, _, _>(threads, UNCONTENDED_ROUNDS, async |_| {
        let mutex = K::mutex();
        for _ in 0..UNCONTENDED_ROUNDS {
            K::locked(&mutex, async {}).await;
        }
    })
}

/// Eight tasks lock a mutex in turn, and yield while they hold it.
pub(crate) fn mutex_contended<K: SyncPrimitives>(threads: Threads) -> Side {
    contenders::<K, _, _>(threads, Arc::new(K::mutex), |mutex| async move {
        for _ in 0..ROUNDS_PER_CONTENDER {
            K::locked(&mutex, <K::Spawner as Spawner>::yield_now()).await;
        }
    })
}

/// One task acquires a permit that nobody else wants.
pub(crate) fn semaphore<K: SyncPrimitives>(threads: Threads) -> Side {
    on_task::<K, _, _>(threads, UNCONTENDED_ROUNDS, async |_| {
        let semaphore = K::semaphore(2);
        for _ in 0..UNCONTENDED_ROUNDS {
            K::permitted(&semaphore, async {}).await;
        }
    })
}

/// Eight tasks share two permits, and yield while they have one.
pub(crate) fn semaphore_contended<K: SyncPrimitives>(threads: Threads) -> Side {
    contenders::<K, _, _>(threads, Arc::new(|| K::semaphore(2)), |semaphore| async move {
        for _ in 0..ROUNDS_PER_CONTENDER {
            K::permitted(&semaphore, <K::Spawner as Spawner>::yield_now()).await;
        }
    })
}

/// 500 tasks wait; the last one to come wakes them all. Twenty times.
pub(crate) fn notify<K: SyncPrimitives>(threads: Threads) -> Side {
    on_task::<K, _, _>(threads, WAITERS * NOTIFY_ROUNDS, async |spawner: K::Spawner| {
        let shared = Arc::new((K::notify(), AtomicUsize::new(0)));
        let wait = |shared: Arc<(K::Notify, AtomicUsize)>| async move {
            let (notify, arrived) = &*shared;
            for _ in 0..NOTIFY_ROUNDS {
                let listen = K::listen(notify);
                // AcqRel: the last one comes after all others.
                if arrived.fetch_add(1, Ordering::AcqRel) == WAITERS - 1 {
                    arrived.store(0, Ordering::Release);
                    K::notify_all(notify);
                }
                listen.await;
            }
        };
        let waiters: Vec<_> = (0..WAITERS).map(|_| spawner.spawn(wait(shared.clone()))).collect();
        for waiter in waiters {
            waiter.await;
        }
    })
}

/// Eight tasks do the same with one shared thing.
fn contenders<K: SyncPrimitives, S: Send + Sync + 'static, F: Future<Output = ()> + Send + 'static>(
    threads: Threads,
    make: Arc<dyn Fn() -> S + Send + Sync>,
    work: impl Fn(Arc<S>) -> F + Copy + Send + Sync + 'static,
) -> Side {
    on_task::<K, _, _>(threads, CONTENDERS * ROUNDS_PER_CONTENDER, move |spawner: K::Spawner| {
        let shared = Arc::new(make());
        async move {
            let contenders: Vec<_> = (0..CONTENDERS).map(|_| spawner.spawn(work(shared.clone()))).collect();
            for contender in contenders {
                contender.await;
            }
        }
    })
}

/// Makes a side whose work is `ops` operations each time.
fn on_task<K: SyncPrimitives, W, F>(threads: Threads, ops: usize, work: W) -> Side
where
    W: Fn(K::Spawner) -> F + 'static,
    F: Future<Output = ()>,
{
    let runtime = K::start(threads);
    timed(ops as u64, move |iterations| {
        runtime.block_on(async {
            for _ in 0..iterations {
                work(runtime.spawner()).await;
            }
        });
    })
}

const PEER_LIVES: &str = "the other side lives as long";

/// Implements the trait for a runtime whose primitives have the same names and results as ours.
macro_rules! sync_primitives {
    ($runtime:ident, $($sync:ident)::+) => {
        impl SyncPrimitives for $runtime {
            type Sender<T: Value> = $($sync)::+::mpsc::Sender<T>;
            type Receiver<T: Value> = $($sync)::+::mpsc::Receiver<T>;
            type Reply<T: Value> = $($sync)::+::oneshot::Sender<T>;
            type Mutex = $($sync)::+::Mutex<usize>;
            type Semaphore = $($sync)::+::Semaphore;
            type Notify = $($sync)::+::Notify;

            fn channel<T: Value>() -> (Self::Sender<T>, Self::Receiver<T>) {
                $($sync)::+::mpsc::channel(CHANNEL_CAPACITY)
            }

            async fn send<T: Value>(to: &Self::Sender<T>, value: T) {
                assert!(to.send(value).await.is_ok(), "{PEER_LIVES}");
            }

            async fn receive<T: Value>(from: &mut Self::Receiver<T>) -> Option<T> {
                from.recv().await
            }

            fn once<T: Value>() -> (Self::Reply<T>, impl Future<Output = T> + Send) {
                let (to, reply) = $($sync)::+::oneshot::channel();
                (to, async { reply.await.expect(PEER_LIVES) })
            }

            fn reply<T: Value>(to: Self::Reply<T>, value: T) {
                assert!(to.send(value).is_ok(), "{PEER_LIVES}");
            }

            fn mutex() -> Self::Mutex {
                <Self::Mutex>::new(0)
            }

            async fn locked(mutex: &Self::Mutex, inside: impl Future<Output = ()> + Send) {
                let mut guard = mutex.lock().await;
                *guard += 1;
                inside.await;
            }

            fn semaphore(permits: usize) -> Self::Semaphore {
                <Self::Semaphore>::new(permits)
            }

            async fn permitted(semaphore: &Self::Semaphore, inside: impl Future<Output = ()> + Send) {
                let _permit = semaphore.acquire().await.expect("nobody closes it");
                inside.await;
            }

            fn notify() -> Self::Notify {
                <Self::Notify>::new()
            }

            fn listen(notify: &Self::Notify) -> impl Future<Output = ()> + Send + '_ {
                notify.notified()
            }

            fn notify_all(notify: &Self::Notify) {
                notify.notify_waiters();
            }
        }
    };
}
sync_primitives!(Brigade, brigade_runtime::sync);
sync_primitives!(Tokio, tokio::sync);

impl SyncPrimitives for Smol {
    type Sender<T: Value> = smol::channel::Sender<T>;
    type Receiver<T: Value> = smol::channel::Receiver<T>;
    type Reply<T: Value> = smol::channel::Sender<T>;
    type Mutex = smol::lock::Mutex<usize>;
    type Semaphore = smol::lock::Semaphore;
    type Notify = event_listener::Event;

    fn channel<T: Value>() -> (Self::Sender<T>, Self::Receiver<T>) {
        smol::channel::bounded(CHANNEL_CAPACITY)
    }

    async fn send<T: Value>(to: &Self::Sender<T>, value: T) {
        assert!(to.send(value).await.is_ok(), "{PEER_LIVES}");
    }

    async fn receive<T: Value>(from: &mut Self::Receiver<T>) -> Option<T> {
        from.recv().await.ok()
    }

    fn once<T: Value>() -> (Self::Reply<T>, impl Future<Output = T> + Send) {
        let (to, reply) = smol::channel::bounded(1);
        (to, async move { reply.recv().await.expect(PEER_LIVES) })
    }

    fn reply<T: Value>(to: Self::Reply<T>, value: T) {
        assert!(to.try_send(value).is_ok(), "{PEER_LIVES}");
    }

    fn mutex() -> Self::Mutex {
        smol::lock::Mutex::new(0)
    }

    async fn locked(mutex: &Self::Mutex, inside: impl Future<Output = ()> + Send) {
        let mut guard = mutex.lock().await;
        *guard += 1;
        inside.await;
    }

    fn semaphore(permits: usize) -> Self::Semaphore {
        smol::lock::Semaphore::new(permits)
    }

    async fn permitted(semaphore: &Self::Semaphore, inside: impl Future<Output = ()> + Send) {
        let _permit = semaphore.acquire().await;
        inside.await;
    }

    fn notify() -> Self::Notify {
        event_listener::Event::new()
    }

    fn listen(notify: &Self::Notify) -> impl Future<Output = ()> + Send + '_ {
        notify.listen()
    }

    fn notify_all(notify: &Self::Notify) {
        notify.notify(usize::MAX);
    }
}
