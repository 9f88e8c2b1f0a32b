//! Yielding to other tasks.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

/// Yields: lets the other ready tasks run before this one continues.
///
/// ```
/// use brigade_runtime::{run, spawn, yield_now};
///
/// run(async {
///     let other = spawn(async { println!("the other task") });
///     yield_now().await;
///     assert!(other.is_finished());
/// });
/// ```
pub fn yield_now() -> YieldNow {
    YieldNow { yielded: false }
}

/// The future of [`yield_now`].
///
/// ```
/// use brigade_runtime::{YieldNow, run, yield_now};
///
/// let once: YieldNow = yield_now();
/// run(once);
/// ```
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
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
