//! Waking many tasks at once.

use brigade_handle::contain;
use brigade_trace::{Cause, because};
use std::task::Waker;

/// Wakes all tasks and records `cause` as the reason. A waker of another executor may panic; its panic is
/// contained, so that the driver goes on.
pub(crate) fn wake_all(cause: Cause, wakers: &mut Vec<Waker>) {
    for waker in wakers.drain(..) {
        contain(|| because(cause, || waker.wake()));
    }
}
