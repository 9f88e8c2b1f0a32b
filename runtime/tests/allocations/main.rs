//! Allocations: a task is one allocation at most, and waiting is none.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

// Unsafe: an allocator.
#[allow(unsafe_code)]
mod counting;

use brigade_runtime::{
    JoinHandle, Runtime, run, spawn, spawn_local,
    sync::{
        Barrier, Condition, Event, Mutex, Notify, OnceCell, Queue, RwLock, Semaphore, broadcast, mpsc,
        oneshot, watch,
    },
    yield_now,
};
use std::{
    future::{Future, pending},
    pin::pin,
    task::{Context, Waker},
};

/// Waits, once, and gives up.
fn wait<F: Future>(what: &str, future: F) {
    let before = counting::so_far();
    {
        let mut future = pin!(future);
        let mut context = Context::from_waker(Waker::noop());
        // Twice: the second poll finds its place in line.
        for _ in 0..2 {
            assert!(future.as_mut().poll(&mut context).is_pending(), "{what} did not wait");
        }
    }
    assert_eq!(counting::so_far(), before, "{what}");
}

#[test]
fn waiting_allocates_nothing() {
    let mutex = Mutex::new(1);
    let guard = mutex.try_lock().unwrap();
    wait("Mutex::lock", mutex.lock());
    let (lock, condition) = (RwLock::new(1), Condition::new());
    wait("Condition::wait", condition.wait(guard));
    let reader = lock.try_read().unwrap();
    wait("RwLock::write", lock.write());
    drop(reader);
    let _writer = lock.try_write().unwrap();
    wait("RwLock::read", lock.read());
    wait("Semaphore::acquire", Semaphore::new(0).acquire());
    wait("Semaphore::acquire_many", Semaphore::new(1).acquire_many(2));
    wait("Notify::notified", Notify::new().notified());
    wait("Event::wait", Event::new().wait());
    wait("Barrier::wait", Barrier::new(2).wait());
    wait("OnceCell::get_or_init", OnceCell::<()>::new().get_or_init(pending));
    wait("Queue::get", Queue::<u32>::unbounded().get());
    let queue = Queue::bounded(1);
    queue.try_put(1).unwrap();
    wait("Queue::put", queue.put(2));
    wait("Queue::join", queue.join());
    let (_sender, receiver) = oneshot::channel::<u32>();
    wait("oneshot::Receiver", receiver);
    let (mut sender, _receiver) = oneshot::channel::<u32>();
    wait("oneshot::Sender::closed", sender.closed());
    let (sender, mut receiver) = mpsc::channel(1);
    wait("mpsc::Receiver::recv", receiver.recv());
    sender.try_send(1).unwrap();
    wait("mpsc::Sender::send", sender.send(2));
    wait("mpsc::Sender::reserve", sender.reserve());
    wait("mpsc::Sender::closed", sender.closed());
    let (_sender, mut receiver) = broadcast::channel::<u32>(1);
    wait("broadcast::Receiver::recv", receiver.recv());
    let (sender, mut receiver) = watch::channel(1);
    wait("watch::Receiver::changed", receiver.changed());
    wait("watch::Sender::closed", sender.closed());
}

const TASKS: usize = 100;

/// Spawns some tasks and lets them end: how often that allocates, with the memory of tasks before, and with
/// none that is free.
async fn spawning(mut start: impl FnMut(usize) -> JoinHandle<usize>) -> [usize; 2] {
    let mut held = Vec::with_capacity(4 * TASKS);
    // The lists have held more than will come, and no memory is free: the handles have it.
    held.extend((0..3 * TASKS).map(&mut start));
    while !held.iter().all(JoinHandle::is_finished) {
        yield_now().await;
    }
    let mut round = async |held: &mut Vec<_>| {
        let (before, others) = (counting::so_far(), held.len());
        held.extend((0..TASKS).map(&mut start));
        while !held[others..].iter().all(JoinHandle::is_finished) {
            yield_now().await;
        }
        counting::so_far() - before
    };
    let fresh = round(&mut held).await;
    held.clear();
    let again = round(&mut held).await;
    for (n, handle) in held.into_iter().enumerate() {
        assert_eq!(handle.await.unwrap(), n);
    }
    [again, fresh]
}

#[test]
fn a_task_is_one_allocation_or_memory_of_one_before() {
    let task = |n| async move { (yield_now().await, n).1 };
    assert_eq!(run(async { spawning(|n| spawn(task(n))).await }), [0, TASKS]);
}

#[test]
fn a_local_task_is_one_allocation_or_memory_of_one_before() {
    assert_eq!(run(async { spawning(|n| spawn_local(async move { n })).await }), [0, TASKS]);
}

/// The allocations of the thread that spawns. Memory of tasks that end on workers stays with the workers.
/// How long the list gets from which the workers take tasks is a matter of chance, so it may grow a few
/// times.
#[test]
fn a_task_on_workers_is_one_allocation_at_most() {
    let runtime = Runtime::multi_thread(2).unwrap();
    let [again, fresh] = runtime.block_on(spawning(|n| spawn(async move { n })));
    let growth = 8;
    assert!(fresh >= TASKS && again.max(fresh) <= TASKS + growth, "{again} and {fresh} for {TASKS} tasks");
}
