//! The multi-threaded executor as other threads see it: it starts workers, takes in tasks and wakes
//! workers. `shutdown.rs` says how it ends.

mod shutdown;
pub(crate) use shutdown::close;
#[cfg(feature = "explore")]
mod explored;
pub(crate) mod idle;
pub(crate) mod owned_tasks;
pub(crate) mod parker;
// Unsafe: slots hold tasks as pointers. The thread that moves the head has taken them.
#[allow(unsafe_code)]
pub(crate) mod run_queue;
pub(crate) mod worker;

use crate::shim::os_thread as thread;
use crate::{
    driver::Driver,
    executor::{
        blocking::Blocking,
        context::{self, ThreadRole},
        end::ShutdownMode,
        injector::Injector,
        multi_thread::{
            idle::Idle,
            owned_tasks::OwnedTasks,
            parker::{Parker, WakeReason},
            run_queue::RunQueue,
            worker::Worker,
        },
        reference::ExecutorRefCount,
    },
    shim::{Mutex, lock},
    task::{self, Task},
    time::clock::Clock,
};
use brigade_handle::{forget_panic, refused_thread, wait};
use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
    rc::Rc,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

/// The part of the executor that all threads see.
pub(crate) struct MultiThread {
    pub(crate) remotes: Box<[Remote]>,
    pub(crate) injector: Injector,
    pub(crate) idle: Idle,
    pub(crate) owned: OwnedTasks,
    /// The number of its first worker, in traces.
    first_worker: u64,
    pub(crate) references: ExecutorRefCount,
    pub(crate) driver: Driver,
    pub(crate) blocking: Blocking,
    /// True once the workers have to end.
    pub(crate) stopped: AtomicBool,
    /// The number of workers that have not ended. The last one closes the driver.
    alive: AtomicUsize,
    /// The reason why the executor ended by itself, if it did.
    pub(crate) failure: OnceLock<String>,
}

/// The part of one worker that all threads see.
pub(crate) struct Remote {
    pub(crate) queue: Arc<RunQueue>,
    pub(crate) parker: Parker,
    pub(crate) announced: Announced,
}

/// The position of a task at the time when this worker was last woken: the ring that held it, and the tail
/// of that ring.
#[derive(Default)]
pub(crate) struct Announced {
    pub(crate) victim: AtomicUsize,
    pub(crate) tail: AtomicUsize,
}

/// The threads of the workers. The runtime owns them.
#[derive(Default)]
pub(crate) struct Threads(Mutex<Vec<thread::JoinHandle<()>>>);

/// Starts an executor with this number of workers.
///
/// Returns the error of the operating system if it refuses a descriptor or a thread. The workers that had
/// been started are ended first.
pub(crate) fn start(
    workers: usize,
    name: &str,
    stack_size: Option<usize>,
    max_blocking: usize,
) -> io::Result<(Arc<MultiThread>, Threads)> {
    let (owners, queues): (Vec<_>, Vec<_>) = (0..workers).map(|_| run_queue::new()).unzip();
    let shared = Arc::new(MultiThread::new(queues, max_blocking)?);
    #[cfg(feature = "explore")]
    explored::show_queues(&shared);
    let threads = Threads(Mutex::new(Vec::with_capacity(workers)));
    for (index, queue) in owners.into_iter().enumerate() {
        let mut builder = thread::Builder::new().name(format!("{name}-{index}"));
        if let Some(bytes) = stack_size {
            builder = builder.stack_size(bytes);
        }
        let of_worker = shared.clone();
        match builder.spawn(move || work(index, of_worker, queue)) {
            Ok(thread) => lock(&threads.0).push(thread),
            Err(error) => {
                // The workers that were not started count as ended.
                shared.alive.fetch_sub(workers - index, Ordering::AcqRel);
                let _cancelled = close(&shared, &threads, ShutdownMode::Cancel);
                return Err(refused_thread(&format!("{name}-{index}"), error));
            }
        }
    }
    Ok((shared, threads))
}

/// The life of a worker's thread.
fn work(index: usize, shared: Arc<MultiThread>, queue: run_queue::Owner) {
    shared.remotes[index].parker.own();
    let policy = wait::set(crate::executor::block_on::FORBID);
    let worker = Rc::new(Worker::new(index, shared.clone(), queue));
    let entered = context::enter_as_worker(worker.clone());
    // A task contains the panics of its future, so a panic here would be a bug of this crate.
    let ran = catch_unwind(AssertUnwindSafe(|| worker.run()));
    if let Err(payload) = &ran {
        shared.fail(&**payload);
    }
    forget_panic(ran);
    drop((entered, worker, policy));
    task::return_references();
    // The worker reports the last end of a task when it falls asleep. It never does so again, so it reports
    // here.
    shared.owned.wake_if_empty();
    // AcqRel: everything that the other workers did happens before the last one closes the executor.
    if shared.alive.fetch_sub(1, Ordering::AcqRel) == 1 {
        shared.close();
    }
}

/// Takes in a task that was just spawned, from any thread. The task is cancelled if the runtime is ending.
pub(crate) fn take_in(shared: &MultiThread, task: Task) {
    context::with(|place| match place {
        ThreadRole::Worker(worker) if ptr::eq(&*worker.shared, shared) => worker.take_in(task),
        _ => {
            shared.owned.spawned(None);
            if shared.owned.is_closing() {
                task::refuse(task);
            } else {
                shared.inject(task);
            }
        }
    });
}

/// Queues a task, from any thread.
#[inline]
pub(crate) fn schedule(shared: &MultiThread, task: Task) {
    context::with(|place| match place {
        ThreadRole::Worker(worker) if ptr::eq(&*worker.shared, shared) => worker.schedule(task),
        _ => shared.inject(task),
    });
}

impl MultiThread {
    /// Makes an executor with a worker for each of these queues. No thread runs yet.
    fn new(queues: Vec<Arc<RunQueue>>, max_blocking: usize) -> io::Result<Self> {
        brigade_trace::record_if_asked();
        let workers = queues.len();
        let remote = |queue| Remote { queue, parker: Parker::default(), announced: Announced::default() };
        Ok(Self {
            remotes: queues.into_iter().map(remote).collect(),
            injector: Injector::new(),
            idle: Idle::new(workers),
            owned: OwnedTasks::new(workers),
            first_worker: brigade_trace::worker_numbers(workers),
            references: ExecutorRefCount::default(),
            driver: Driver::new(workers, Clock::os())?,
            blocking: Blocking::new(max_blocking),
            stopped: AtomicBool::new(false),
            alive: AtomicUsize::new(workers),
            failure: OnceLock::new(),
        })
    }

    pub(crate) fn workers(&self) -> usize {
        self.remotes.len()
    }

    #[inline]
    pub(crate) fn is_stopped(&self) -> bool {
        // Relaxed: the thread that stops the workers wakes each of them afterwards.
        self.stopped.load(Ordering::Relaxed)
    }

    pub(crate) fn inject(&self, task: Task) {
        self.inject_unannounced(task);
        self.notify(None);
    }

    /// Queues a task that the caller announces later, together with others.
    pub(crate) fn inject_unannounced(&self, task: Task) {
        if let Err(task) = self.injector.push(task) {
            // The executor has ended, and all its tasks with it. If this task was not complete, it is
            // cancelled here.
            task::refuse(task);
        }
    }

    /// Wakes a worker for a task that others can take, if one has to be woken. `near` is the worker whose
    /// ring holds the task, or the worker to ask first.
    #[inline]
    pub(crate) fn notify(&self, near: Option<usize>) {
        if self.idle.should_wake() {
            self.wake_one(near);
        }
    }

    #[cold]
    fn wake_one(&self, near: Option<usize>) {
        // Waking the worker in the driver costs more, and leaves nobody in the driver.
        let driving = |worker: usize| self.remotes[worker].parker.is_driving();
        let Some(worker) = self.idle.wake_one(driving) else { return };
        if let Some(near) = near {
            let others = (0..self.workers()).map(|n| (near + n) % self.workers());
            let has_tasks = |&ring: &usize| self.remotes[ring].queue.snapshot().tasks > 0;
            if let Some(victim) = others.filter(|&ring| ring != worker).find(has_tasks) {
                let announced = &self.remotes[worker].announced;
                // Relaxed, both: these are hints, and the wake-up publishes them.
                announced.victim.store(victim, Ordering::Relaxed);
                announced.tail.store(self.remotes[victim].queue.snapshot().tail, Ordering::Relaxed);
            }
        }
        self.wake(worker, WakeReason::Search);
    }

    pub(crate) fn wake(&self, worker: usize, reason: WakeReason) {
        self.remotes[worker].parker.wake(reason, || self.driver.reactor.wake());
    }

    /// Tells whether there is a task that other workers can take. Part of the argument at the head of
    /// `idle.rs`.
    pub(crate) fn has_tasks(&self) -> bool {
        self.injector.len() > 0 || self.remotes.iter().any(|remote| remote.queue.has_stealable_tasks())
    }
}
