//! Loom models: every order of the operations that must not lose a task, at tiny sizes.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p brigade-runtime --lib --release` runs them. A model has no driver
//! and no workers: its executor is a bare queue, and its threads run the tasks in it. The code under the
//! model is the real code.
//!
//! | code | model |
//! |---|---|
//! | the state word and the slot (`task/`) | this file |
//! | the same, where nothing but the state word orders | `model/wakes.rs` |
//! | the same, with handles that cancel | `model/cancel.rs` |
//! | the ring (`run_queue.rs`) | this file, and `model/ring.rs` with an owner that appends meanwhile |
//! | the list of sleeping workers (`idle.rs`) | this file |
//! | the watchers among them | `model/watchers.rs` |
//! | the parker (`parker.rs`) | this file |
//! | the children of one task (`combine/poll_set.rs`) | `model/poll_set.rs` |
//! | timers | `time/timers.rs` |
//! | the sleep of a current-thread executor | `executor/current_thread/inbox.rs` |
//! | a task group | `group/task_group/model.rs` |
//! | a source | `driver/source/model.rs` |

use crate::{
    executor::{reference::ExecutorBorrow, reference::ExecutorRefCount},
    shim::{Mutex, lock},
    task::{self, Outcome, Task},
};
use brigade_handle::JoinHandle;
use std::{collections::VecDeque, future::Future, panic::Location, sync::Arc};
#[cfg(test)]
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    task::Wake,
};

/// The executor of a model: a queue of tasks that are ready. Any thread of the model runs them.
pub(crate) struct Queue {
    /// None when the executor has ended.
    ready: Mutex<Option<VecDeque<Task>>>,
    pub(crate) references: ExecutorRefCount,
}

impl Queue {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { ready: Mutex::new(Some(VecDeque::new())), references: ExecutorRefCount::default() })
    }

    #[track_caller]
    pub(crate) fn spawn<F: Future>(
        self: &Arc<Self>,
        future: F,
        at: &'static Location<'static>,
    ) -> JoinHandle<F::Output> {
        let (task, handle) = task::new(future, ExecutorBorrow::model(self), at);
        self.push(task);
        handle
    }

    pub(crate) fn push(&self, task: Task) {
        let refused = match &mut *lock(&self.ready) {
            Some(ready) => {
                ready.push_back(task);
                None
            }
            None => Some(task),
        };
        drop(refused);
    }

    /// Takes the first task that is ready.
    pub(crate) fn pop(&self) -> Option<Task> {
        lock(&self.ready).as_mut()?.pop_front()
    }

    /// Ends the executor: cancels the tasks that are ready, and those that come later.
    #[cfg(test)]
    pub(crate) fn close(&self) {
        let ready = lock(&self.ready).take();
        drop(ready);
    }

    /// Runs tasks until none is ready.
    pub(crate) fn run(&self) {
        while let Some(task) = self.pop() {
            if let Outcome::Again(task) = task.run() {
                self.push(task);
            }
        }
    }
}

/// Counts its wake-ups. The counter is the standard library's, because no thread of the model waits for it.
#[cfg(test)]
#[derive(Default)]
pub(crate) struct Count(AtomicUsize);

#[cfg(test)]
impl Count {
    pub(crate) fn times(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod cancel;
#[cfg(test)]
mod poll_set;
#[cfg(test)]
mod ring;
#[cfg(test)]
mod wakes;
#[cfg(test)]
mod watchers;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::{
        injector::Injector,
        multi_thread::{
            idle::{Awake, Idle},
            parker::{Parker, WakeReason},
            run_queue,
        },
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
    pub(super) struct Flag {
        set: AtomicBool,
        waker: Mutex<Option<Waker>>,
    }

    impl Flag {
        pub(super) fn new() -> Arc<Self> {
            Arc::new(Self { set: AtomicBool::new(false), waker: Mutex::new(None) })
        }

        pub(super) async fn wait(self: Arc<Self>) -> u32 {
            poll_fn(|cx| {
                *lock(&self.waker) = Some(cx.waker().clone());
                if self.set.load(Ordering::Acquire) { Poll::Ready(7) } else { Poll::Pending }
            })
            .await
        }

        pub(super) fn set(&self) {
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
            assert!(matches!(handle.join(), Ok(7) | Err(JoinError::Cancelled(_))));
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
    fn a_task_stolen_from_a_ring_is_run_once() {
        loom::model(|| {
            let model = Queue::new();
            let runs = Arc::new(AtomicUsize::new(0));
            let (owner, shared) = run_queue::new();
            for _ in 0..3 {
                let runs = runs.clone();
                drop(model.spawn(
                    async move {
                        runs.fetch_add(1, Ordering::Relaxed);
                    },
                    Location::caller(),
                ));
                let task = model.pop().unwrap();
                owner.push(task, |_| panic!("the ring has room for three"));
            }
            let other = thread::spawn(move || {
                let (thief, _) = run_queue::new();
                let mut stolen: Vec<_> =
                    shared.steal(&thief).map(|stolen| stolen.first).into_iter().collect();
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

    /// Does what a thread does after it has put a task where others can take it. Returns the woken worker.
    fn notify(idle: &Idle) -> Option<usize> {
        if idle.should_wake() { idle.wake_one(|_| false) } else { None }
    }

    #[test]
    fn a_worker_that_falls_asleep_sees_the_task_in_a_ring_or_is_woken() {
        loom::model(|| {
            let (idle, model, (owner, shared)) = (Arc::new(Idle::new(2)), Queue::new(), run_queue::new());
            drop(model.spawn(async {}, Location::caller()));
            let book = idle.clone();
            let sleeper = thread::spawn(move || {
                assert!(book.try_search());
                let _watch = book.fall_asleep(1, Awake::Searching);
                shared.has_stealable_tasks()
            });
            owner.push(model.pop().unwrap(), |_| panic!("the ring has room"));
            let woken = notify(&idle);
            assert!(sleeper.join().unwrap() || woken == Some(1), "the task is left alone");
        });
    }

    #[test]
    fn a_worker_that_stops_to_search_looks_for_what_came_meanwhile() {
        loom::model(|| {
            let (idle, model, injector) = (Arc::new(Idle::new(2)), Queue::new(), Arc::new(Injector::new()));
            drop(model.spawn(async {}, Location::caller()));
            // The other worker already sleeps.
            let _watch = idle.fall_asleep(0, Awake::Working);
            assert!(idle.try_search());
            let (book, from) = (idle.clone(), injector.clone());
            let searcher = thread::spawn(move || book.stop_search() && from.len() > 0);
            assert!(injector.push(model.pop().unwrap()).is_ok());
            let woken = notify(&idle);
            assert!(searcher.join().unwrap() || woken == Some(0), "the task is left alone");
        });
    }

    #[test]
    fn a_worker_that_is_called_does_not_sleep_on_its_thread() {
        loom::model(|| {
            let parker = Arc::new(Parker::default());
            parker.own();
            let came = Arc::new(AtomicBool::new(false));
            let calls = [WakeReason::Search, WakeReason::Watch].map(|call| {
                let (parker, came) = (parker.clone(), came.clone());
                thread::spawn(move || {
                    if call == WakeReason::Watch {
                        came.store(true, Ordering::Relaxed);
                    }
                    parker.wake(call, || panic!("it is not in the driver"));
                })
            });
            // A lost call is a deadlock here.
            while !parker.park(None).contains(WakeReason::Watch) {}
            assert!(came.load(Ordering::Relaxed), "what came before the call is not seen");
            calls.into_iter().for_each(|call| call.join().unwrap());
        });
    }

    #[test]
    fn a_worker_that_is_called_does_not_sleep_in_the_driver() {
        loom::model(|| {
            let parker = Arc::new(Parker::default());
            parker.own();
            let came = Arc::new(AtomicBool::new(false));
            let (calling, coming) = (parker.clone(), came.clone());
            let caller = thread::spawn(move || {
                let mut woken = false;
                coming.store(true, Ordering::Relaxed);
                calling.wake(WakeReason::Search, || woken = true);
                woken
            });
            let entered = parker.enter_driver();
            if let Err(called) = entered {
                assert!(called.contains(WakeReason::Search));
                assert!(came.load(Ordering::Relaxed), "what came before the call is not seen");
            }
            let woken = caller.join().unwrap();
            if entered.is_ok() {
                assert!(woken, "it sleeps in the driver for ever");
                assert!(parker.take_reasons().contains(WakeReason::Search));
            }
        });
    }
}
