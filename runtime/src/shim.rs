//! The atomics, cells and locks of the modelled parts: the standard ones, or loom's under `--cfg loom`.
//!
//! All operations that a loom model has to see go through this file, so the modelled code is the code that
//! runs.

#[cfg(not(any(loom, feature = "explore")))]
pub(crate) use std::thread;

#[cfg(feature = "explore")]
pub(crate) use brigade_handle::explore::{
    sync::{
        Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU64, AtomicUsize, Ordering, fence},
    },
    thread,
};
#[cfg(loom)]
pub(crate) use loom::{
    cell::UnsafeCell,
    sync::{
        Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU64, AtomicUsize, Ordering, fence},
    },
    thread,
};
#[cfg(not(any(loom, feature = "explore")))]
pub(crate) use std::sync::{
    Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard,
    atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU64, AtomicUsize, Ordering, fence},
};

// The threads that no model sees: std's under loom too.
#[cfg(feature = "explore")]
pub(crate) use brigade_handle::explore::thread as os_thread;
#[cfg(not(feature = "explore"))]
pub(crate) use std::thread as os_thread;

// The file system: the operating system's, or that of an explored run.
#[cfg(feature = "explore")]
pub(crate) use brigade_handle::explore::files::{self as os_fs, symlink as os_symlink};
#[cfg(not(feature = "explore"))]
pub(crate) use std::{fs as os_fs, os::unix::fs::symlink as os_symlink};

// The socket of the platform beneath `net::unix::UnixDatagram`, for which mio's lacks methods.
#[cfg(feature = "explore")]
pub(crate) use mio::net::UnixDatagram as OsDatagram;
#[cfg(not(feature = "explore"))]
pub(crate) use std::os::unix::net::UnixDatagram as OsDatagram;

/// Orders the sequentially consistent operation before this call before the one after it. Loom knows such a
/// total order for fences only, so under loom this is a fence. Elsewhere the operations themselves have
/// that order, and this does nothing.
#[inline(always)]
pub(crate) fn in_order() {
    #[cfg(loom)]
    loom::sync::atomic::fence(Ordering::SeqCst);
}

/// Parks this thread until it is unparked, or for `at_most`.
#[cfg(not(loom))]
pub(crate) fn park(at_most: Option<std::time::Duration>) {
    match at_most {
        None => thread::park(),
        Some(at_most) => thread::park_timeout(at_most),
    }
}

/// Parks like [`park`], for upkeep that no user has asked for: an explored run may end without it.
pub(crate) fn park_for_upkeep(at_most: Option<std::time::Duration>) {
    #[cfg(feature = "explore")]
    if let Some(at_most) = at_most {
        return thread::park_for_upkeep(at_most);
    }
    park(at_most);
}

/// Pauses in a loop that waits awake. In an explored run, another thread goes on instead.
#[inline(always)]
pub(crate) fn pause() {
    #[cfg(feature = "explore")]
    return brigade_handle::explore::spin();
    #[cfg(not(feature = "explore"))]
    std::hint::spin_loop();
}

/// Parks this thread until it is unparked. A model has no time, so there is no limit.
#[cfg(loom)]
pub(crate) fn park(_at_most: Option<std::time::Duration>) {
    thread::park();
}

/// Declares functions that are `const`, so that their results can be `static`s. Under loom they are not
/// `const`, because loom makes its types at run time.
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

/// Locks a mutex, also if a panic has poisoned it.
///
/// No lock of this crate guards data that a panic can leave half done, because no foreign code runs under a
/// lock. Foreign code is the code of users' types when they are dropped, cloned or shown, and all code of a
/// waker. A waker is cloned before the lock is taken, and woken and dropped after it is released. The one
/// exception is the comparison of items in a priority queue (`sync/order.rs`).
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

    /// Calls `f` with a pointer for writing. Dereferencing the pointer is `unsafe`, and the caller
    /// justifies it.
    #[inline(always)]
    pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}
