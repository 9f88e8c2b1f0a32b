//! What allocates and what does not: a task is one allocation, and waiting is none.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

// Unsafe: an allocator.
#[allow(unsafe_code)]
mod counting;

use brigade_runtime::{
    Runtime, run, spawn, spawn_local,
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
    let allocations = counting::allocations(|| {
        let mut future = pin!(future);
        let mut context = Context::from_waker(Waker::noop());
        // Twice: the second poll finds its place in line.
        for _ in 0..2 {
            assert!(future.as_mut().poll(&mut context).is_pending(), "{what} did not wait");
        }
    });
    assert_eq!(allocations, 0, "{what}");
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

/// Some tasks: more than any list had before would grow it, so the first round is not counted.
const TASKS: usize = 100;

#[test]
fn a_task_is_one_allocation_on_one_thread() {
    run(async {
        let mut handles = Vec::with_capacity(TASKS);
        for round in 0..3 {
            let before = counting::so_far();
            handles.extend((0..TASKS).map(|n| spawn(async move { (yield_now().await, n).1 })));
            for (n, handle) in handles.drain(..).enumerate() {
                assert_eq!(handle.await.unwrap(), n);
            }
            let allocations = counting::so_far() - before;
            assert!(round == 0 || allocations == TASKS, "{allocations} allocations for {TASKS} tasks");
        }
    });
}

#[test]
fn a_local_task_is_one_allocation() {
    run(async {
        let mut handles = Vec::with_capacity(TASKS);
        for round in 0..3 {
            let before = counting::so_far();
            handles.extend((0..TASKS).map(|n| spawn_local(async move { n })));
            for handle in handles.drain(..) {
                handle.await.unwrap();
            }
            let allocations = counting::so_far() - before;
            assert!(round == 0 || allocations == TASKS, "{allocations} allocations for {TASKS} tasks");
        }
    });
}

/// The workers allocate nothing for them, but this counts on the thread that spawns.
#[test]
fn a_task_is_one_allocation_on_workers() {
    let runtime = Runtime::multi_thread(2).unwrap();
    let mut handles = Vec::with_capacity(TASKS);
    // The lists have held as many as there can be.
    (0..4).for_each(|_| _ = runtime.map(|n| async move { n }, 0..10 * TASKS));
    let allocations = counting::allocations(|| {
        handles.extend((0..TASKS).map(|n| runtime.spawn(async move { n })));
    });
    assert_eq!(allocations, TASKS);
    for handle in handles {
        handle.join().unwrap();
    }
}
