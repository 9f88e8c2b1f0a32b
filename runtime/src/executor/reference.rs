//! References to an executor of either kind. The reference of a task takes one word.
//!
//! An executor counts these references itself, besides the count of its `Arc`. While there is at least one
//! of them, all of them together hold one reference of the `Arc`. So a thread can take many at once and
//! give many back at once (`task/memory.rs`), and a spawn writes to no word that all threads share.
//!
//! 1. A thread that has the `Arc` raises the count from 0 to n, and then adds a reference to the `Arc`. A
//!    thread that lowers the count from n to 0 then takes one away. Each of the two happens as often as the
//!    other, or is about to. So while an `ExecutorRef` exists, its executor does.

use crate::{
    driver::Driver,
    executor::{
        blocking::Blocking,
        context::ThreadRole,
        current_thread,
        multi_thread::{self, owned_tasks},
    },
    task::{self, Task, TaskRef},
};
use brigade_handle::{JoinError, JoinHandle, Lost};
use std::{
    future::Future,
    marker::PhantomData,
    panic::Location,
    ptr::{self, NonNull},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// The owner's reference to a current-thread or a multi-threaded executor.
#[derive(Clone)]
pub(crate) enum ExecutorHandle {
    CurrentThread(Arc<current_thread::CurrentThread>),
    MultiThread(Arc<multi_thread::MultiThread>),
}

impl ExecutorHandle {
    /// Borrows the executor.
    #[inline]
    pub(crate) fn borrow(&self) -> ExecutorBorrow<'_> {
        match self {
            Self::CurrentThread(shared) => ExecutorBorrow::current_thread(shared),
            Self::MultiThread(shared) => ExecutorBorrow::multi_thread(shared),
        }
    }

    /// Spawns a task, from any thread.
    pub(crate) fn spawn<F>(&self, future: F, at: &'static Location<'static>) -> JoinHandle<F::Output>
    where
        F: Future + Send,
        F::Output: Send,
    {
        let (task, handle) = task::new(future, self.borrow(), at);
        self.borrow().take_in(task);
        handle
    }

    pub(crate) fn is_current_thread(&self, other: &Arc<current_thread::CurrentThread>) -> bool {
        matches!(self, Self::CurrentThread(shared) if Arc::ptr_eq(shared, other))
    }

    pub(crate) fn is_multi_thread(&self, other: &Arc<multi_thread::MultiThread>) -> bool {
        matches!(self, Self::MultiThread(shared) if Arc::ptr_eq(shared, other))
    }

    /// Says for `Debug` which kind it is.
    pub(crate) fn kind(&self) -> String {
        match self {
            Self::CurrentThread(_) => "current-thread".to_owned(),
            Self::MultiThread(shared) => format!("{} workers", shared.workers()),
        }
    }

    pub(crate) fn driver(&self) -> &Driver {
        match self {
            Self::CurrentThread(shared) => &shared.driver,
            Self::MultiThread(shared) => &shared.driver,
        }
    }

    pub(crate) fn blocking(&self) -> &Blocking {
        match self {
            Self::CurrentThread(shared) => &shared.blocking,
            Self::MultiThread(shared) => &shared.blocking,
        }
    }
}

/// The number of references that the tasks of an executor, and the memories of its threads, have to it.
#[derive(Default)]
pub(crate) struct ExecutorRefCount(AtomicUsize);

/// The address of an executor, with its kind in the lowest bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct ExecutorPtr(NonNull<()>);

const CURRENT_THREAD: usize = 0;
const MULTI_THREAD: usize = 1;
#[cfg(loom)]
const MODEL: usize = 2;
const KINDS: usize = 3;

const _: () = assert!(
    align_of::<current_thread::CurrentThread>() > KINDS && align_of::<multi_thread::MultiThread>() > KINDS
);

/// An executor by reference, for a match on its kind.
pub(crate) enum ExecutorView<'a> {
    CurrentThread(&'a current_thread::CurrentThread),
    MultiThread(&'a multi_thread::MultiThread),
    #[cfg(loom)]
    Model(&'a crate::model::Queue),
}

impl ExecutorView<'_> {
    fn references(&self) -> &ExecutorRefCount {
        match self {
            Self::CurrentThread(shared) => &shared.references,
            Self::MultiThread(shared) => &shared.references,
            #[cfg(loom)]
            Self::Model(queue) => &queue.references,
        }
    }
}

impl ExecutorPtr {
    #[inline]
    fn tagged<T>(shared: &Arc<T>, kind: usize) -> Self {
        let address = NonNull::new(Arc::as_ptr(shared).cast_mut()).expect("an Arc has an address");
        Self(address.cast::<()>().map_addr(|address| address | kind))
    }

    #[inline]
    fn untagged<T>(self) -> NonNull<T> {
        // The address without its tag is not null: no executor lies below the highest tag.
        NonNull::new(self.0.as_ptr().map_addr(|address| address & !KINDS))
            .expect("an executor's address")
            .cast()
    }

    /// Returns the pointer that the `Arc` gave. Its count of references lies outside of what a reference to
    /// the executor may reach.
    fn in_arc<T>(self) -> *const T {
        self.untagged().as_ptr()
    }

    /// # Safety
    ///
    /// The executor exists for as long as the result is used.
    #[inline]
    unsafe fn view<'a>(self) -> ExecutorView<'a> {
        match self.0.addr().get() & KINDS {
            // SAFETY: the tag says that this is its type, and the caller says that it exists.
            CURRENT_THREAD => ExecutorView::CurrentThread(unsafe { self.untagged().as_ref() }),
            #[cfg(loom)]
            // SAFETY: as above.
            MODEL => ExecutorView::Model(unsafe { self.untagged().as_ref() }),
            // SAFETY: as above.
            _ => ExecutorView::MultiThread(unsafe { self.untagged().as_ref() }),
        }
    }

    /// Adds `count` references at once.
    ///
    /// # Safety
    ///
    /// The address is that of an `Arc` which the caller has.
    pub(crate) unsafe fn acquire(self, count: usize) {
        // SAFETY: the caller's Arc keeps the executor alive.
        let executor = unsafe { self.view() };
        // Relaxed: a thread that takes references has one already.
        if executor.references().0.fetch_add(count, Ordering::Relaxed) != 0 {
            return;
        }
        match executor {
            // SAFETY: the caller has an Arc of this address.
            ExecutorView::CurrentThread(_) => unsafe {
                Arc::increment_strong_count(self.in_arc::<current_thread::CurrentThread>())
            },
            // SAFETY: as above.
            ExecutorView::MultiThread(_) => unsafe {
                Arc::increment_strong_count(self.in_arc::<multi_thread::MultiThread>())
            },
            #[cfg(loom)]
            // SAFETY: as above.
            ExecutorView::Model(_) => unsafe {
                Arc::increment_strong_count(self.in_arc::<crate::model::Queue>())
            },
        }
    }

    /// Gives `count` references back at once.
    ///
    /// # Safety
    ///
    /// The caller has that many references, and does not use them again.
    pub(crate) unsafe fn release(self, count: usize) {
        // SAFETY: the caller's references keep the executor alive (rule 1).
        let executor = unsafe { self.view() };
        // Release and Acquire: all uses by all threads come before the end of the executor.
        if executor.references().0.fetch_sub(count, Ordering::AcqRel) != count {
            return;
        }
        match executor {
            // SAFETY: this is the reference that was added when the count left 0 (rule 1).
            ExecutorView::CurrentThread(_) => unsafe {
                Arc::decrement_strong_count(self.in_arc::<current_thread::CurrentThread>())
            },
            // SAFETY: as above.
            ExecutorView::MultiThread(_) => unsafe {
                Arc::decrement_strong_count(self.in_arc::<multi_thread::MultiThread>())
            },
            #[cfg(loom)]
            // SAFETY: as above.
            ExecutorView::Model(_) => unsafe {
                Arc::decrement_strong_count(self.in_arc::<crate::model::Queue>())
            },
        }
    }
}

/// An executor that is kept alive by an `Arc`, borrowed for `'a`.
#[derive(Clone, Copy)]
pub(crate) struct ExecutorBorrow<'a>(ExecutorPtr, PhantomData<&'a ()>);

impl<'a> ExecutorBorrow<'a> {
    #[inline]
    pub(crate) fn current_thread(shared: &'a Arc<current_thread::CurrentThread>) -> Self {
        Self(ExecutorPtr::tagged(shared, CURRENT_THREAD), PhantomData)
    }

    #[inline]
    pub(crate) fn multi_thread(shared: &'a Arc<multi_thread::MultiThread>) -> Self {
        Self(ExecutorPtr::tagged(shared, MULTI_THREAD), PhantomData)
    }

    /// The executor of a loom model: a bare queue.
    #[cfg(loom)]
    pub(crate) fn model(queue: &'a Arc<crate::model::Queue>) -> Self {
        Self(ExecutorPtr::tagged(queue, MODEL), PhantomData)
    }

    #[inline]
    pub(crate) fn pointer(self) -> ExecutorPtr {
        self.0
    }

    /// Takes in a task that was just spawned, from any thread.
    pub(crate) fn take_in(self, task: Task) {
        // SAFETY: the Arc that was borrowed for 'a keeps the executor alive.
        match unsafe { self.0.view() } {
            ExecutorView::CurrentThread(shared) => current_thread::take_in(shared, task),
            ExecutorView::MultiThread(shared) => multi_thread::take_in(shared, task),
            #[cfg(loom)]
            ExecutorView::Model(queue) => queue.push(task),
        }
    }
}

/// A counted reference to an executor. It has no destructor: `task/memory.rs` takes it back, together with
/// the memory of its task.
pub(crate) struct ExecutorRef(pub(crate) ExecutorPtr);

// SAFETY: this is like an `Arc` of either executor, which other threads may use and drop.
unsafe impl Send for ExecutorRef {}
// SAFETY: as above.
unsafe impl Sync for ExecutorRef {}

const _: () = {
    const fn is_shared<T: Send + Sync>() {}
    is_shared::<current_thread::CurrentThread>();
    is_shared::<multi_thread::MultiThread>();
};

impl ExecutorRef {
    /// Returns the executor, for a match on its kind.
    #[inline]
    pub(crate) fn view(&self) -> ExecutorView<'_> {
        // SAFETY: this is one reference, so the executor exists while it does (rule 1).
        unsafe { self.0.view() }
    }
}

impl<'a> ExecutorView<'a> {
    /// Queues a task that was woken.
    #[inline]
    pub(crate) fn schedule(&self, task: Task) {
        match self {
            Self::CurrentThread(shared) => current_thread::schedule(shared, task),
            Self::MultiThread(shared) => multi_thread::schedule(shared, task),
            #[cfg(loom)]
            Self::Model(queue) => queue.push(task),
        }
    }

    #[inline]
    pub(crate) fn driver(&self) -> &'a Driver {
        match self {
            Self::CurrentThread(shared) => &shared.driver,
            Self::MultiThread(shared) => &shared.driver,
            #[cfg(loom)]
            Self::Model(_) => unreachable!("a model has no driver"),
        }
    }

    /// Tells whether a thread with this role runs the tasks of this executor.
    #[inline]
    pub(crate) fn is_at(&self, place: ThreadRole<'_>) -> bool {
        match (self, place) {
            (Self::CurrentThread(shared), ThreadRole::CurrentThread(core)) => ptr::eq(&*core.shared, *shared),
            (Self::MultiThread(shared), ThreadRole::Worker(worker)) => ptr::eq(&*worker.shared, *shared),
            _ => false,
        }
    }

    /// Tells whether the executor is ending. A task that has not been polled is then cancelled.
    #[inline]
    pub(crate) fn is_closing(&self) -> bool {
        match self {
            Self::CurrentThread(shared) => shared.is_closing(),
            Self::MultiThread(shared) => shared.owned.is_closing(),
            #[cfg(loom)]
            Self::Model(_) => false,
        }
    }

    /// Returns the error of a task that ends without a result of its own.
    #[cold]
    pub(crate) fn cancelled(&self) -> JoinError {
        match self {
            Self::MultiThread(shared) => match shared.failure.get() {
                Some(why) => JoinError::lost(Lost::Executor(why.as_str().into())),
                None => JoinError::cancelled(),
            },
            _ => JoinError::cancelled(),
        }
    }

    /// Lists a task that waits for the first time, and returns its index. Returns `None` if the executor is
    /// ending.
    pub(crate) fn list(&self, task: TaskRef) -> Option<u32> {
        match self {
            Self::CurrentThread(shared) => current_thread::list(shared, task),
            Self::MultiThread(shared) => shared.owned.list(owned_tasks::worker_of(&shared.owned), task),
            #[cfg(loom)]
            Self::Model(_) => Some(0),
        }
    }

    /// Removes a task from its list, if it was listed: it is about to be complete.
    #[inline]
    pub(crate) fn release(&self, place: u32) {
        match self {
            Self::CurrentThread(shared) => current_thread::release(shared, place),
            Self::MultiThread(shared) => shared.owned.ended(owned_tasks::worker_of(&shared.owned), place),
            #[cfg(loom)]
            Self::Model(_) => {}
        }
    }
}
