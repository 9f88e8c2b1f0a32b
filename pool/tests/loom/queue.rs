//! The blocking queue.

use super::check;
use brigade_pool::queue::Queue;
use loom::thread;
use std::sync::Arc;

#[test]
fn a_get_wakes_a_waiting_put_and_a_put_wakes_a_waiting_get() {
    check(|| {
        let queue = Arc::new(Queue::bounded(1));
        let theirs = queue.clone();
        let getter = thread::spawn(move || (theirs.get(), theirs.get()));
        queue.put(1);
        queue.put(2);
        assert_eq!(getter.join().unwrap(), (1, 2));
    });
}

#[test]
fn a_joiner_sees_the_last_task_done() {
    check(|| {
        let queue = Arc::new(Queue::unbounded());
        queue.put(1);
        let theirs = queue.clone();
        let worker = thread::spawn(move || {
            theirs.get();
            theirs.task_done();
        });
        queue.join();
        assert_eq!((queue.len(), queue.unfinished()), (0, 0));
        worker.join().unwrap();
    });
}
