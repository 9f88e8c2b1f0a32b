//! The current-thread executor: a queue, a list, and a loop. Here it is as seen from outside of the loop; the loop is `core.rs`.
//!
//! The [`Core`] is what only the driving thread touches: the queue of ready tasks, the lists of all tasks. Its lists lie in
//! [`CurrentThread`] while nobody drives, and in the thread's context while `block_on` does. What other threads wake or spawn
//! comes through the [`Inbox`], where the argument is that no wake-up is lost.

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
use brigade_trace::clock as trace;
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

/// What all threads see.
pub(crate) struct CurrentThread {
    inbox: Inbox,
    pub(crate) driver: Driver,
    pub(crate) blocking: Blocking,
    pub(crate) references: ExecutorRefCount,
    /// Tasks that are spawned now are cancelled at once. Relaxed: stored and read while driving; others may come late.
    closing: AtomicBool,
    /// The core while nobody drives, and who waits for it.
    parked: Mutex<ParkedCore>,
}

struct ParkedCore {
    core: Option<CoreQueues>,
    waiting: Vec<Waker>,
}

impl CurrentThread {
    pub(crate) fn new(clock: Clock, max_blocking: usize) -> io::Result<Arc<Self>> {
        let lists = CoreQueues { ready: VecDeque::new(), owned: TaskList::default() };
        Ok(Arc::new(Self {
            inbox: Inbox::new(),
            driver: Driver::new(0, clock)?,
            blocking: Blocking::new(max_blocking),
            references: ExecutorRefCount::default(),
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
        // The executor is gone, and with it all its tasks but this one, which was just spawned: it is cancelled here.
        Err(task) => task::refuse(task),
    }
}

/// CoreQueues a task that waits for the first time, and says where. None if the executor ends.
pub(crate) fn list(shared: &CurrentThread, task: TaskRef) -> Option<u32> {
    context::with(|here| match here {
        ThreadRole::CurrentThread(core) if ptr::eq(&*core.shared, shared) => core.list(task),
        _ => unreachable!("a task waits on its driving thread"),
    })
}

/// Strikes a task off the list, if it is in it.
#[inline]
pub(crate) fn release(shared: &CurrentThread, place: u32) {
    // A task that never waited is in no list, and may end elsewhere.
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

/// Spawns a task that stays on this thread, which is cancelled if the `block_on` is at its end. None if this thread does not drive a
/// current-thread executor.
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
pub(crate) fn block_on<F: Future>(shared: &Arc<CurrentThread>, future: F) -> F::Output {
    let mut future = pin!(Some(future));
    // Another thread may drive already: then this one polls its future only, until the core is free.
    let first = wait::block("block_on", |waker| {
        let core = {
            let mut parked = lock(&shared.parked);
            let core = parked.core.take();
            if core.is_none() && !parked.waiting.iter().any(|other| other.will_wake(waker)) {
                // Not foreign: it unparks this thread.
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
        Err(core) => Driving::begin(shared, core).block_on(future),
    }
}

/// Ends the tasks and the blocking calls, and closes the executor. `Elapsed` if something had to be cancelled, or left behind, in the end.
pub(crate) fn close(shared: &Arc<CurrentThread>, mode: ShutdownMode) -> Result<(), Elapsed> {
    // Nobody else drives: the one who closes owns the runtime. A core that is missing was lost to a panic of ours.
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
    let called = match mode {
        ShutdownMode::Drain { at_most: None } => {
            shared.blocking.drain();
            Ok(())
        }
        // One of them cannot wait for itself.
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
    shared.driver.close();
    drained.and(called)
}
