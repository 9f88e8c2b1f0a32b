//! The cooperative budget (`brigade_handle::budget`).
//!
//! Hearing that a timer has fired costs nothing (`time/sleep.rs`). A future that polls several others makes
//! sure that one which spends the whole budget whenever it is polled starves none of the rest
//! (`combine/race.rs`, `combine/poll_set.rs`, `time/timeout.rs`).

pub(crate) use brigade_handle::budget::{Lifted, is_left, lift, mark, poll, renew, spend, spend_since, take};
use std::{
    future::{Future, poll_fn},
    task::Poll,
};

/// Spends budget, and lets other tasks run first if none is left. For an operation that is an `async fn`.
#[inline]
pub(crate) fn turn() -> impl Future<Output = ()> {
    poll_fn(|cx| if take(cx.waker()) { Poll::Ready(()) } else { Poll::Pending })
}
