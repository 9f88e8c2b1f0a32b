//! A task's reference to its executor, in one word.
//!
//! An executor counts these references itself, beside the count of the `Arc` that it lies in: while there is one at least, all of them
//! together hold one reference of the `Arc`'s. So a thread can take many at once, and give many back at once (`task/store.rs`), and
//! spawning a task costs no write to a word that all threads share.
//!
//! 1. The count goes from 0 to n by one who has the `Arc`, who then adds a reference to it; and from n to 0 by one who then takes one
//!    away. As often as the one happens the other does, or is about to: so while a `Home` exists the executor does.

use crate::{
    driver::Driver,
    executor::{
        context::Place,
        current_thread,
        multi_thread::{self, owned},
        scheduler::At,
    },
    task::{Task, TaskRef},
};
use brigade_handle::{JoinError, Lost};
use std::{
    ptr::{self, NonNull},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// How many references to an executor its tasks and its threads' stores have.
#[derive(Default)]
pub(crate) struct Homes(AtomicUsize);

/// An executor's address, with its kind in the lowest bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Address(NonNull<()>);

const LOCAL: usize = 0;
const MULTI: usize = 1;
#[cfg(loom)]
const MODEL: usize = 2;
const KINDS: usize = 3;

const _: () =
    assert!(align_of::<current_thread::Shared>() > KINDS && align_of::<multi_thread::Shared>() > KINDS);

/// An executor, by reference.
pub(crate) enum Executor<'a> {
    Local(&'a current_thread::Shared),
    Multi(&'a multi_thread::Shared),
    #[cfg(loom)]
    Model(&'a crate::model::Queue),
}

impl Executor<'_> {
    fn homes(&self) -> &Homes {
        match self {
            Self::Local(shared) => &shared.homes,
            Self::Multi(shared) => &shared.homes,
            #[cfg(loom)]
            Self::Model(queue) => &queue.homes,
        }
    }
}

impl Address {
    #[inline]
    pub(crate) fn of(at: At<'_>) -> Self {
        fn tagged<T>(shared: &Arc<T>, kind: usize) -> Address {
            let address = NonNull::new(Arc::as_ptr(shared).cast_mut()).expect("an Arc has an address");
            Address(address.cast::<()>().map_addr(|address| address | kind))
        }
        match at {
            At::Local(shared) => tagged(shared, LOCAL),
            At::Multi(shared) => tagged(shared, MULTI),
            #[cfg(loom)]
            At::Model(queue) => tagged(queue, MODEL),
        }
    }

    #[inline]
    fn untagged<T>(self) -> NonNull<T> {
        // The tag leaves an address that is not null: no executor lies below the highest tag.
        NonNull::new(self.0.as_ptr().map_addr(|address| address & !KINDS))
            .expect("an executor's address")
            .cast()
    }

    /// The pointer that the `Arc` gave, for its count of references, which lies outside of what a reference to the executor may reach.
    fn in_arc<T>(self) -> *const T {
        self.untagged().as_ptr()
    }

    /// # Safety
    ///
    /// The executor exists for as long as the result is used.
    #[inline]
    unsafe fn executor<'a>(self) -> Executor<'a> {
        match self.0.addr().get() & KINDS {
            // SAFETY: the tag says that this is its type, and the caller that it exists.
            LOCAL => Executor::Local(unsafe { self.untagged().as_ref() }),
            #[cfg(loom)]
            // SAFETY: as above.
            MODEL => Executor::Model(unsafe { self.untagged().as_ref() }),
            // SAFETY: as above.
            _ => Executor::Multi(unsafe { self.untagged().as_ref() }),
        }
    }

    /// Adds so many references at once.
    ///
    /// # Safety
    ///
    /// The address is that of an `Arc` which the caller has.
    pub(crate) unsafe fn acquire(self, count: usize) {
        // SAFETY: the caller's Arc keeps the executor alive.
        let executor = unsafe { self.executor() };
        // Relaxed: who takes a reference has one.
        if executor.homes().0.fetch_add(count, Ordering::Relaxed) != 0 {
            return;
        }
        match executor {
            // SAFETY: the caller has an Arc of this address.
            Executor::Local(_) => unsafe {
                Arc::increment_strong_count(self.in_arc::<current_thread::Shared>())
            },
            // SAFETY: as above.
            Executor::Multi(_) => unsafe {
                Arc::increment_strong_count(self.in_arc::<multi_thread::Shared>())
            },
            #[cfg(loom)]
            // SAFETY: as above.
            Executor::Model(_) => unsafe {
                Arc::increment_strong_count(self.in_arc::<crate::model::Queue>())
            },
        }
    }

    /// Gives so many references back at once.
    ///
    /// # Safety
    ///
    /// The caller has so many, and does not use them again.
    pub(crate) unsafe fn release(self, count: usize) {
        // SAFETY: the caller's references keep the executor alive (rule 1).
        let executor = unsafe { self.executor() };
        // Release and Acquire: all uses by all threads come before the end of the executor.
        if executor.homes().0.fetch_sub(count, Ordering::AcqRel) != count {
            return;
        }
        match executor {
            // SAFETY: this is the reference that was added when the count left 0 (rule 1).
            Executor::Local(_) => unsafe {
                Arc::decrement_strong_count(self.in_arc::<current_thread::Shared>())
            },
            // SAFETY: as above.
            Executor::Multi(_) => unsafe {
                Arc::decrement_strong_count(self.in_arc::<multi_thread::Shared>())
            },
            #[cfg(loom)]
            // SAFETY: as above.
            Executor::Model(_) => unsafe {
                Arc::decrement_strong_count(self.in_arc::<crate::model::Queue>())
            },
        }
    }
}

/// One reference. It has no destructor: `task/store.rs` takes it back, with the memory of the task.
pub(crate) struct Home(pub(crate) Address);

// SAFETY: as an `Arc` of either executor, which other threads may use, and end.
unsafe impl Send for Home {}
// SAFETY: as above.
unsafe impl Sync for Home {}

const _: () = {
    const fn is_shared<T: Send + Sync>() {}
    is_shared::<current_thread::Shared>();
    is_shared::<multi_thread::Shared>();
};

impl Home {
    /// The executor.
    #[inline]
    pub(crate) fn executor(&self) -> Executor<'_> {
        // SAFETY: this is one reference, so the executor exists while it does (rule 1).
        unsafe { self.0.executor() }
    }
}

impl<'a> Executor<'a> {
    /// Queues a task that was woken.
    #[inline]
    pub(crate) fn schedule(&self, task: Task) {
        match self {
            Self::Local(shared) => current_thread::schedule(shared, task),
            Self::Multi(shared) => multi_thread::schedule(shared, task),
            #[cfg(loom)]
            Self::Model(queue) => queue.push(task),
        }
    }

    #[inline]
    pub(crate) fn driver(&self) -> &'a Driver {
        match self {
            Self::Local(shared) => &shared.driver,
            Self::Multi(shared) => &shared.driver,
            #[cfg(loom)]
            Self::Model(_) => unreachable!("a model has no driver"),
        }
    }

    /// Whether a thread that stands there runs this executor's tasks.
    #[inline]
    pub(crate) fn is_at(&self, place: Place<'_>) -> bool {
        match (self, place) {
            (Self::Local(shared), Place::Local(core)) => ptr::eq(&*core.shared, *shared),
            (Self::Multi(shared), Place::Worker(worker)) => ptr::eq(&*worker.shared, *shared),
            _ => false,
        }
    }

    /// Whether it ends, so that a task that has not been polled is cancelled.
    #[inline]
    pub(crate) fn is_closing(&self) -> bool {
        match self {
            Self::Local(shared) => shared.is_closing(),
            Self::Multi(shared) => shared.owned.is_closing(),
            #[cfg(loom)]
            Self::Model(_) => false,
        }
    }

    /// Why a task of this executor ends without a result of its own.
    #[cold]
    pub(crate) fn cancelled(&self) -> JoinError {
        match self {
            Self::Multi(shared) => match shared.failure.get() {
                Some(why) => JoinError::Lost(Lost::Executor(why.clone())),
                None => JoinError::Cancelled,
            },
            _ => JoinError::Cancelled,
        }
    }

    /// Lists a task that waits for the first time, and says where. None if the executor ends.
    pub(crate) fn list(&self, task: TaskRef) -> Option<u32> {
        match self {
            Self::Local(shared) => current_thread::list(shared, task),
            Self::Multi(shared) => shared.owned.list(owned::worker_of(&shared.owned), task),
            #[cfg(loom)]
            Self::Model(_) => Some(0),
        }
    }

    /// Strikes a task off, if it was listed: it is about to be complete.
    #[inline]
    pub(crate) fn release(&self, place: u32) {
        match self {
            Self::Local(shared) => current_thread::release(shared, place),
            Self::Multi(shared) => shared.owned.ended(owned::worker_of(&shared.owned), place),
            #[cfg(loom)]
            Self::Model(_) => {}
        }
    }
}
