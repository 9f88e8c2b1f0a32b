//! The current-thread executor as other threads see it: a queue, a list, and the way in. The driving
//! thread's part is `core.rs`.
//!
//! Only the driving thread touches the [`Core`], which holds the queue of ready tasks and the lists of all
//! tasks. While nobody drives, these lists are parked in [`CurrentThread`]. Tasks that other threads wake
//! or spawn come through the [`Inbox`], which has the argument that no wake-up is lost.

mod core;
mod inbox;

pub(crate) use self::core::Core;

use self::{
    core::{CoreQueues, Driving},
    inbox::{Inbox, WakeTarget},
};
use crate::{
    driver::Driver,
    executor::{
        blocking::Blocking,
        context::{self, ThreadRole},
        end::ShutdownMode,
        reference::ExecutorRefCount,
        reference::{ExecutorBorrow, ExecutorHandle},
    },
    shim::{Mutex, lock},
    task::{self, Task, TaskRef, UNLISTED, list::TaskList},
    time::{clock::Clock, elapsed::Elapsed},
};
use brigade_handle::{JoinHandle, wait};
use brigade_trace::{Domain, Id, clock as trace, live::Root};
use std::{
    collections::VecDeque,
    future::Future,
    io,
    panic::Location,
    pin::pin,
    ptr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Poll, Wake, Waker},
};

/// The part of the executor that all threads see.
pub(crate) struct CurrentThread {
    inbox: Inbox,
    pub(crate) driver: Driver,
    pub(crate) blocking: Blocking,
    pub(crate) references: ExecutorRefCount,
    /// The thread that drives, in traces.
    worker: Id,
    /// True once new tasks are cancelled at once. Relaxed: the driving thread stores and reads it, and
    /// other threads may see it late.
    closing: AtomicBool,
    /// The parts of the core while nobody drives, and the threads that wait to drive.
    parked: Mutex<ParkedCore>,
}

struct ParkedCore {
    core: Option<CoreQueues>,
    waiting: Vec<Waker>,
}

impl CurrentThread {
    pub(crate) fn new(clock: Clock, max_blocking: usize) -> io::Result<Arc<Self>> {
        brigade_trace::record_if_asked();
        let lists = CoreQueues { ready: VecDeque::new(), owned: TaskList::default() };
        Ok(Arc::new(Self {
            inbox: Inbox::new(),
            driver: Driver::new(0, clock)?,
            blocking: Blocking::new(max_blocking),
            references: ExecutorRefCount::default(),
            worker: Id::new(Domain::Worker, brigade_trace::worker_numbers(1)),
            closing: AtomicBool::new(false),
            parked: Mutex::new(ParkedCore { core: Some(lists), waiting: Vec::new() }),
        }))
    }

    #[inline]
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    fn wake_reactor(&self, wake_target: WakeTarget) {
        if wake_target == WakeTarget::Reactor {
            self.driver.reactor.wake();
        }
    }
}

/// The waker of the future of `block_on`.
impl Wake for CurrentThread {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_reactor(self.inbox.wake());
    }
}

/// Queues a task that was woken, from any thread.
#[inline]
pub(crate) fn schedule(shared: &CurrentThread, task: Task) {
    context::with(|place| match place {
        ThreadRole::CurrentThread(core) if ptr::eq(&*core.shared, shared) => core.schedule(task),
        _ => schedule_from_elsewhere(shared, task),
    });
}

#[cold]
fn schedule_from_elsewhere(shared: &CurrentThread, task: Task) {
    match shared.inbox.send(task) {
        Ok(wake_target) => shared.wake_reactor(wake_target),
        // The executor has ended, and all its tasks with it. Only this task was just spawned, and it is
        // cancelled here.
        Err(task) => task::refuse(task),
    }
}

/// Lists a task that waits for the first time, and returns its index. Returns `None` if the executor is
/// closing.
pub(crate) fn list(shared: &CurrentThread, task: TaskRef) -> Option<u32> {
    context::with(|here| match here {
        ThreadRole::CurrentThread(core) if ptr::eq(&*core.shared, shared) => core.list(task),
        _ => unreachable!("a task waits on its driving thread"),
    })
}

/// Removes a task from its list, if it was listed.
#[inline]
pub(crate) fn release(shared: &CurrentThread, place: u32) {
    // A task that never waited is in no list, and may end on another thread.
    if place != UNLISTED {
        context::with(|here| match here {
            ThreadRole::CurrentThread(core) if ptr::eq(&*core.shared, shared) => core.release(place),
            _ => unreachable!("a task that is in a list ends on its driving thread"),
        });
    }
}

/// Takes in a task that was just spawned, from any thread.
pub(crate) fn take_in(shared: &CurrentThread, task: Task) {
    context::with(|place| match place {
        ThreadRole::CurrentThread(core) if ptr::eq(&*core.shared, shared) => core.take_in(task),
        _ => schedule_from_elsewhere(shared, task),
    });
}

/// Spawns a task that stays on this thread. It is cancelled if the `block_on` is ending. Returns `None` if
/// this thread does not drive a current-thread executor.
pub(crate) fn spawn_local<F>(future: F, at: &'static Location<'static>) -> Option<JoinHandle<F::Output>>
where
    F: Future + 'static,
{
    context::with(|place| {
        let ThreadRole::CurrentThread(core) = place else { return None };
        let (task, handle) = task::new(future, ExecutorBorrow::current_thread(&core.shared), at);
        core.take_in_local(task);
        Some(handle)
    })
}

/// Runs tasks until the future is ready.
#[track_caller]
pub(crate) fn block_on<F: Future>(shared: &Arc<CurrentThread>, future: F) -> F::Output {
    let mut future = pin!(Some(future));
    // If another thread drives, this one polls only its own future until the core is free.
    let first = wait::block("block_on", |waker| {
        let core = {
            let mut parked = lock(&shared.parked);
            let core = parked.core.take();
            if core.is_none() && !parked.waiting.iter().any(|other| other.will_wake(waker)) {
                // This is not foreign code: the waker unparks this thread.
                parked.waiting.push(waker.clone());
            }
            core
        };
        match core {
            Some(core) => Poll::Ready(Err(core)),
            None => crate::executor::block_on::poll_as_guest(
                &ExecutorHandle::CurrentThread(shared.clone()),
                future.as_mut(),
                waker,
            )
            .map(Ok),
        }
    });
    match first {
        Ok(output) => output,
        Err(core) => Driving::begin(shared, core).block_on(future, Root::new()),
    }
}

/// Ends the tasks and the blocking calls, and closes the executor. Returns `Elapsed` if tasks were
/// cancelled, or calls left behind, because the time was over.
pub(crate) fn close(shared: &Arc<CurrentThread>, mode: ShutdownMode) -> Result<(), Elapsed> {
    // Nobody else drives, because the caller owns the runtime. A missing core was lost to a panic of this
    // crate.
    let Some(core) = lock(&shared.parked).core.take() else { return Ok(()) };
    let clock = &shared.driver.timers.clock;
    let began = clock.now();
    let driving = Driving::begin(shared, core);
    let drained = match mode {
        ShutdownMode::Drain { at_most } => driving.drain(at_most),
        ShutdownMode::Cancel | ShutdownMode::Background => Ok(()),
    };
    driving.cancel();
    drop(shared.inbox.injector.close());
    drop(driving);
    // This comes before the wait for blocking calls. No thread drives any more, so a call that waits for a
    // timer or a descriptor has to be told.
    shared.driver.close();
    let called = match mode {
        ShutdownMode::Drain { at_most: None } => {
            shared.blocking.drain();
            Ok(())
        }
        // A blocking call cannot wait for itself.
        ShutdownMode::Drain { at_most: Some(at_most) } if !shared.blocking.is_own_thread() => {
            let left = at_most.saturating_sub(clock.now() - began);
            shared.blocking.close_by(trace::now().checked_add(left))
        }
        ShutdownMode::Drain { .. } | ShutdownMode::Background => {
            shared.blocking.close_without_waiting();
            Ok(())
        }
        ShutdownMode::Cancel => {
            shared.blocking.close();
            Ok(())
        }
    };
    drained.and(called)
}
