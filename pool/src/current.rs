//! Which worker this thread is: the pool's only thread-local.

use crate::worker::Worker;
use std::{cell::Cell, ptr};

thread_local! {
    static CURRENT: Cell<*const Worker> = const { Cell::new(ptr::null()) };
}

/// Gives `f` the worker that this thread is, if it is one.
#[inline(always)]
pub(crate) fn with<R>(f: impl FnOnce(Option<&Worker>) -> R) -> R {
    let worker = CURRENT.get();
    // SAFETY: the pointer is null or what `enter` set, and `enter` keeps the worker alive until it has reset it. The
    // reference cannot outlive `f`, and `f` runs on this thread, inside of `enter`.
    f(unsafe { worker.as_ref() })
}

/// Makes this thread the worker while `f` runs.
pub(crate) fn enter(worker: &Worker, f: impl FnOnce()) {
    /// Resets also when `f` panics.
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            CURRENT.set(ptr::null());
        }
    }
    CURRENT.set(worker);
    let _leave = Leave;
    f();
}
