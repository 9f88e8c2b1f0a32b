//! The cooperative budget (`brigade_handle::budget`).
//!
//! To hear that a timer has fired is free (`time/sleep.rs`). Those who poll several futures see to it that one which uses up the budget
//! whenever it is polled starves no other (`combine/race.rs`, `combine/poll_set.rs`, `time/timeout.rs`).

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
