//! The thread-locals of this crate: the executor that a thread is inside of, and its role there.
//!
//! A thread is outside of every runtime, or a guest that polls a future of its own in `block_on` of a
//! multi-threaded runtime, or the thread that drives a current-thread runtime, or a worker. The free
//! functions (`spawn`, `sleep`, …) and every wake-up ask for this role. So it is a plain pointer, not a
//! cell that has to be borrowed.
//!
//! 1. The references in the role belong to the innermost [`Entered`] of this thread, which keeps alive what
//!    they point to. Guards are dropped in the reverse order of their making, and stay on their thread.
//!    An [`OwnedEntry`] is a guard as well, but in the hands of safe code, which may drop it in any order or
//!    leak it. So it restores the role from before, and frees what it keeps, only if the role is still its
//!    own. Then no guard that was made before it has been dropped, as that would have changed the role, and
//!    no guard that was made after it would restore a pointer to what it frees. Otherwise it leaks that.
//! 2. The values of task-locals lie in their futures; the stack of the thread has pointers to them. An
//!    [`InTaskLocal`] borrows the value, and takes the pointer off when it is dropped, in the reverse order
//!    of their making. A value is read in a call that was made, and returns, while the guard lives. So the
//!    value is there, and only this thread reads it.

use crate::{
    executor::{current_thread, multi_thread::worker::Worker, reference::ExecutorHandle, rng::Rng},
    task::{self, Task, budget},
};
use std::{
    any::Any,
    cell::{Cell, RefCell},
    marker::PhantomData,
    ptr::NonNull,
    rc::Rc,
};

/// The role of a thread.
#[derive(Clone, Copy)]
pub(crate) enum ThreadRole<'a> {
    /// It is outside of every runtime.
    Outside,
    /// It polls the future of a `block_on`, and runs no tasks.
    Guest(&'a ExecutorHandle),
    /// It drives a current-thread runtime.
    CurrentThread(&'a current_thread::Core),
    /// It is a worker of a multi-threaded runtime.
    Worker(&'a Worker),
}

impl ThreadRole<'_> {
    /// Queues a task of the executor whose tasks this thread runs.
    #[inline]
    pub(crate) fn schedule(self, task: Task) {
        match self {
            Self::CurrentThread(core) => core.schedule(task),
            Self::Worker(worker) => worker.schedule(task),
            Self::Outside | Self::Guest(_) => unreachable!("this thread runs tasks"),
        }
    }
}

thread_local! {
    /// The real lifetime is not `'static`, but that of a guard (rule 1).
    static ROLE: Cell<ThreadRole<'static>> = const { Cell::new(ThreadRole::Outside) };
    static RNG: RefCell<Rng> = RefCell::new(Rng::of_thread());
    static TASK_LOCALS: RefCell<Vec<TaskLocalEntry>> = const { RefCell::new(Vec::new()) };
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Calls `f` with the role of this thread.
#[inline]
pub(crate) fn with<R>(f: impl FnOnce(ThreadRole<'_>) -> R) -> R {
    // The innermost guard keeps this alive (rule 1), and no guard that is older than `f` is dropped while
    // `f` runs. `f` accepts every lifetime, so it cannot keep the reference for longer.
    f(ROLE.get())
}

/// Makes this thread a guest until the guard is dropped. The guard then restores the role from before.
pub(crate) fn enter_as_guest(executor: &ExecutorHandle) -> Entered<&ExecutorHandle> {
    let here = NonNull::from(executor);
    // SAFETY: the guard borrows the executor (rule 1).
    enter(ThreadRole::Guest(unsafe { here.as_ref() }), executor)
}

/// Makes this thread the one that drives a current-thread runtime, until the guard is dropped.
pub(crate) fn enter_as_driver(core: Rc<current_thread::Core>) -> Entered<Rc<current_thread::Core>> {
    let here = NonNull::from(&*core);
    // SAFETY: the guard keeps the core alive (rule 1).
    enter(ThreadRole::CurrentThread(unsafe { here.as_ref() }), core)
}

/// Makes this thread a worker until the guard is dropped.
pub(crate) fn enter_as_worker(worker: Rc<Worker>) -> Entered<Rc<Worker>> {
    let here = NonNull::from(&*worker);
    // SAFETY: the guard keeps the worker alive (rule 1).
    enter(ThreadRole::Worker(unsafe { here.as_ref() }), worker)
}

/// Makes this thread a guest until the guard is dropped, wherever the caller keeps the guard. Returns `None`
/// if the thread runs tasks of this executor, and so is inside already.
///
/// # Panics
///
/// On a thread that runs the tasks of another executor. It would go on with those under the wrong role, if
/// the guard were held across an await.
#[track_caller]
pub(crate) fn enter_owned(executor: &ExecutorHandle) -> Option<OwnedEntry> {
    let runs_tasks = with(|place| match place {
        ThreadRole::Outside | ThreadRole::Guest(_) => None,
        ThreadRole::CurrentThread(core) => Some(executor.is_current_thread(&core.shared)),
        ThreadRole::Worker(worker) => Some(executor.is_multi_thread(&worker.shared)),
    });
    match runs_tasks {
        Some(true) => return None,
        Some(false) => panic!(
            "enter would take this thread from the runtime whose tasks it runs: use `spawn` or `spawn_blocking` of the handle"
        ),
        None => {}
    }
    let kept = NonNull::from(Box::leak(Box::new(executor.clone())));
    // SAFETY: the allocation lives until the guard frees it, when the role no longer has this reference
    // (rule 1).
    let before = ROLE.replace(ThreadRole::Guest(unsafe { kept.as_ref() }));
    Some(OwnedEntry { before, kept, _unlimited: budget::lift() })
}

/// Restores the role that the thread had before, if no guard that was made later is left (rule 1).
#[must_use = "the thread has the role as long as the guard lives"]
pub(crate) struct OwnedEntry {
    before: ThreadRole<'static>,
    /// An allocation from a `Box`. The pointer also keeps the guard on its thread.
    kept: NonNull<ExecutorHandle>,
    _unlimited: budget::Lifted,
}

impl Drop for OwnedEntry {
    fn drop(&mut self) {
        let is_innermost =
            matches!(ROLE.get(), ThreadRole::Guest(executor) if std::ptr::eq(executor, self.kept.as_ptr()));
        if is_innermost {
            ROLE.set(self.before);
            // SAFETY: it is from a `Box`, nothing refers to it any more (rule 1), and a guard drops once.
            drop(unsafe { Box::from_raw(self.kept.as_ptr()) });
            // This thread may keep references to the executor for its next spawns, and leaves it here.
            task::return_references();
        } else if !std::thread::panicking() {
            panic!(
                "the guard of `enter` was not dropped in the reverse order of its making, or was held across an `.await`"
            );
        }
    }
}

impl std::fmt::Debug for OwnedEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwnedEntry").finish_non_exhaustive()
    }
}

fn enter<K>(here: ThreadRole<'static>, kept: K) -> Entered<K> {
    let before = ROLE.replace(here);
    Entered { before, _kept: kept, _unlimited: budget::lift(), _not_send: PhantomData }
}

/// Restores the role that the thread had before.
#[must_use = "the thread has the role as long as the guard lives"]
pub(crate) struct Entered<K> {
    before: ThreadRole<'static>,
    /// Dropped after the role was restored: this may end what it keeps, and that end asks for the role.
    _kept: K,
    _unlimited: budget::Lifted,
    /// The guard stays on its thread.
    _not_send: PhantomData<*const ()>,
}

impl<K> Drop for Entered<K> {
    fn drop(&mut self) {
        ROLE.set(self.before);
    }
}

/// Returns the executor that this thread is inside of.
///
/// # Panics
///
/// Outside of every runtime. `what` names the caller in the message.
#[track_caller]
pub(crate) fn executor(what: &str) -> ExecutorHandle {
    // This is no closure, so that the panic names the caller.
    match try_executor() {
        Some(executor) => executor,
        None => {
            panic!("{what} was called outside of a runtime: call it from within `run`, `block_on` or a task")
        }
    }
}

/// Returns the executor that this thread is inside of, if there is one.
pub(crate) fn try_executor() -> Option<ExecutorHandle> {
    with(|place| match place {
        ThreadRole::Outside => None,
        ThreadRole::Guest(executor) => Some(executor.clone()),
        ThreadRole::CurrentThread(core) => Some(ExecutorHandle::CurrentThread(core.shared.clone())),
        ThreadRole::Worker(worker) => Some(ExecutorHandle::MultiThread(worker.shared.clone())),
    })
}

/// Picks the one of `count` that comes first. Returns 0 if `count` is 0.
pub(crate) fn choose(count: usize) -> usize {
    #[cfg(feature = "explore")]
    if brigade_handle::explore::is_managed() {
        return brigade_handle::explore::pick(brigade_handle::explore::Kind::Racer, count);
    }
    RNG.try_with(|rng| rng.borrow_mut().pick(count.max(1))).unwrap_or(0)
}

/// The number of a task-local, and a pointer to its value (rule 2).
type TaskLocalEntry = (usize, NonNull<dyn Any>);

/// Gives a task-local this value on this thread, until the guard is dropped.
pub(crate) fn enter_task_local(id: usize, value: &dyn Any) -> InTaskLocal<'_> {
    // The destructor of another thread-local may end a runtime after this stack is gone. Then no task-local
    // has a value.
    let _ = TASK_LOCALS.try_with(|stack| stack.borrow_mut().push((id, NonNull::from(value))));
    InTaskLocal { _value: PhantomData }
}

/// Takes off the value that was pushed last.
#[must_use = "the task-local has its value as long as the guard lives"]
pub(crate) struct InTaskLocal<'a> {
    // Neither Send nor Sync: the guard belongs to the stack of its thread.
    _value: PhantomData<(&'a dyn Any, *const ())>,
}

impl Drop for InTaskLocal<'_> {
    fn drop(&mut self) {
        let _ = TASK_LOCALS.try_with(|stack| stack.borrow_mut().pop());
    }
}

/// Calls `f` with the innermost value of a task-local. Returns `None` if it has no value.
pub(crate) fn with_task_local<R>(id: usize, f: impl FnOnce(&dyn Any) -> R) -> Option<R> {
    let find = |stack: &RefCell<Vec<TaskLocalEntry>>| {
        stack.borrow().iter().rev().find(|entry| entry.0 == id).map(|entry| entry.1)
    };
    let value = TASK_LOCALS.try_with(find).ok().flatten()?;
    // SAFETY: the guard of the value lives until this call has returned (rule 2). The stack is not borrowed
    // here: `f` may enter scopes of its own.
    Some(f(unsafe { value.as_ref() }))
}

/// Lends a buffer of this thread, for bytes on their way between two interfaces that do not fit each other.
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
