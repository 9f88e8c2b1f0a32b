//! Waking many tasks at once.

use brigade_handle::contain;
use brigade_trace::{Cause, because};
use std::task::Waker;

/// Wakes all, because of `cause`. A waker of another executor may panic, which is none of ours.
pub(crate) fn wake_all(cause: Cause, wakers: &mut Vec<Waker>) {
    for waker in wakers.drain(..) {
        contain(|| because(cause, || waker.wake()));
    }
}
