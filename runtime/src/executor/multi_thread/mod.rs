//! The multi-threaded executor, as seen from outside of its workers: starting, spawning, waking. How it ends is in `ending.rs`.

mod ending;
pub(crate) mod idle;
pub(crate) mod owned;
pub(crate) mod parker;
// Unsafe: slots hold tasks as pointers, which whoever moves the head has taken.
#[allow(unsafe_code)]
pub(crate) mod run_queue;
pub(crate) mod worker;

use crate::{
    driver::Driver,
    executor::{
        blocking::Blocking,
        context::{self, Place},
        end::End,
        home::Homes,
        injector::Injector,
        multi_thread::{
            idle::Idle,
            owned::Owned,
            parker::{Call, Parker},
            run_queue::Queue,
            worker::Worker,
        },
    },
    shim::{Mutex, lock},
    task::{self, Task},
    time::clock::Clock,
};
use brigade_handle::{forget_panic, wait};
use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
    rc::Rc,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

/// What all threads see.
pub(crate) struct Shared {
    pub(crate) remotes: Box<[Remote]>,
    pub(crate) injector: Injector,
    pub(crate) idle: Idle,
    pub(crate) owned: Owned,
    pub(crate) homes: Homes,
    pub(crate) driver: Driver,
    pub(crate) blocking: Blocking,
    /// The workers end.
    pub(crate) stopped: AtomicBool,
    /// How many workers have not ended. The last one closes the driver.
    alive: AtomicUsize,
    /// Why the executor has ended by itself, if it has.
    pub(crate) failure: OnceLock<String>,
}

/// What all threads see of one worker.
pub(crate) struct Remote {
    pub(crate) queue: Arc<Queue>,
    pub(crate) parker: Parker,
    /// Where a task lay when this worker was last woken: a ring, and its tail then.
    pub(crate) lay: (AtomicUsize, AtomicUsize),
}

/// The workers' threads, owned by the runtime.
pub(crate) struct Crew {
    pub(crate) shared: Arc<Shared>,
    pub(crate) threads: Mutex<Vec<thread::JoinHandle<()>>>,
}

/// Starts an executor.
pub(crate) fn start(
    workers: usize,
    name: &str,
    stack_size: Option<usize>,
    max_blocking: usize,
) -> io::Result<Crew> {
    let (owners, queues): (Vec<_>, Vec<_>) = (0..workers).map(|_| run_queue::new()).unzip();
    let remote = |queue| Remote { queue, parker: Parker::default(), lay: Default::default() };
    let shared = Arc::new(Shared {
        remotes: queues.into_iter().map(remote).collect(),
        injector: Injector::new(),
        idle: Idle::new(workers),
        owned: Owned::new(workers),
        homes: Homes::default(),
        driver: Driver::new(workers, Clock::os())?,
        blocking: Blocking::new(max_blocking),
        stopped: AtomicBool::new(false),
        alive: AtomicUsize::new(workers),
        failure: OnceLock::new(),
    });
    let crew = Crew { shared: shared.clone(), threads: Mutex::new(Vec::with_capacity(workers)) };
    for (index, queue) in owners.into_iter().enumerate() {
        let mut builder = thread::Builder::new().name(format!("{name}-{index}"));
        if let Some(bytes) = stack_size {
            builder = builder.stack_size(bytes);
        }
        let shared = shared.clone();
        match builder.spawn(move || work(index, shared, queue)) {
            Ok(thread) => lock(&crew.threads).push(thread),
            Err(error) => {
                // Those that were not started have ended already.
                crew.shared.alive.fetch_sub(workers - index, Ordering::AcqRel);
                let _cancelled = crew.close(End::Cancel);
                return Err(error);
            }
        }
    }
    Ok(crew)
}

/// The life of a worker's thread.
fn work(index: usize, shared: Arc<Shared>, queue: run_queue::Owner) {
    shared.remotes[index].parker.own();
    let policy = wait::set(crate::executor::block_on::FORBID);
    let worker = Rc::new(Worker::new(index, shared.clone(), queue));
    let entered = context::enter_as_worker(worker.clone());
    // Tasks contain the panics of their futures, so this one would be a bug of ours.
    let ran = catch_unwind(AssertUnwindSafe(|| worker.run()));
    if let Err(payload) = &ran {
        shared.fail(&**payload);
    }
    forget_panic(ran);
    drop((entered, worker, policy));
    task::leave();
    // It does not fall asleep any more, which is when it would have said so.
    shared.owned.wake_if_empty();
    // AcqRel: the last one comes after all that the others did.
    if shared.alive.fetch_sub(1, Ordering::AcqRel) == 1 {
        shared.close();
    }
}

/// Takes in a task that was just spawned, from any thread. It is cancelled if the runtime ends.
pub(crate) fn take_in(shared: &Shared, task: Task) {
    context::with(|place| match place {
        Place::Worker(worker) if ptr::eq(&*worker.shared, shared) => worker.take_in(task),
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
pub(crate) fn schedule(shared: &Shared, task: Task) {
    context::with(|place| match place {
        Place::Worker(worker) if ptr::eq(&*worker.shared, shared) => worker.schedule(task),
        _ => shared.inject(task),
    });
}

impl Shared {
    pub(crate) fn workers(&self) -> usize {
        self.remotes.len()
    }

    #[inline]
    pub(crate) fn is_stopped(&self) -> bool {
        // Relaxed: who stops the workers calls each of them afterwards.
        self.stopped.load(Ordering::Relaxed)
    }

    fn inject(&self, task: Task) {
        match self.injector.push(task) {
            Ok(()) => self.notify(None),
            // The executor is gone, and with it all its tasks: this one is cancelled here, if it was not complete.
            Err(task) => task::refuse(task),
        }
    }

    /// Wakes a worker for a task that was put where others can take it, if one has to be. `near` is the worker whose ring it is in, or the
    /// first to be asked.
    #[inline]
    pub(crate) fn notify(&self, near: Option<usize>) {
        if self.idle.should_wake() {
            self.wake_one(near);
        }
    }

    #[cold]
    fn wake_one(&self, near: Option<usize>) {
        // To wake the one in the driver costs more, and leaves the driver alone.
        let driving = |worker: usize| self.remotes[worker].parker.is_driving();
        let Some(worker) = self.idle.wake_one(driving) else { return };
        if let Some(near) = near {
            let looks = (0..self.workers()).map(|n| (near + n) % self.workers());
            let lies =
                looks.filter(|&ring| ring != worker).find(|&ring| self.remotes[ring].queue.look().1 > 0);
            if let Some(ring) = lies {
                let lay = &self.remotes[worker].lay;
                // Relaxed, both: hints, and the call publishes them.
                lay.0.store(ring, Ordering::Relaxed);
                lay.1.store(self.remotes[ring].queue.look().0, Ordering::Relaxed);
            }
        }
        self.call(worker, Call::Search);
    }

    pub(crate) fn call(&self, worker: usize, call: Call) {
        self.remotes[worker].parker.call(call, || self.driver.reactor.wake());
    }

    /// Whether there is a task that others can take. Part of the argument at the head of `idle.rs`.
    pub(crate) fn has_tasks(&self) -> bool {
        self.injector.len() > 0 || self.remotes.iter().any(|remote| remote.queue.has_ring())
    }
}
