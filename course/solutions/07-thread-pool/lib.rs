//! Lab 7: park, unpark and a thread pool.

use brigade_course_kit::{
    lab07::{Job, Park, Pool, Queue},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread::{JoinHandle, spawn_named},
};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The expectation of each lock: jobs run outside of them.
const NO_PANIC: &str = "no thread panics with the lock";

/// A place in which one thread sleeps, with one token.
#[derive(Default)]
pub struct Parker {
    token: Mutex<bool>,
    bell: Condvar,
}

impl Park for Parker {
    fn park(&self) {
        let mut token = self.token.lock().expect(NO_PANIC);
        while !*token {
            token = self.bell.wait(token).expect(NO_PANIC);
        }
        *token = false;
    }

    fn unpark(&self) {
        // Under the lock: the sleeper either sees the token, or sleeps already.
        *self.token.lock().expect(NO_PANIC) = true;
        self.bell.notify_one();
    }
}

/// The student's pool.
pub struct Student {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// The memory that a pool and its workers share.
///
/// ```text
///   spawn                               worker that finds nothing
///   1 push the job                      1 enter the idle list
///   2 take a worker out of the list     2 look into the queue once more
///   3 unpark it                         3 park
/// ```
///
/// If the look comes before the push, the worker is in the list when `spawn` reads it.
struct Shared {
    queue: Arc<Queue>,
    /// The workers that are parked, or about to be.
    idle: Mutex<Vec<usize>>,
    parkers: Vec<Parker>,
    is_closed: AtomicBool,
}

impl Shared {
    /// Runs jobs until the pool is closed and the queue is empty.
    fn work(&self, worker: usize) {
        loop {
            // Before the look, which then finds every job that was pushed before the close.
            let is_closed = self.is_closed.load(SeqCst);
            if let Some(job) = self.queue.pop() {
                run(job);
            } else if is_closed {
                return;
            } else {
                self.sleep(worker);
            }
        }
    }

    /// Sleeps until a spawner or the shutdown unparks this worker, unless a job has come meanwhile.
    fn sleep(&self, worker: usize) {
        self.idle.lock().expect(NO_PANIC).push(worker);
        match self.queue.pop() {
            None => self.parkers[worker].park(),
            Some(job) => {
                // A spawner may have taken this worker out already. Then the next park ends at once.
                self.idle.lock().expect(NO_PANIC).retain(|&other| other != worker);
                run(job);
            }
        }
    }
}

/// Runs a job. A panic ends the job, and not the worker.
fn run(job: Job) {
    let _ = catch_unwind(AssertUnwindSafe(|| job.run()));
}

impl Pool for Student {
    type Parker = Parker;

    fn new(workers: usize, queue: Arc<Queue>) -> Self {
        let shared = Arc::new(Shared {
            queue,
            idle: Mutex::default(),
            parkers: (0..workers).map(|_| Parker::default()).collect(),
            is_closed: AtomicBool::new(false),
        });
        let start = |worker: usize| {
            let shared = shared.clone();
            spawn_named(&format!("worker {}", worker + 1), move || shared.work(worker))
        };
        let threads = (0..workers).map(start).collect();
        Self { shared, threads }
    }

    fn spawn(&self, job: Job) {
        self.shared.queue.push(job);
        // Taken out, so that the next job wakes another worker.
        let idle = self.shared.idle.lock().expect(NO_PANIC).pop();
        if let Some(worker) = idle {
            self.shared.parkers[worker].unpark();
        }
    }

    fn shutdown(self) {
        self.shared.is_closed.store(true, SeqCst);
        // A worker that has read the flag before finds its token.
        self.shared.parkers.iter().for_each(Park::unpark);
        for thread in self.threads {
            thread.join().expect("a worker catches the panics of its jobs");
        }
    }
}
