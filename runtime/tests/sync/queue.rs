//! Queues, events and locks.

use super::poll;
use brigade_runtime::{
    Runtime, gather, run, spawn, spawn_local,
    sync::{Event, Full, Mutex, Queue},
    timeout, yield_now,
};
use std::{
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

#[test]
fn items_come_out_in_the_order_in_which_they_were_put() {
    let queue = Queue::bounded(2);
    let got = run(async {
        let produce = async {
            for item in 0..100 {
                queue.put(item).await;
            }
            Vec::new()
        };
        let consume = async {
            let mut got = Vec::new();
            while got.len() < 100 {
                got.push(queue.get().await);
                queue.task_done();
            }
            got
        };
        let both: [Pin<Box<dyn Future<Output = Vec<i32>>>>; 2] = [Box::pin(produce), Box::pin(consume)];
        gather(both).await.concat()
    });
    assert_eq!(got, (0..100).collect::<Vec<_>>());
    assert_eq!((queue.len(), queue.unfinished()), (0, 0));
}

#[test]
fn nothing_is_lost_between_many_tasks_on_many_threads() {
    let runtime = Runtime::multi_thread(3).unwrap();
    let queue = Arc::new(Queue::bounded(3));
    let consumers: Vec<_> = (0..4)
        .map(|_| {
            let queue = queue.clone();
            runtime.spawn(async move {
                let mut sum = 0;
                while let Some(item) = queue.get().await {
                    sum += item;
                    queue.task_done();
                }
                queue.task_done();
                sum
            })
        })
        .collect();
    let total: u64 = runtime.block_on(async {
        let produce = |queue: Arc<Queue<_>>| async move {
            for item in 1..=250_u64 {
                queue.put(Some(item)).await;
            }
        };
        let producers: Vec<_> = (0..4).map(|_| spawn(produce(queue.clone()))).collect();
        for producer in producers {
            producer.await.unwrap();
        }
        queue.join().await;
        for _ in 0..4 {
            queue.put(None).await;
        }
        queue.join().await;
        gather(consumers).await.into_iter().map(Result::unwrap).sum()
    });
    assert_eq!(total, 4 * 250 * 251 / 2);
}

#[test]
fn a_get_that_is_dropped_passes_its_item_on() {
    let queue = Queue::unbounded();
    let mut first = Box::pin(queue.get());
    let mut second = pin!(queue.get());
    assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
    queue.try_put(1).unwrap();
    assert_eq!(queue.try_get(), None, "the item is meant for the first");
    assert!(poll(second.as_mut()).is_pending());
    drop(first);
    assert_eq!(poll(second.as_mut()), Poll::Ready(1));
}

#[test]
fn a_put_that_is_dropped_puts_nothing_and_passes_its_room_on() {
    let queue = Queue::bounded(1);
    queue.try_put(1).unwrap();
    let mut first = Box::pin(queue.put(2));
    let mut second = pin!(queue.put(3));
    assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
    assert_eq!(queue.try_get(), Some(1));
    assert_eq!(queue.try_put(4), Err(Full(4)), "the room is meant for the first");
    drop(first);
    assert!(poll(second.as_mut()).is_ready());
    assert_eq!((queue.try_get(), queue.try_get()), (Some(3), None));
    assert_eq!(queue.try_put(5), Ok(()), "the first keeps no room");
}

#[test]
fn join_waits_for_every_task_done() {
    let queue = Queue::unbounded();
    queue.try_put(1).unwrap();
    queue.try_put(2).unwrap();
    let mut join = pin!(queue.join());
    assert!(poll(join.as_mut()).is_pending());
    while queue.try_get().is_some() {
        assert!(poll(join.as_mut()).is_pending());
        queue.task_done();
    }
    assert!(poll(join.as_mut()).is_ready());
}

#[test]
#[should_panic(expected = "more often than items were put")]
fn task_done_without_an_item_panics() {
    Queue::<()>::unbounded().task_done();
}

#[test]
fn a_consumer_that_always_finds_an_item_lets_others_run() {
    let queue = Arc::new(Queue::unbounded());
    queue.try_put(0).unwrap();
    let endless = queue.clone();
    run(async move {
        let hog = spawn_local(async move {
            loop {
                let item = endless.get().await;
                endless.put(item + 1).await;
            }
        });
        for _ in 0..10 {
            yield_now().await;
        }
        hog.cancel();
    });
    assert!(queue.unfinished() > 100);
}

#[test]
fn a_set_event_wakes_all_and_a_cleared_one_none() {
    let event = Event::new();
    let (mut first, mut second) = (pin!(event.wait()), pin!(event.wait()));
    assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
    event.set();
    event.clear();
    assert!(poll(first.as_mut()).is_ready() && poll(second.as_mut()).is_ready());
    assert!(poll(pin!(event.wait())).is_pending());
    event.set();
    assert!(poll(pin!(event.wait())).is_ready());
}

#[test]
fn a_lock_is_had_in_the_order_in_which_it_was_asked_for() {
    let mutex = Mutex::new(0);
    let guard = mutex.try_lock().unwrap();
    let mut first = pin!(mutex.lock());
    let mut second = Box::pin(mutex.lock());
    let mut third = pin!(mutex.lock());
    assert!(poll(first.as_mut()).is_pending());
    assert!(poll(second.as_mut()).is_pending() && poll(third.as_mut()).is_pending());
    drop(guard);
    assert!(mutex.try_lock().is_none(), "nobody overtakes");
    let Poll::Ready(guard) = poll(first.as_mut()) else { panic!("it is its turn") };
    drop(guard);
    // It is the second's turn, who gives up.
    drop(second);
    assert!(poll(third.as_mut()).is_ready());
    assert!(mutex.try_lock().is_some());
}

#[test]
fn a_panic_under_the_lock_frees_it() {
    run(async {
        let mutex = Arc::new(Mutex::new(0));
        let ours = mutex.clone();
        let panics = spawn(async move {
            *ours.lock().await += 1;
            let _guard = ours.lock().await;
            panic!("under the lock");
        });
        assert!(panics.await.is_err());
        assert_eq!(*mutex.lock().await, 1);
    });
}

#[test]
fn no_update_is_lost_under_the_lock_whoever_is_cancelled() {
    let runtime = Runtime::multi_thread(3).unwrap();
    let mutex = Arc::new(Mutex::new(0));
    let add = |mutex: Arc<Mutex<u32>>| async move {
        for _ in 0..100 {
            let mut guard = mutex.lock().await;
            let before = *guard;
            yield_now().await;
            *guard = before + 1;
        }
    };
    let adders: Vec<_> = (0..4).map(|_| runtime.spawn(add(mutex.clone()))).collect();
    let impatient: Vec<_> = (0..4)
        .map(|_| {
            let mutex = mutex.clone();
            runtime.spawn(async move {
                for _ in 0..50 {
                    let _ = timeout(Duration::from_nanos(1), mutex.lock()).await;
                }
            })
        })
        .collect();
    runtime.block_on(async {
        gather(adders.into_iter().chain(impatient)).await.into_iter().for_each(|ended| ended.unwrap());
        assert_eq!(*mutex.lock().await, 400);
    });
}

#[test]
fn a_get_that_has_its_item_and_is_dropped_keeps_the_order() {
    let queue = Queue::priority();
    let mut first = Box::pin(queue.get());
    let mut second = pin!(queue.get());
    assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
    queue.try_put(2).unwrap();
    queue.try_put(1).unwrap();
    drop(first);
    assert_eq!(poll(second.as_mut()), Poll::Ready(1), "the least comes first, whoever it was meant for");
    assert_eq!(queue.try_get(), Some(2));
}

#[test]
fn a_lifo_queue_waits_for_room_like_any_other() {
    let queue = Queue::bounded_lifo(2);
    queue.try_put(1).unwrap();
    queue.try_put(2).unwrap();
    let mut put = pin!(queue.put(3));
    assert!(poll(put.as_mut()).is_pending());
    assert_eq!(queue.try_get(), Some(2));
    assert!(poll(put.as_mut()).is_ready());
    assert_eq!((queue.try_get(), queue.try_get(), queue.try_get()), (Some(3), Some(1), None));
}

#[test]
fn a_guard_that_owns_goes_to_another_thread() {
    let mutex = Arc::new(Mutex::new(0));
    let mut guard = super::block_on(mutex.clone().lock_owned());
    std::thread::spawn(move || *guard += 1).join().unwrap();
    assert_eq!(*mutex.try_lock().unwrap(), 1);
}
