//! The atomics, cells and threads of this crate: those of the standard library, or loom's under `--cfg
//! loom`, or those of a run with the feature `explore`.
//!
//! Everything that a loom model has to see goes through here, so that the modelled code is the code that
//! runs.

#[cfg(feature = "explore")]
pub(crate) use crate::explore::{
    sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering},
    thread::{self, Thread},
};
#[cfg(loom)]
pub(crate) use loom::{
    cell::UnsafeCell,
    sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering},
    thread::{self, Thread},
};
#[cfg(not(any(loom, feature = "explore")))]
pub(crate) use std::{
    sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering},
    thread::{self, Thread},
};

/// `std::cell::UnsafeCell` with loom's interface.
#[cfg(not(loom))]
#[derive(Debug)]
pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(loom))]
impl<T> UnsafeCell<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    /// Calls `f` with a pointer for reading. Dereferencing it is the caller's unsafe act.
    #[inline(always)]
    pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        f(self.0.get())
    }

    /// Calls `f` with a pointer for writing. Dereferencing it is the caller's unsafe act.
    #[inline(always)]
    pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}

/// Parks this thread until it is unparked, or for `at_most`.
#[cfg(not(loom))]
pub(crate) fn park_timeout(at_most: std::time::Duration) {
    thread::park_timeout(at_most);
}

/// Parks this thread until it is unparked. A model has no time, so there is no limit.
#[cfg(loom)]
pub(crate) fn park_timeout(_at_most: std::time::Duration) {
    thread::park();
}
