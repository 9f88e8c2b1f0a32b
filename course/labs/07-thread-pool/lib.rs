//! Lab 7: park, unpark and a thread pool. The chapter is `course/book/src/labs/07-thread-pool.md`.

use brigade_course_kit::{
    lab07::{Job, Park, Pool, Queue},
    sync::{Arc, Condvar, Mutex},
    thread::{JoinHandle, spawn_named},
    to_write,
};

/// A place in which one thread sleeps, with one token.
#[derive(Default)]
pub struct Parker {
    // Step 1: what is a token?
    _lock: Mutex<()>,
    _bell: Condvar,
}

impl Park for Parker {
    fn park(&self) {
        to_write("step 1: take the token, or sleep until there is one")
    }

    fn unpark(&self) {
        to_write("step 1: leave a token, and end the sleep")
    }
}

/// Your pool. The grader makes it, spawns jobs, and shuts it down.
pub struct Student {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// The memory that a pool and its workers share.
struct Shared {
    queue: Arc<Queue>,
    // Step 4: which workers sleep, and where? Step 5: is the pool closed?
}

impl Shared {
    /// Runs jobs until the pool is closed and the queue is empty. Each worker calls it.
    fn work(&self, _worker: usize) {
        while let Some(job) = self.queue.pop() {
            run(job);
        }
        to_write("step 4: sleep until there is a job")
    }
}

/// Runs a job.
fn run(_job: Job) {
    to_write("step 3: run the job; its panic must not end the worker")
}

impl Pool for Student {
    type Parker = Parker;

    fn new(workers: usize, queue: Arc<Queue>) -> Self {
        let shared = Arc::new(Shared { queue });
        let start = |worker: usize| {
            let shared = shared.clone();
            spawn_named(&format!("worker {}", worker + 1), move || shared.work(worker))
        };
        let threads = (0..workers).map(start).collect();
        Self { shared, threads }
    }

    fn spawn(&self, job: Job) {
        self.shared.queue.push(job);
        to_write("step 2 and 4: wake a worker that sleeps")
    }

    fn shutdown(self) {
        let _workers_to_join = self.threads;
        to_write("step 5: wake all workers, and wait until they have ended")
    }
}
