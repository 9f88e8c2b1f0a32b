//! Letting others run.

use brigade_trace::{Cause, because};
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

/// Lets the other ready tasks run before this one goes on.
///
/// ```
/// # brigade_runtime::run(async {
/// brigade_runtime::yield_now().await;
/// # });
/// ```
pub fn yield_now() -> YieldNow {
    YieldNow { yielded: false }
}

/// The future of [`yield_now`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct YieldNow {
    yielded: bool,
}

impl Future for YieldNow {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.yielded, true) {
            return Poll::Ready(());
        }
        because(Cause::Yield, || cx.waker().wake_by_ref());
        Poll::Pending
    }
}
