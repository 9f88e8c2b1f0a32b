//! Lab 2: a task and a run queue. The chapter is `course/book/src/labs/02-run-queue.md`.

use brigade_course_kit::{
    lab02::Executor,
    sync::{Arc, Condvar, Mutex},
    to_write,
};
use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    task::{Context, Wake, Waker},
};

/// Your executor. The grader calls its functions. All clones share its queue.
#[derive(Clone)]
pub struct Student(Arc<Shared>);

/// The part that wakers reach from any thread.
struct Shared {
    queue: Mutex<RunQueue>,
    changes: Condvar,
}

struct RunQueue {
    // Step 1: which tasks are ready, in which order? And how many tasks have not ended yet?
    ready: VecDeque<Arc<Task>>,
}

type BoxedFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A spawned future. Its wakers share it.
pub struct Task {
    shared: Arc<Shared>,
    // Step 2: how does a waker know that the task is in the queue already?
    // Step 5: where is the future while it is polled, and what remains of it after its end?
    future: Mutex<Option<BoxedFuture>>,
}

impl Shared {
    /// Puts a task at the end of the queue.
    fn push(&self, task: Arc<Task>) {
        self.queue.lock().unwrap().ready.push_back(task);
        self.changes.notify_one();
    }

    /// Takes the task that has waited longest. Sleeps while there is none, and returns `None` once all have
    /// ended.
    fn pop(&self) -> Option<Arc<Task>> {
        to_write("step 3: take a task, sleep, or return")
    }
}

impl Task {
    /// Polls the future once, if the task has not ended.
    fn run_once(self: &Arc<Self>) {
        let waker = Waker::from(self.clone());
        let _context = Context::from_waker(&waker);
        let _future = &self.future;
        to_write("step 4: poll the future, and decide what comes after the poll")
    }

    /// Ends the task.
    fn cancel(&self) {
        to_write("step 5: drop the future, now or after its poll")
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        let _shared = &self.shared;
        to_write("step 2: put the task into the queue, if it is not there")
    }
}

impl Executor for Student {
    type Task = Arc<Task>;

    fn new() -> Self {
        let queue = Mutex::new(RunQueue { ready: VecDeque::new() });
        Self(Arc::new(Shared { queue, changes: Condvar::new() }))
    }

    fn spawn<F: Future<Output = ()> + Send + 'static>(&self, future: F) -> Arc<Task> {
        // Step 1: count the task.
        let future: BoxedFuture = Box::pin(future);
        let task = Arc::new(Task { shared: self.0.clone(), future: Mutex::new(Some(future)) });
        self.0.push(task.clone());
        task
    }

    fn run(&self) {
        while let Some(task) = self.0.pop() {
            task.run_once();
        }
    }

    fn cancel(&self, task: &Arc<Task>) {
        task.cancel();
    }
}
