//! Lab 2: a task and a run queue.

use brigade_course_kit::{
    lab02::Executor,
    sync::{
        Arc, Condvar, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};
use std::{
    collections::VecDeque,
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll, Wake, Waker},
};

/// The student's executor. All clones share its queue.
#[derive(Clone)]
pub struct Student(Arc<Shared>);

/// The part that wakers reach from any thread.
struct Shared {
    queue: Mutex<RunQueue>,
    /// Notified when a task comes into the queue, and when the last task has ended.
    changes: Condvar,
}

struct RunQueue {
    ready: VecDeque<Arc<Task>>,
    /// The number of tasks that have not ended, in the queue or not.
    alive: usize,
}

type BoxedFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A spawned future. Its wakers share it.
pub struct Task {
    shared: Arc<Shared>,
    /// Whether the task is in the queue. Only the thread that sets it may push the task.
    is_queued: AtomicBool,
    /// The lock is never held while code of the future runs.
    stage: Mutex<Stage>,
}

enum Stage {
    Waits(BoxedFuture),
    /// The future is in the hands of `run_once`.
    Runs,
    Ended,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, RunQueue> {
        self.queue.lock().expect("no thread panics with the lock")
    }

    fn push(&self, task: Arc<Task>) {
        self.lock().ready.push_back(task);
        self.changes.notify_one();
    }

    /// Takes the task that has waited longest. Sleeps while there is none, and returns `None` once all have
    /// ended.
    fn pop(&self) -> Option<Arc<Task>> {
        let mut queue = self.lock();
        loop {
            if queue.alive == 0 {
                return None;
            }
            if let Some(task) = queue.ready.pop_front() {
                return Some(task);
            }
            queue = self.changes.wait(queue).expect("no thread panics with the lock");
        }
    }

    fn note_end(&self) {
        self.lock().alive -= 1;
        self.changes.notify_one();
    }
}

impl Task {
    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().expect("no thread panics with the lock")
    }

    /// Polls the future once, if the task has not ended.
    fn run_once(self: &Arc<Self>) {
        // This comes before the poll: a wake-up during the poll must find it clear, and push the task again.
        self.is_queued.store(false, SeqCst);
        let mut future = {
            let mut stage = self.stage();
            match mem::replace(&mut *stage, Stage::Runs) {
                Stage::Waits(future) => future,
                ended => {
                    *stage = ended;
                    return;
                }
            }
        };
        let waker = Waker::from(self.clone());
        let poll = future.as_mut().poll(&mut Context::from_waker(&waker));
        let mut stage = self.stage();
        if poll.is_pending() && matches!(*stage, Stage::Runs) {
            *stage = Stage::Waits(future);
            return;
        }
        // It is ready, or was cancelled during the poll.
        *stage = Stage::Ended;
        drop(stage);
        drop(future);
        self.shared.note_end();
    }

    fn cancel(&self) {
        let stage = mem::replace(&mut *self.stage(), Stage::Ended);
        if let Stage::Waits(future) = stage {
            drop(future);
            self.shared.note_end();
        }
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        if !self.is_queued.swap(true, SeqCst) {
            self.shared.clone().push(self);
        }
    }
}

impl Executor for Student {
    type Task = Arc<Task>;

    fn new() -> Self {
        let queue = Mutex::new(RunQueue { ready: VecDeque::new(), alive: 0 });
        Self(Arc::new(Shared { queue, changes: Condvar::new() }))
    }

    fn spawn<F: Future<Output = ()> + Send + 'static>(&self, future: F) -> Arc<Task> {
        let task = Arc::new(Task {
            shared: self.0.clone(),
            is_queued: AtomicBool::new(true),
            stage: Mutex::new(Stage::Waits(Box::pin(future))),
        });
        self.0.lock().alive += 1;
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
