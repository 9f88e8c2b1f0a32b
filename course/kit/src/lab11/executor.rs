//! The executor that the harness brings. It polls its tasks by hand, or on threads.

use super::BoxFuture;
use crate::log::{broken, lock};
use brigade_explore::{handle::explore, thread};
use std::{
    collections::VecDeque,
    fmt, mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
    task::{Context, Poll, Wake, Waker},
};

/// An executor. All clones are one.
#[derive(Clone, Default)]
pub struct Executor(Arc<Mutex<Tasks>>);

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Executor")
    }
}

// No choice point lies under these locks, so they can be std's.
#[derive(Default)]
struct Tasks {
    all: Vec<Arc<Task>>,
    queue: VecDeque<Arc<Task>>,
    threads: Vec<thread::Thread>,
    is_over: bool,
}

struct Task {
    future: Mutex<Option<BoxFuture<()>>>,
    step: Mutex<Step>,
    executor: Executor,
}

/// The state of a task.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Waits,
    Queued,
    Runs,
    RunsAndWoken,
    Ended,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        let is_due = {
            let mut step = lock(&self.step);
            let old = *step;
            *step = match old {
                Step::Waits => Step::Queued,
                Step::Runs => Step::RunsAndWoken,
                other => other,
            };
            old == Step::Waits
        };
        if is_due {
            self.executor.clone().push(self);
        }
    }
}

impl Executor {
    /// Makes a task of the future. It is polled soon, and then after each wake-up, until it is ready.
    pub fn spawn(&self, future: BoxFuture<()>) {
        let future = Mutex::new(Some(future));
        let task = Arc::new(Task { future, step: Mutex::new(Step::Queued), executor: self.clone() });
        lock(&self.0).all.push(task.clone());
        self.push(task);
    }

    fn push(&self, task: Arc<Task>) {
        let threads = {
            let mut tasks = lock(&self.0);
            tasks.queue.push_back(task);
            tasks.threads.clone()
        };
        threads.iter().for_each(thread::Thread::unpark);
    }

    /// Polls the first task of the queue. Returns whether there was one.
    fn poll_next(&self) -> bool {
        explore::point();
        let Some(task) = lock(&self.0).queue.pop_front() else { return false };
        *lock(&task.step) = Step::Runs;
        // It is gone if the executor has ended meanwhile.
        let Some(mut future) = lock(&task.future).take() else { return true };
        let waker = Waker::from(task.clone());
        let poll = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut Context::from_waker(&waker))));
        match poll {
            Ok(Poll::Pending) => {
                *lock(&task.future) = Some(future);
                let step = mem::replace(&mut *lock(&task.step), Step::Waits);
                if step == Step::RunsAndWoken {
                    task.wake();
                }
            }
            Ok(Poll::Ready(())) => {
                *lock(&task.step) = Step::Ended;
                drop_task(future);
                lock(&self.0).all.retain(|other| !Arc::ptr_eq(other, &task));
            }
            Err(_) => escaped(),
        }
        true
    }

    /// Polls all tasks that are queued, and those that they wake, on the calling thread.
    pub(super) fn turn(&self) {
        while self.poll_next() {}
    }

    /// Returns how many tasks there are.
    pub(super) fn tasks(&self) -> usize {
        lock(&self.0).all.len()
    }

    /// Drops all tasks.
    pub(super) fn end(&self) {
        let tasks = {
            let mut tasks = lock(&self.0);
            tasks.is_over = true;
            tasks.queue.clear();
            tasks.threads.iter().for_each(thread::Thread::unpark);
            mem::take(&mut tasks.all)
        };
        for task in tasks {
            *lock(&task.step) = Step::Ended;
            let future = lock(&task.future).take();
            future.into_iter().for_each(drop_task);
        }
    }

    /// Runs tasks on the calling thread until the executor ends.
    pub(super) fn work(&self) {
        lock(&self.0).threads.push(thread::current());
        loop {
            if lock(&self.0).is_over {
                return;
            }
            if !self.poll_next() {
                thread::park();
            }
        }
    }
}

fn drop_task(future: BoxFuture<()>) {
    if catch_unwind(AssertUnwindSafe(|| drop(future))).is_err() {
        escaped();
    }
}

fn escaped() -> ! {
    broken("panic-escapes", "no panic of a child reaches the executor", "it does, and would end its thread")
}
