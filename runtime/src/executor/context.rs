//! Every thread-local of this crate: where this thread stands.
//!
//! A thread is nowhere, or a guest that polls a future of its own inside `block_on` of a multi-threaded runtime, or the
//! thread that drives a current-thread runtime, or a worker. The free functions (`spawn`, `sleep`, …) and every wake-up ask
//! here, which is why the answer is a pointer, and not a cell that has to be borrowed.
//!
//! 1. The pointer is that of the place which the innermost [`Entered`] of this thread keeps alive. Guards are dropped in the reverse
//!    order of their making, and stay on their thread.
//! 2. The values of task-locals lie where their futures are; the thread's stack has pointers to them. An [`InTaskLocal`] borrows the
//!    value, and takes the pointer off when it is dropped, in the reverse order of their making. Who reads a value does so in a call that
//!    was made, and returns, while the guard lives: so the value is there, and is read by this thread only.

use crate::{
    executor::{current_thread, multi_thread::worker::Worker, rng::Chooser, scheduler::Scheduler},
    task::{Task, budget},
};
use std::{
    any::Any,
    cell::{Cell, RefCell},
    marker::PhantomData,
    ptr::NonNull,
    rc::Rc,
};

/// Where a thread stands.
#[derive(Clone, Copy)]
pub(crate) enum Place<'a> {
    /// Not inside a runtime.
    Nowhere,
    /// Polls the future of a `block_on` and runs no tasks.
    Guest(&'a Scheduler),
    /// Drives a current-thread runtime.
    Local(&'a current_thread::Core),
    /// A worker of a multi-threaded runtime.
    Worker(&'a Worker),
}

impl Place<'_> {
    /// Queues a task of the executor whose tasks this thread runs.
    #[inline]
    pub(crate) fn schedule(self, task: Task) {
        match self {
            Self::Local(core) => core.schedule(task),
            Self::Worker(worker) => worker.schedule(task),
            Self::Nowhere | Self::Guest(_) => unreachable!("this thread runs tasks"),
        }
    }
}

/// A [`Place`] whose lifetime is that of a guard.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pointer {
    Nowhere,
    Guest(NonNull<Scheduler>),
    Local(NonNull<current_thread::Core>),
    Worker(NonNull<Worker>),
}

thread_local! {
    static HERE: Cell<Pointer> = const { Cell::new(Pointer::Nowhere) };
    static CHOOSER: RefCell<Chooser> = RefCell::new(Chooser::of_thread());
    static TASK_LOCALS: RefCell<Vec<TaskLocal>> = const { RefCell::new(Vec::new()) };
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Looks where this thread stands.
#[inline]
pub(crate) fn with<R>(f: impl FnOnce(Place<'_>) -> R) -> R {
    f(match HERE.get() {
        Pointer::Nowhere => Place::Nowhere,
        // SAFETY: a guard keeps it alive (rule 1), and as long as `f` runs, no guard that is older than `f` is dropped.
        Pointer::Guest(scheduler) => Place::Guest(unsafe { scheduler.as_ref() }),
        // SAFETY: as above.
        Pointer::Local(core) => Place::Local(unsafe { core.as_ref() }),
        // SAFETY: as above.
        Pointer::Worker(worker) => Place::Worker(unsafe { worker.as_ref() }),
    })
}

/// Whom a guard keeps alive.
enum Keeps {
    Guest,
    Local(Rc<current_thread::Core>),
    Worker(Rc<Worker>),
}

/// Makes this thread a guest until the guard is dropped, which puts back the place that was there before.
pub(crate) fn enter_as_guest(scheduler: &Scheduler) -> Entered<'_> {
    enter(Pointer::Guest(scheduler.into()), Keeps::Guest)
}

/// Makes this thread the one that drives a current-thread runtime, as above.
pub(crate) fn enter_as_driver(core: Rc<current_thread::Core>) -> Entered<'static> {
    enter(Pointer::Local(NonNull::from(&*core)), Keeps::Local(core))
}

/// Makes this thread a worker, as above.
pub(crate) fn enter_as_worker(worker: Rc<Worker>) -> Entered<'static> {
    enter(Pointer::Worker(NonNull::from(&*worker)), Keeps::Worker(worker))
}

fn enter<'a>(here: Pointer, keeps: Keeps) -> Entered<'a> {
    let before = HERE.replace(here);
    Entered { here, before, keeps, _unlimited: budget::lift(), _scheduler: PhantomData }
}

/// Puts back the place that was there before.
#[must_use = "the place holds as long as the guard lives"]
pub(crate) struct Entered<'a> {
    here: Pointer,
    before: Pointer,
    keeps: Keeps,
    _unlimited: budget::Lifted,
    _scheduler: PhantomData<&'a Scheduler>,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        debug_assert!(HERE.get() == self.here, "guards are dropped in the reverse order of their making");
        HERE.set(self.before);
        // What it keeps may end here, and looks where the thread stands: so it comes last.
        match std::mem::replace(&mut self.keeps, Keeps::Guest) {
            Keeps::Guest => {}
            Keeps::Local(core) => drop(core),
            Keeps::Worker(worker) => drop(worker),
        }
    }
}

/// The runtime that this thread is inside of.
///
/// # Panics
///
/// If it is inside of none. `what` names the caller.
#[track_caller]
pub(crate) fn scheduler(what: &str) -> Scheduler {
    try_scheduler().unwrap_or_else(|| {
        panic!("{what} was called outside of a runtime: call it from within `run`, `block_on` or a task")
    })
}

/// The runtime that this thread is inside of, if it is.
pub(crate) fn try_scheduler() -> Option<Scheduler> {
    with(|place| match place {
        Place::Nowhere => None,
        Place::Guest(scheduler) => Some(scheduler.clone()),
        Place::Local(core) => Some(Scheduler::Local(core.shared.clone())),
        Place::Worker(worker) => Some(Scheduler::Multi(worker.shared.clone())),
    })
}

/// Which of `count` comes first. 0 if there are none.
pub(crate) fn choose(count: usize) -> usize {
    CHOOSER.try_with(|chooser| chooser.borrow_mut().victim(count.max(1))).unwrap_or(0)
}

/// A task-local's number, and its value (rule 2).
type TaskLocal = (usize, NonNull<dyn Any>);

/// Lets a task-local have this value on this thread until the guard is dropped.
pub(crate) fn enter_task_local(id: usize, value: &dyn Any) -> InTaskLocal<'_> {
    // The destructor of another thread-local may end a runtime after this one is gone: then no task-local has a value.
    let _ = TASK_LOCALS.try_with(|stack| stack.borrow_mut().push((id, NonNull::from(value))));
    InTaskLocal { _value: PhantomData }
}

/// Takes the value off again that was pushed last.
#[must_use = "the task-local has its value as long as the guard lives"]
pub(crate) struct InTaskLocal<'a> {
    // Neither Send nor Sync: it belongs to its thread's stack.
    _value: PhantomData<(&'a dyn Any, *const ())>,
}

impl Drop for InTaskLocal<'_> {
    fn drop(&mut self) {
        let _ = TASK_LOCALS.try_with(|stack| stack.borrow_mut().pop());
    }
}

/// Calls `f` with the innermost value of a task-local. None if it has none.
pub(crate) fn with_task_local<R>(id: usize, f: impl FnOnce(&dyn Any) -> R) -> Option<R> {
    let find = |stack: &RefCell<Vec<TaskLocal>>| {
        stack.borrow().iter().rev().find(|entry| entry.0 == id).map(|entry| entry.1)
    };
    let value = TASK_LOCALS.try_with(find).ok().flatten()?;
    // SAFETY: its guard lives until this call has returned (rule 2). The stack is not borrowed: `f` may enter scopes of its own.
    Some(f(unsafe { value.as_ref() }))
}

/// A buffer of this thread, for bytes on their way between two interfaces that do not fit.
#[cfg(feature = "hyper")]
pub(crate) fn with_scratch<R>(len: usize, f: impl FnOnce(&mut [u8]) -> R) -> R {
    let mut buffer = SCRATCH.try_with(RefCell::take).unwrap_or_default();
    if buffer.len() < len {
        buffer.resize(len, 0);
    }
    let result = f(&mut buffer[..len]);
    let _ = SCRATCH.try_with(|place| place.replace(buffer));
    result
}
