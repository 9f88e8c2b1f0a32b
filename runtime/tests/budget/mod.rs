//! Every operation that can be ready again and again lets others run: a task that repeats it for ever is
//! not alone.
//!
//! Each operation is named by its file and its name. The house rules check that none is missing
//! (`tests/tests/tidy/budget.rs`).

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

mod io;
mod limits;

use brigade_handle::{Completer, pair};
use brigade_runtime::{
    JoinHandle, JoinSet, Runtime, TaskLocal, Until, as_completed, gather, generator, interval, interval_at,
    named, next, now, race, run, select, shield, sleep, sleep_until, spawn, spawn_blocking, spawn_local,
    sync::{
        Barrier, Condition, Event, Mutex, Notify, OnceCell, Queue, RwLock, Semaphore, broadcast, mpsc,
        oneshot, watch,
    },
    task_group, timeout, try_task_group, wait_for, yield_now,
};
use futures_util::{Sink, Stream, StreamExt, stream};
use std::{
    cell::Cell,
    future::{Future, Ready, poll_fn, ready},
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

/// No task completes more operations than these in one poll.
const BUDGET: u32 = brigade_handle::budget::OPERATIONS as u32;

/// Repeats an operation until another task, which was ready before, has had its turn.
async fn check(operation: &str, again: impl AsyncFnMut()) {
    let mut again = again;
    // The loop begins with the budget of a new poll.
    yield_now().await;
    let ran = Rc::new(Cell::new(false));
    let theirs = ran.clone();
    drop(spawn_local(async move { theirs.set(true) }));
    for _ in 0..=BUDGET {
        again().await;
        if ran.get() {
            return;
        }
    }
    panic!("{operation} was ready {BUDGET} times, and no other task had its turn");
}

/// The same for a poll function of a type that need not be pinned.
async fn check_poll<T>(operation: &str, mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) {
    check(operation, async || _ = poll_fn(&mut poll).await).await;
}

/// The same for a stream.
async fn check_stream(operation: &str, mut stream: impl Stream + Unpin) {
    check_poll(operation, |cx| Pin::new(&mut stream).poll_next(cx)).await;
}

/// The same for a sink.
async fn check_sink<S: Sink<u32> + Unpin>(operation: &str, mut sink: S) {
    let ready = async || {
        _ = poll_fn(|cx| Pin::new(&mut sink).poll_ready(cx)).await;
        _ = Pin::new(&mut sink).start_send(7);
    };
    check(operation, ready).await;
}

/// Handles of work that has ended.
fn ended(count: u32) -> Vec<JoinHandle<u32>> {
    let end = |n| {
        let (completer, handle): (Completer<u32>, _) = pair();
        completer.complete(Ok(n));
        handle
    };
    (0..count).map(end).collect()
}

#[test]
fn tasks_and_handles() {
    run(async {
        let mut handles = ended(2 * BUDGET);
        check("a handle of another executor", async || _ = handles.pop().unwrap().await).await;
        let tasks: Vec<_> = (0..2 * BUDGET).map(|n| spawn(async move { n })).collect();
        while !tasks.iter().all(JoinHandle::is_finished) {
            yield_now().await;
        }
        let mut tasks = tasks.into_iter();
        check("a task", async || _ = tasks.next().unwrap().await).await;
        check("a blocking call", async || _ = spawn_blocking(|| ()).await).await;
        let mut shields: Vec<_> = (0..2 * BUDGET).map(|n| shield(ready(n))).collect();
        sleep(Duration::from_millis(1)).await;
        check("combine/shield.rs Shield", async || _ = shields.pop().unwrap().await).await;
        check("combine/yield_now.rs YieldNow", async || yield_now().await).await;
    });
}

#[test]
fn several_futures_of_one_task() {
    run(async {
        check("combine/race.rs select", async || _ = select(ready(1), ready(2)).await).await;
        check("combine/race.rs Race", async || _ = race((ready(1), ready(2))).await).await;
        check("race of an array", async || _ = race([ready(1), ready(2)]).await).await;
        check("race of a vector", async || _ = race(vec![ready(1)]).await).await;
        check("combine/gather.rs Gather", async || _ = gather([ready(1), ready(2)]).await).await;
        check("gather of none", async || _ = gather(Vec::<Ready<u32>>::new()).await).await;
        check("gather of handles", async || _ = gather(ended(2)).await).await;
        check_stream("combine/as_completed.rs AsCompleted", as_completed((0..2 * BUDGET).map(ready))).await;
        check_stream("as_completed at its end", as_completed(Vec::<Ready<u32>>::new())).await;
        check("combine/as_completed.rs wait_for", async || drop(wait_for(ended(2), Until::All).await)).await;
        check("wait_for of none", async || drop(wait_for(ended(0), Until::All).await)).await;
    });
}

#[test]
fn groups_and_sets() {
    run(async {
        check("group/task_group.rs task_group", async || task_group(async |_| ()).await).await;
        check("try_task_group", async || _ = try_task_group(async |_| Err::<(), _>(())).await).await;
        let mut set: JoinSet<_> = ended(2 * BUDGET).into_iter().collect();
        check("group/join_set.rs JoinNext", async || assert!(set.join_next().await.is_some())).await;
        let set: JoinSet<_> = ended(2 * BUDGET).into_iter().collect();
        check_stream("group/join_set.rs JoinSet", set).await;
        check_stream("a set that is empty", JoinSet::<u32>::new()).await;
        check("group/join_set.rs join_all", async || _ = JoinSet::<u32>::new().join_all().await).await;
        check("group/join_set.rs shutdown", async || JoinSet::<u32>::new().shutdown().await).await;
    });
}

#[test]
fn a_ready_value_is_seen_whatever_the_budget_is() {
    run(async {
        let mut set: JoinSet<_> = ended(3 * BUDGET).into_iter().collect();
        let mut results = 0;
        while set.try_join_next().is_some() {
            results += 1;
        }
        assert_eq!(results, 3 * BUDGET);
        let waited = wait_for(ended(3 * BUDGET), Until::FirstCompleted).await;
        assert_eq!((waited.done.len() as u32, waited.pending.len()), (3 * BUDGET, 0));
    });
}

#[test]
fn time() {
    let runtime = Runtime::builder().paused_clock().build().unwrap();
    runtime.block_on(async {
        let ms = Duration::from_millis(1);
        let past = now();
        sleep(2 * ms).await;
        check("time/sleep.rs Sleep", async || sleep(Duration::ZERO).await).await;
        check("sleep_until", async || sleep_until(past).await).await;
        check("time/timeout.rs Timeout", async || _ = timeout(ms, ready(1)).await).await;
        check("timeout of what is pending", async || {
            _ = timeout(Duration::ZERO, std::future::pending::<()>()).await;
        })
        .await;
        let mut late = interval_at(past, Duration::from_nanos(1));
        check("time/interval.rs tick", async || _ = late.tick().await).await;
        check_stream("time/interval.rs Interval", interval_at(past, Duration::from_nanos(1))).await;
        check("the first tick", async || _ = interval(ms).tick().await).await;
    });
}

#[test]
fn streams_of_generators() {
    run(async {
        let numbers = || {
            generator(|mut yielder| async move {
                loop {
                    yielder.yield_(1).await;
                }
            })
        };
        check_stream("combine/generator.rs Generator", numbers()).await;
        let mut asked = numbers();
        check("combine/next.rs Next", async || _ = asked.next().await).await;
        check_stream("a generator at its end", generator(|_: brigade_runtime::Yielder<u32>| async {})).await;
        let mut foreign = stream::repeat(1);
        check("next of another's stream", async || _ = next(&mut foreign).await).await;
        check("combine/generator.rs Yield", async || {
            let one = generator(|mut yielder| async move { yielder.yield_(1).await });
            assert_eq!(one.collect::<Vec<_>>().await, [1]);
        })
        .await;
    });
}

#[test]
fn permits_and_locks() {
    run(async {
        let semaphore = Arc::new(Semaphore::new(4));
        check("sync/semaphore.rs acquire", async || drop(semaphore.acquire().await)).await;
        check("sync/semaphore.rs acquire_many", async || drop(semaphore.acquire_many(2).await)).await;
        check("no permits", async || drop(semaphore.acquire_many(0).await)).await;
        check("sync/semaphore.rs acquire_owned", async || drop(semaphore.clone().acquire_owned().await))
            .await;
        check("sync/semaphore.rs acquire_many_owned", async || {
            drop(semaphore.clone().acquire_many_owned(2).await);
        })
        .await;
        semaphore.close();
        check("a semaphore that is closed", async || assert!(semaphore.acquire().await.is_err())).await;
        let mutex = Arc::new(Mutex::new(0));
        check("sync/mutex.rs lock", async || drop(mutex.lock().await)).await;
        check("sync/mutex.rs lock_owned", async || drop(mutex.clone().lock_owned().await)).await;
        let lock = Arc::new(RwLock::new(0));
        check("sync/rw_lock.rs read", async || drop(lock.read().await)).await;
        check("sync/rw_lock.rs write", async || drop(lock.write().await)).await;
        check("sync/rw_lock.rs read_owned", async || drop(lock.clone().read_owned().await)).await;
        check("sync/rw_lock.rs write_owned", async || drop(lock.clone().write_owned().await)).await;
    });
}

#[test]
fn events_and_notifications() {
    run(async {
        let event = Event::new();
        event.set();
        check("sync/event.rs wait", async || event.wait().await).await;
        let notify = Notify::new();
        check("sync/notify.rs Notified", async || {
            notify.notify_one();
            notify.notified().await;
        })
        .await;
        let barrier = Barrier::new(1);
        check("sync/barrier.rs wait", async || _ = barrier.wait().await).await;
        barrier.abort();
        check("a barrier that is broken", async || assert!(barrier.wait().await.is_err())).await;
        let (mutex, condition) = (Mutex::new(0), Condition::new());
        let mut guard = Some(mutex.lock().await);
        check("sync/condition.rs wait_for", async || {
            guard = Some(condition.wait_for(guard.take().unwrap(), |_| true).await);
        })
        .await;
        drop(guard);
        check("sync/condition.rs wait", async || {
            let waits = async { drop(condition.wait(mutex.lock().await).await) };
            let notifies = async { condition.notify_all() };
            let both: [Pin<Box<dyn Future<Output = ()> + '_>>; 2] = [Box::pin(waits), Box::pin(notifies)];
            gather(both).await;
        })
        .await;
    });
}

#[test]
fn cells_and_single_values() {
    run(async {
        let cell = OnceCell::from(7);
        check("sync/once_cell.rs get_or_init", async || _ = cell.get_or_init(|| ready(1)).await).await;
        check("sync/once_cell.rs get_or_try_init", async || {
            _ = cell.get_or_try_init(async || Err::<u32, ()>(())).await;
        })
        .await;
        let empty = OnceCell::<u32>::new();
        check("a cell that stays empty", async || _ = empty.get_or_try_init(async || Err(())).await).await;
        check("sync/oneshot.rs Receiver", async || {
            let (sender, receiver) = oneshot::channel();
            sender.send(1).unwrap();
            assert_eq!(receiver.await, Ok(1));
        })
        .await;
        check("a sender that is gone", async || {
            let (sender, receiver) = oneshot::channel::<u32>();
            drop(sender);
            assert!(receiver.await.is_err());
        })
        .await;
        let (mut sender, receiver) = oneshot::channel::<u32>();
        drop(receiver);
        check("sync/oneshot.rs closed", async || sender.closed().await).await;
        check_poll("sync/oneshot.rs poll_closed", |cx| sender.poll_closed(cx)).await;
    });
}

#[test]
fn queues() {
    run(async {
        let queue = Queue::unbounded();
        check("sync/queue.rs put", async || queue.put(1).await).await;
        check("sync/queue.rs get", async || {
            queue.put(1).await;
            assert_eq!(queue.get().await, 1);
        })
        .await;
        check("sync/queue.rs join", async || Queue::<u32>::unbounded().join().await).await;
    });
}

#[test]
fn channels_of_many_values() {
    run(async {
        let (sender, mut receiver) = mpsc::channel(1);
        check("sync/mpsc/sender.rs send", async || {
            sender.send(1).await.unwrap();
            receiver.try_recv().unwrap();
        })
        .await;
        check("sync/mpsc/sender.rs reserve", async || drop(sender.reserve().await)).await;
        check("sync/mpsc/sender.rs reserve_owned", async || drop(sender.clone().reserve_owned().await)).await;
        let (fills, mut filled) = mpsc::unbounded();
        let fill = || (0..4 * BUDGET).for_each(|n| fills.send(n).unwrap());
        fill();
        check("sync/mpsc/receiver.rs recv", async || _ = filled.recv().await).await;
        check_poll("sync/mpsc/receiver.rs poll_recv", |cx| filled.poll_recv(cx)).await;
        let mut buffer = Vec::new();
        fill();
        check("sync/mpsc/receiver.rs recv_many", async || _ = filled.recv_many(&mut buffer, 1).await).await;
        check_poll("sync/mpsc/receiver.rs poll_recv_many", |cx| filled.poll_recv_many(cx, &mut buffer, 1))
            .await;
        check("no values", async || _ = filled.recv_many(&mut buffer, 0).await).await;
        fill();
        check_stream("sync/mpsc/receiver.rs Receiver", &mut filled).await;
        drop(filled);
        check("sync/mpsc/sender.rs closed", async || fills.closed().await).await;
        let (gone, mut over) = mpsc::unbounded::<u32>();
        drop(gone);
        check("a channel at its end", async || assert!(over.recv().await.is_none())).await;
        check("many at the end", async || assert_eq!(over.recv_many(&mut vec![], 5).await, 0)).await;
    });
}

#[test]
fn sinks() {
    run(async {
        let (sender, receiver) = mpsc::channel(1000);
        check_sink("sync/mpsc/sink.rs SendSink", sender.clone().into_sink()).await;
        let (unbounded, kept) = mpsc::unbounded();
        check_sink("sync/mpsc/sink.rs UnboundedSender", unbounded).await;
        drop((receiver, kept));
        check_sink("a sink whose receiver is gone", sender.into_sink()).await;
    });
}

#[test]
fn channels_to_many() {
    run(async {
        let (sender, mut receiver) = broadcast::channel(8);
        check("sync/broadcast/mod.rs recv", async || {
            sender.send(1).unwrap();
            receiver.recv().await.unwrap();
        })
        .await;
        drop(sender);
        check("a broadcast at its end", async || assert!(receiver.recv().await.is_err())).await;
        let (sender, mut receiver) = watch::channel(0);
        check("sync/watch/mod.rs changed", async || {
            sender.send(1).unwrap();
            receiver.changed().await.unwrap();
        })
        .await;
        check("sync/watch/mod.rs wait_for", async || drop(receiver.wait_for(|_| true).await)).await;
        let other = receiver.clone();
        drop((receiver, other));
        check("sync/watch/mod.rs closed", async || sender.closed().await).await;
        let (sender, mut receiver) = watch::channel(0);
        drop(sender);
        check("a watch at its end", async || assert!(receiver.changed().await.is_err())).await;
    });
}

#[test]
fn futures_wrapped_around_an_operation_keep_to_the_budget() {
    static NUMBER: TaskLocal<u32> = TaskLocal::new();
    run(async {
        let semaphore = Semaphore::new(1);
        check("executor/spawn.rs Named", async || drop(named("cook", semaphore.acquire()).await)).await;
        check("task/task_local.rs Scoped", async || drop(NUMBER.scope(1, semaphore.acquire()).await)).await;
    });
}

#[test]
fn a_timeout_beside_a_channel_that_always_has_a_value_comes() {
    run(async {
        let (sender, mut receiver) = broadcast::channel(8);
        let busy = async {
            loop {
                sender.send(1).unwrap();
                receiver.recv().await.unwrap();
            }
        };
        assert!(timeout(Duration::from_millis(1), busy).await.is_err());
    });
}
