//! Models of cancelling through a handle that does not own the result, while the task completes, while the
//! other handle is used, and while the executor ends.

use super::{Queue, tests::Flag};
use crate::task::Outcome;
use brigade_handle::{CancelHandle, JoinError, JoinHandle};
use loom::thread::{self, ThreadId};
use std::{
    future::Future,
    panic::Location,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

/// A value in the future that records where it was dropped. Its lock is the standard library's, and each
/// operation takes it alone.
#[derive(Clone, Default)]
struct Dropped(Arc<Mutex<Vec<ThreadId>>>);

struct Held(Dropped);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.0.lock().unwrap().push(thread::current().id());
    }
}

impl Dropped {
    /// Makes a future that is dropped when this has been told once.
    fn watch<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        let held = Held(self.clone());
        async move {
            let _held = held;
            future.await
        }
    }

    fn by(&self) -> Vec<ThreadId> {
        self.0.lock().unwrap().clone()
    }
}

/// Asserts that everything in the task's allocation has been given back: its reference to the executor was
/// the last one.
fn assert_freed(queue: &Arc<Queue>) {
    assert_eq!(Arc::strong_count(queue), 1, "the task's memory is not freed");
}

/// Cancels and drops the handle. Its answer about the end of the task stays true afterwards.
fn cancel(handle: CancelHandle) -> bool {
    let finished = handle.is_finished();
    handle.cancel();
    assert!(handle.is_finished() || !finished, "an end is no end");
    finished
}

#[test]
fn a_cancel_and_a_completion_meet_and_the_joiner_hears_of_one() {
    loom::model(|| {
        let (queue, flag, dropped) = (Queue::new(), Flag::new(), Dropped::default());
        let handle = queue.spawn(dropped.watch(flag.clone().wait()), Location::caller());
        let canceller = handle.cancel_handle();
        queue.run();
        let other = thread::spawn(move || cancel(canceller));
        flag.set();
        queue.run();
        let was_finished = other.join().unwrap();
        queue.run();
        assert_eq!(dropped.by(), [thread::current().id()], "the runner drops the future, once");
        match handle.join() {
            Ok(7) => {}
            Err(JoinError::Cancelled(_)) => assert!(!was_finished, "it was cancelled after its end"),
            result => panic!("{result:?}"),
        }
        drop(flag);
        assert_freed(&queue);
    });
}

#[test]
fn a_cancel_by_one_thread_and_a_run_by_another_end_the_task_once() {
    loom::model(|| {
        let (queue, dropped) = (Queue::new(), Dropped::default());
        let handle = queue.spawn(dropped.watch(std::future::pending::<u32>()), Location::caller());
        let canceller = handle.cancel_handle();
        let runner = queue.clone();
        let other = thread::spawn(move || runner.run());
        cancel(canceller);
        queue.run();
        other.join().unwrap();
        queue.run();
        assert_eq!(dropped.by().len(), 1);
        assert!(matches!(handle.join(), Err(JoinError::Cancelled(_))));
        assert_freed(&queue);
    });
}

/// Runs a task that is ready at once. Its output is dropped once, whatever `handle` and `runner` do while
/// another thread cancels. `before` runs first.
fn the_last_frees(before: fn(&Queue), handle: fn(JoinHandle<Output>), runner: fn(&Queue)) {
    loom::model(move || {
        let (queue, outputs) = (Queue::new(), Arc::new(AtomicUsize::new(0)));
        let output = Output(outputs.clone());
        let joiner = queue.spawn(async { output }, Location::caller());
        let canceller = joiner.cancel_handle();
        before(&queue);
        let other = thread::spawn(move || cancel(canceller));
        handle(joiner);
        runner(&queue);
        other.join().unwrap();
        assert_eq!(outputs.load(Ordering::Relaxed), 1);
        assert_freed(&queue);
    });
}

#[test]
fn the_last_of_runner_handle_and_cancel_handle_frees_the_task() {
    the_last_frees(|_| {}, drop, Queue::run);
    the_last_frees(Queue::run, drop, |_| {});
    the_last_frees(Queue::run, |handle| drop(handle.join()), |_| {});
}

/// Counts its drops, by a counter of the standard library.
struct Output(Arc<AtomicUsize>);

impl Drop for Output {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn an_executor_that_ends_waits_for_the_entry_that_a_cancel_has_made() {
    loom::model(|| {
        let (queue, dropped) = (Queue::new(), Dropped::default());
        let handle = queue.spawn(dropped.watch(std::future::pending::<u32>()), Location::caller());
        let canceller = handle.cancel_handle();
        drop(handle);
        let task = queue.pop().expect("it was spawned");
        let listed = task.to_ref();
        assert!(matches!(task.run(), Outcome::Done));
        let other = thread::spawn(move || cancel(canceller));
        // The end: cancels the tasks on the list, and runs until none is ready.
        listed.cancel();
        while dropped.by().is_empty() {
            queue.run();
            thread::yield_now();
        }
        queue.close();
        other.join().unwrap();
        assert_eq!(
            dropped.by(),
            [thread::current().id()],
            "no other thread drops the future, which may not leave"
        );
        assert_freed(&queue);
    });
}

#[test]
fn a_cancel_after_the_executors_end_does_nothing() {
    loom::model(|| {
        let (queue, dropped) = (Queue::new(), Dropped::default());
        let handle = queue.spawn(dropped.watch(std::future::pending::<u32>()), Location::caller());
        let (first, second) = (handle.cancel_handle(), handle.cancel_handle().clone());
        let other = thread::spawn(move || cancel(first));
        // A task that was never run is cancelled with the queue that holds it.
        queue.close();
        assert!(cancel(second));
        other.join().unwrap();
        assert_eq!(dropped.by(), [thread::current().id()]);
        assert!(matches!(handle.join(), Err(JoinError::Cancelled(_))));
        assert_freed(&queue);
    });
}
