//! The multi-threaded executor, as seen from outside of its workers: starting, spawning, waking, ending.

use crate::{
    block_on::block_on_as_guest,
    blocking::Blocking,
    clock::Clock,
    context::{self, Place},
    driver::Driver,
    idle::Idle,
    injector::Injector,
    owned::Owned,
    parker::{Call, Parker},
    queue::{self, Queue},
    runtime::End,
    scheduler::Scheduler,
    shim::{Mutex, lock},
    task::{self, Homes, Task},
    time::{Elapsed, timeout},
    worker::Worker,
};
use brigade_handle::wait;
use std::{
    future::poll_fn,
    io, ptr,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
    time::Duration,
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
    stopped: AtomicBool,
    /// How many workers have not ended. The last one closes the driver.
    alive: AtomicUsize,
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
    threads: Mutex<Vec<thread::JoinHandle<()>>>,
}

/// Starts an executor.
pub(crate) fn start(
    workers: usize,
    name: &str,
    stack_size: Option<usize>,
    max_blocking: usize,
) -> io::Result<Crew> {
    let (owners, queues): (Vec<_>, Vec<_>) = (0..workers).map(|_| queue::new()).unzip();
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
fn work(index: usize, shared: Arc<Shared>, queue: queue::Owner) {
    shared.remotes[index].parker.own();
    let policy = wait::set(crate::FORBID);
    let worker = Rc::new(Worker::new(index, shared.clone(), queue));
    let entered = context::enter_as_worker(worker.clone());
    worker.run();
    drop((entered, worker, policy));
    task::leave();
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

    fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        (0..self.workers()).for_each(|worker| self.call(worker, Call::Search));
    }

    fn close(&self) {
        drop(self.injector.close());
        self.blocking.close();
        self.driver.close();
    }
}

/// Stops the workers when no task is left.
struct Stop(Arc<Shared>);

impl Wake for Stop {
    fn wake(self: Arc<Self>) {
        self.0.stop();
    }
}

impl Crew {
    /// Cancels all tasks, or lets them end by themselves, and ends the threads. `Elapsed` if some had to be cancelled in the end.
    ///
    /// A worker that drops its own runtime cannot wait for itself, and neither can a blocking call, for which the last worker waits: there the
    /// tasks are cancelled, and the threads end on their own when the last task has been dropped.
    pub(crate) fn close(&self, end: End) -> Result<(), Elapsed> {
        let threads = std::mem::take(&mut *lock(&self.threads));
        let own = context::with(|place| match place {
            Place::Worker(worker) => Arc::ptr_eq(&worker.shared, &self.shared),
            _ => false,
        }) || self.shared.blocking.is_own_thread();
        let drained = match end {
            End::Cancel => {
                self.shared.owned.cancel_all();
                Ok(())
            }
            End::Drain { at_most } => at_most.map_or(Ok(()), |at_most| self.drain(at_most)),
        };
        if drained.is_err() {
            self.shared.owned.cancel_all();
        }
        if own {
            let stop = Waker::from(Arc::new(Stop(self.shared.clone())));
            if self.shared.owned.when_empty(&stop) {
                self.shared.stop();
            }
            return drained;
        }
        // This may be a thread that must not block, but nothing here waits for it.
        let _policy =
            matches!(wait::policy(), wait::Policy::Forbid(_)).then(|| wait::set(wait::Policy::Park));
        let empty =
            |waker: &Waker| if self.shared.owned.when_empty(waker) { Poll::Ready(()) } else { Poll::Pending };
        if !threads.is_empty() {
            wait::block("the end of a runtime", empty);
        }
        if let End::Drain { at_most: None } = end {
            self.shared.blocking.drain();
        }
        // After a drain tasks could still come in from outside.
        self.shared.owned.cancel_all();
        self.shared.stop();
        let _away = wait::away();
        for thread in threads {
            thread.join().expect("a worker catches the panics of its tasks");
        }
        drained
    }

    /// Waits until no task is left, or for so long.
    fn drain(&self, at_most: Duration) -> Result<(), Elapsed> {
        let empty =
            poll_fn(
                |cx: &mut Context<'_>| {
                    if self.shared.owned.when_empty(cx.waker()) { Poll::Ready(()) } else { Poll::Pending }
                },
            );
        block_on_as_guest(&Scheduler::Multi(self.shared.clone()), async { timeout(at_most, empty).await })
    }
}
