//! Attempts that no descriptor tells of: they are made again after pauses that grow.
//!
//! A queue of another socket has no readiness of its own: nobody says that a listener's backlog, or the queue of a receiver to which this
//! socket is not connected, has room again; nor that a named pipe has a reader. A call that blocks would wait for that, but nothing could end it.

use crate::time::{Sleep, sleep};
use std::{
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(64);

/// How long to wait before the next attempt.
pub(crate) struct Backoff {
    next: Duration,
    /// The pause that is under way.
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

/// Makes attempts with pauses between, until one does not say `WouldBlock`.
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

/// Waits for `operation`, which waits for readiness; if that takes long, makes attempts besides, since the readiness may never come.
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
