//! Loom models: every order of the operations that must not lose a task, at tiny sizes.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p brigade-runtime --lib --release` runs them. A model has no driver and no
//! workers: its executor is a bare queue, and its threads run what lies there. What is modelled is the code that runs:
//! the state word and the slot (`task`), the ring (`queue`), the book of sleepers (`idle`).

use crate::{
    scheduler::Scheduler,
    shim::{Mutex, lock},
    task::{self, Outcome, Task},
};
use brigade_handle::JoinHandle;
use std::{collections::VecDeque, future::Future, panic::Location, sync::Arc};

/// The executor of a model: tasks that are ready, for whoever comes to run them.
pub(crate) struct Queue {
    ready: Mutex<VecDeque<Task>>,
}

impl Queue {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { ready: Mutex::new(VecDeque::new()) })
    }

    #[track_caller]
    pub(crate) fn spawn<F: Future>(
        self: &Arc<Self>,
        future: F,
        at: &'static Location<'static>,
    ) -> JoinHandle<F::Output> {
        let (task, handle) = task::new(future, Scheduler::Model(self.clone()), at);
        self.push(task);
        handle
    }

    pub(crate) fn push(&self, task: Task) {
        lock(&self.ready).push_back(task);
    }

    /// Runs what is ready until nothing is.
    pub(crate) fn run(&self) {
        loop {
            let Some(task) = lock(&self.ready).pop_front() else { return };
            if let Outcome::Again(task) = task.run() {
                self.push(task);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        idle::{Awake, Idle},
        queue,
    };
    use brigade_handle::JoinError;
    use loom::{
        sync::atomic::{AtomicBool, AtomicUsize, Ordering},
        thread,
    };
    use std::{
        future::poll_fn,
        task::{Poll, Waker},
    };

    /// A flag that a task waits for.
    struct Flag {
        set: AtomicBool,
        waker: Mutex<Option<Waker>>,
    }

    impl Flag {
        fn new() -> Arc<Self> {
            Arc::new(Self { set: AtomicBool::new(false), waker: Mutex::new(None) })
        }

        async fn wait(self: Arc<Self>) -> u32 {
            poll_fn(|cx| {
                *lock(&self.waker) = Some(cx.waker().clone());
                if self.set.load(Ordering::Acquire) { Poll::Ready(7) } else { Poll::Pending }
            })
            .await
        }

        fn set(&self) {
            self.set.store(true, Ordering::Release);
            let waker = lock(&self.waker).take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    #[test]
    fn a_task_that_is_woken_while_it_runs_is_run_again() {
        loom::model(|| {
            let queue = Queue::new();
            let flag = Flag::new();
            let handle = queue.spawn(flag.clone().wait(), Location::caller());
            let other = thread::spawn(move || flag.set());
            queue.run();
            other.join().unwrap();
            queue.run();
            assert!(handle.is_finished(), "a wake-up was lost");
            assert_eq!(handle.join().unwrap(), 7);
        });
    }

    #[test]
    fn a_task_is_run_by_one_thread_at_a_time() {
        loom::model(|| {
            let queue = Queue::new();
            let flag = Flag::new();
            let handle = queue.spawn(flag.clone().wait(), Location::caller());
            let runner = queue.clone();
            let other = thread::spawn(move || runner.run());
            flag.set();
            queue.run();
            other.join().unwrap();
            queue.run();
            assert_eq!(handle.join().unwrap(), 7);
        });
    }

    #[test]
    fn a_cancelled_task_ends_once_either_way() {
        loom::model(|| {
            let queue = Queue::new();
            let flag = Flag::new();
            let handle = queue.spawn(flag.clone().wait(), Location::caller());
            let other = thread::spawn(move || flag.set());
            queue.run();
            handle.cancel();
            queue.run();
            other.join().unwrap();
            queue.run();
            assert!(matches!(handle.join(), Ok(7) | Err(JoinError::Cancelled)));
        });
    }

    #[test]
    fn a_dropped_handle_and_a_result_meet() {
        loom::model(|| {
            let queue = Queue::new();
            let handle = queue.spawn(async { Arc::new(1) }, Location::caller());
            let other = thread::spawn(move || drop(handle));
            queue.run();
            other.join().unwrap();
        });
    }

    #[test]
    fn what_is_stolen_from_a_ring_is_run_once() {
        loom::model(|| {
            let model = Queue::new();
            let runs = Arc::new(AtomicUsize::new(0));
            let (owner, shared) = queue::new();
            for _ in 0..3 {
                let runs = runs.clone();
                drop(model.spawn(
                    async move {
                        runs.fetch_add(1, Ordering::Relaxed);
                    },
                    Location::caller(),
                ));
                let task = lock(&model.ready).pop_front().unwrap();
                owner.push(task, |_| panic!("the ring has room for three"));
            }
            let other = thread::spawn(move || {
                let (thief, _) = queue::new();
                let mut stolen: Vec<_> = shared.steal(&thief).map(|(task, _)| task).into_iter().collect();
                stolen.extend(std::iter::from_fn(|| thief.pop()));
                stolen.into_iter().for_each(|task| drop(task.run()));
            });
            while let Some(task) = owner.pop() {
                drop(task.run());
            }
            other.join().unwrap();
            assert_eq!(runs.load(Ordering::Relaxed), 3);
        });
    }

    #[test]
    fn the_newest_task_is_taken_by_its_owner_or_a_thief() {
        loom::model(|| {
            let model = Queue::new();
            let runs = Arc::new(AtomicUsize::new(0));
            let counter = runs.clone();
            let (owner, shared) = queue::new();
            drop(model.spawn(
                async move {
                    counter.fetch_add(1, Ordering::Relaxed);
                },
                Location::caller(),
            ));
            let task = lock(&model.ready).pop_front().unwrap();
            assert!(owner.replace_newest(task).is_none());
            let other = thread::spawn(move || shared.steal_newest().map(|task| drop(task.run())));
            let _ = owner.pop_newest().map(|task| drop(task.run()));
            other.join().unwrap();
            assert_eq!(runs.load(Ordering::Relaxed), 1);
        });
    }

    /// Loom has no order over all sequentially consistent operations, so the task lies under a lock here, which orders a
    /// push and a last look as that order does.
    #[test]
    fn a_worker_that_falls_asleep_sees_the_task_or_is_woken() {
        loom::model(|| {
            let idle = Arc::new(Idle::new(2));
            let task = Arc::new(Mutex::new(false));
            let (book, place) = (idle.clone(), task.clone());
            let pusher = thread::spawn(move || {
                *lock(&place) = true;
                if book.should_wake() { book.wake_one(|_| false) } else { None }
            });
            assert!(idle.try_search());
            let _watch = idle.sleep(1, Awake::Searching);
            let seen = *lock(&task);
            let woken = pusher.join().unwrap();
            assert!(seen || woken == Some(1), "the task is left alone");
        });
    }

    #[test]
    fn a_worker_that_stops_to_search_looks_for_what_came_meanwhile() {
        loom::model(|| {
            let idle = Arc::new(Idle::new(2));
            let task = Arc::new(Mutex::new(false));
            // The other worker sleeps already.
            let _watch = idle.sleep(0, Awake::Working);
            let (book, place) = (idle.clone(), task.clone());
            assert!(idle.try_search());
            let pusher = thread::spawn(move || {
                *lock(&place) = true;
                if book.should_wake() { book.wake_one(|_| false) } else { None }
            });
            let last = idle.stop_search();
            let seen = last && *lock(&task);
            let woken = pusher.join().unwrap();
            assert!(seen || woken == Some(0), "the task is left alone");
        });
    }
}
