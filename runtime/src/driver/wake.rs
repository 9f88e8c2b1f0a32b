//! Waking many tasks at once.

use brigade_handle::contain;
use brigade_trace::{Cause, because};
use std::task::Waker;

/// Wakes all tasks and records `cause` as the reason. A waker of another executor may panic; its panic is
/// contained, so that the driver goes on.
pub(crate) fn wake_all(cause: Cause, wakers: &mut Vec<Waker>) {
    #[cfg(feature = "explore")]
    shuffle(cause, wakers);
    for waker in wakers.drain(..) {
        contain(|| because(cause, || waker.wake()));
    }
}

/// Lets the oracle of an explored run choose which of these tasks is woken first, which second, and so on.
#[cfg(feature = "explore")]
fn shuffle(cause: Cause, wakers: &mut [Waker]) {
    use brigade_handle::explore::{Kind, pick};
    let kind = if cause == Cause::Timer { Kind::Timer } else { Kind::Wake };
    for first in 0..wakers.len() {
        let chosen = pick(kind, wakers.len() - first);
        wakers[first..].rotate_left(chosen);
    }
}
