//! The atomics, locks and threads of the modelled protocols: those of the standard library, or loom's
//! under `--cfg loom`.

#[cfg(feature = "explore")]
pub(crate) use brigade_handle::explore::{
    sync::{
        Mutex, MutexGuard,
        atomic::{
            AtomicBool, AtomicIsize, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
        },
    },
    thread::{self, Thread},
};
#[cfg(loom)]
pub(crate) use loom::{
    cell::UnsafeCell,
    sync::{
        Mutex, MutexGuard,
        atomic::{
            AtomicBool, AtomicIsize, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
        },
    },
    thread::{self, Thread},
};
#[cfg(not(any(loom, feature = "explore")))]
pub(crate) use std::{
    sync::{
        Mutex, MutexGuard,
        atomic::{
            AtomicBool, AtomicIsize, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
        },
    },
    thread::{self, Thread},
};

// The threads that no model sees: std's under loom too.
#[cfg(feature = "explore")]
pub(crate) use brigade_handle::explore::thread as os_thread;
#[cfg(not(feature = "explore"))]
pub(crate) use std::thread as os_thread;

// The locks that no model sees, as the threads above.
#[cfg(feature = "explore")]
pub(crate) use brigade_handle::explore::sync as os_sync;
#[cfg(not(feature = "explore"))]
pub(crate) use std::sync as os_sync;

/// `std::cell::UnsafeCell` with loom's interface.
#[cfg(not(loom))]
#[derive(Debug)]
pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(loom))]
impl<T> UnsafeCell<T> {
    #[inline(always)]
    pub(crate) const fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    /// Calls `f` with a pointer for writing. Dereferencing it is the caller's unsafe act.
    #[inline(always)]
    pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}

/// Parks for a time. Loom's threads have no time, so for them it may return at once.
#[cfg(loom)]
pub(crate) fn park_timeout(_: std::time::Duration) {
    thread::yield_now();
}

#[cfg(not(loom))]
pub(crate) use thread::park_timeout;

/// Executes this many pauses of a loop that waits awake. In an explored run, another thread goes on instead.
#[inline(always)]
pub(crate) fn pause(times: u32) {
    #[cfg(feature = "explore")]
    if brigade_handle::explore::is_managed() {
        return brigade_handle::explore::spin();
    }
    (0..times).for_each(|_| std::hint::spin_loop());
}

/// Tells an explored run that a queue has changed whose atomics are not of this file, so that threads that
/// wait awake look again.
#[inline(always)]
pub(crate) fn queue_changed() {
    #[cfg(feature = "explore")]
    brigade_handle::explore::changed();
}

/// A value on two cache lines of its own: x86 fetches lines in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Padded<T>(pub(crate) T);
