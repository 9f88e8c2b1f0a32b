//! The atomics, cells and locks that the modelled parts are built on: the standard ones, or loom's under `--cfg loom`.
//!
//! Everything that a loom model has to see goes through here, so that the code that is modelled is the code that runs.

#[cfg(not(loom))]
pub(crate) use std::thread;

#[cfg(loom)]
pub(crate) use loom::{
    cell::UnsafeCell,
    sync::{
        Mutex, MutexGuard, RwLock, RwLockReadGuard,
        atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU64, AtomicUsize, Ordering, fence},
    },
    thread,
};
#[cfg(not(loom))]
pub(crate) use std::sync::{
    Mutex, MutexGuard, RwLock, RwLockReadGuard,
    atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU64, AtomicUsize, Ordering, fence},
};

/// The place in the order of all sequentially consistent operations between the one before and the one after. Loom knows such an order of
/// fences only; elsewhere the operations themselves have it, and this is nothing.
#[inline(always)]
pub(crate) fn in_order() {
    #[cfg(loom)]
    loom::sync::atomic::fence(Ordering::SeqCst);
}

/// Sleeps on this thread until it is unparked, or for so long.
#[cfg(not(loom))]
pub(crate) fn park(at_most: Option<std::time::Duration>) {
    match at_most {
        None => thread::park(),
        Some(at_most) => thread::park_timeout(at_most),
    }
}

/// Sleeps on this thread until it is unparked. In a model there is no time.
#[cfg(loom)]
pub(crate) fn park(_at_most: Option<std::time::Duration>) {
    thread::park();
}

/// Functions that are `const`, so that what they make can be a `static`; but not under loom, whose types are made at run time.
macro_rules! const_fn {
    ($($(#[$meta:meta])* $vis:vis const fn $name:ident($($parameters:tt)*) -> $result:ty $body:block)*) => {$(
        #[cfg(not(loom))]
        $(#[$meta])*
        $vis const fn $name($($parameters)*) -> $result $body

        #[cfg(loom)]
        $(#[$meta])*
        $vis fn $name($($parameters)*) -> $result $body
    )*};
}
pub(crate) use const_fn;

/// Locks, whatever a panic left behind: no lock of this crate guards anything that a panic can leave half done, because no foreign code
/// runs under one. Foreign are what others' types do when they are dropped, cloned or shown, and whatever a waker does: it is cloned before the
/// lock, and woken and dropped after it. What is compared in a priority queue is the one exception (`sync/order.rs`).
#[inline]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// `std::cell::UnsafeCell` with loom's interface.
#[cfg(not(loom))]
#[derive(Debug)]
pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(loom))]
impl<T> UnsafeCell<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    /// Hands out a pointer for writing. Dereferencing it is the caller's unsafe act.
    #[inline(always)]
    pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}
