//! The queue between threads.

use brigade_pool::queue::Queue;
use std::{
    panic,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

#[test]
fn items_come_out_in_the_order_in_which_they_went_in() {
    let queue = Queue::bounded(2);
    thread::scope(|scope| {
        scope.spawn(|| (0..1_000).for_each(|item| queue.put(Some(item))));
        (0..1_000).for_each(|item| assert_eq!(queue.get(), Some(item)));
    });
    assert!(queue.is_empty());
}

#[test]
fn many_producers_and_consumers_lose_nothing_and_double_nothing() {
    let queue = Queue::bounded(3);
    let (sum, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(item) = queue.get() {
                    sum.fetch_add(item, Ordering::Relaxed);
                    taken.fetch_add(1, Ordering::Relaxed);
                    queue.task_done();
                }
                queue.task_done();
            });
        }
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (1..=1_000).for_each(|item| queue.put(Some(item))));
            }
        });
        (0..4).for_each(|_| queue.put(None));
        queue.join();
        assert_eq!(queue.unfinished(), 0);
    });
    assert_eq!((taken.into_inner(), sum.into_inner()), (4_000, 4 * 500_500));
}

#[test]
fn a_bounded_queue_never_holds_more_than_it_may() {
    let queue = Queue::bounded(2);
    thread::scope(|scope| {
        scope.spawn(|| (0..100).for_each(|item| queue.put(item)));
        for _ in 0..100 {
            assert!(queue.len() <= 2);
            queue.get();
        }
    });
}

#[test]
fn join_waits_for_what_is_taken_and_not_done() {
    let queue = Queue::unbounded();
    queue.put(1);
    assert_eq!(queue.get(), 1);
    assert_eq!((queue.len(), queue.unfinished()), (0, 1));
    thread::scope(|scope| {
        let waiter = scope.spawn(|| queue.join());
        queue.task_done();
        waiter.join().unwrap();
    });
    queue.join();
}

#[test]
fn a_task_that_is_done_twice_is_a_mistake() {
    let queue = Queue::<u8>::unbounded();
    let panic = panic::catch_unwind(|| queue.task_done()).unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"task_done was called more often than items were put"));
}

#[test]
fn a_try_finds_what_is_there() {
    let queue = Queue::unbounded();
    assert_eq!(queue.try_get(), None);
    queue.put('a');
    assert_eq!(queue.try_get(), Some('a'));
}
