//! Exponential backoff, for attempts whose success no descriptor announces.
//!
//! The queue of another socket has no readiness of its own. The operating system does not report that a
//! listener's backlog has room again, nor that the queue of a receiver has room to which this socket is not
//! connected, nor that a named pipe has a reader. A blocking call would wait for that, but nothing could
//! interrupt it. So the attempt is repeated after pauses that double.

use crate::time::{Sleep, sleep};
use std::{
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

/// The pause after the first attempt. Each later pause is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_millis(64);

/// The pauses between attempts.
pub(crate) struct Backoff {
    /// The length of the next pause.
    next: Duration,
    /// The pause in progress.
    pause: Option<Sleep>,
}

impl Backoff {
    pub(crate) fn new() -> Self {
        Self { next: FIRST_PAUSE, pause: None }
    }

    /// Waits before the next attempt.
    pub(crate) async fn pause(&mut self) {
        poll_fn(|cx| self.poll_pause(cx)).await;
    }

    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let pause = self.pause.get_or_insert_with(|| sleep(self.next));
        ready!(Pin::new(pause).poll(cx));
        self.pause = None;
        self.next = LONGEST_PAUSE.min(2 * self.next);
        Poll::Ready(())
    }
}

/// Makes attempts with pauses between them, until one returns something other than `WouldBlock`.
pub(crate) async fn retry_with_backoff<R>(mut attempt: impl FnMut() -> io::Result<R>) -> io::Result<R> {
    let mut backoff = Backoff::new();
    loop {
        match attempt() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            result => return result,
        }
        backoff.pause().await;
    }
}

/// Waits for `operation`, which waits for readiness. After each pause it makes an attempt as well, since
/// the readiness may never come.
pub(crate) async fn wait_or_retry<R>(
    operation: impl Future<Output = io::Result<R>>,
    mut attempt: impl FnMut() -> io::Result<R>,
) -> io::Result<R> {
    let mut operation = pin!(operation);
    let mut backoff = Backoff::new();
    poll_fn(|cx| {
        loop {
            if let Poll::Ready(result) = operation.as_mut().poll(cx) {
                return Poll::Ready(result);
            }
            ready!(backoff.poll_pause(cx));
            match attempt() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return Poll::Ready(result),
            }
        }
    })
    .await
}
