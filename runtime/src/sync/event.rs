//! A flag to wait for: what Python calls `asyncio.Event`.

use super::line::{Line, Look};
use crate::{
    context::budget,
    shim::{self, lock},
    wake_all,
};
use brigade_trace::Cause;
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// A flag that any number of tasks wait for.
///
/// ```
/// use brigade_runtime::{run, spawn, sync::Event, yield_now};
/// use std::sync::Arc;
///
/// run(async {
///     let event = Arc::new(Event::new());
///     let ours = event.clone();
///     let waiter = spawn(async move { ours.wait().await });
///     yield_now().await;
///     assert!(!waiter.is_finished());
///     event.set();
///     waiter.await.unwrap();
/// });
/// ```
pub struct Event {
    state: shim::Mutex<State>,
}

struct State {
    set: bool,
    waiters: Line,
}

impl Event {
    /// An event that is not set.
    #[must_use]
    pub fn new() -> Self {
        Self { state: shim::Mutex::new(State { set: false, waiters: Line::new() }) }
    }

    /// Sets the flag and wakes all who wait. Those who come later do not wait.
    pub fn set(&self) {
        let mut state = lock(&self.state);
        state.set = true;
        let mut wakers: Vec<_> = std::iter::from_fn(|| state.waiters.grant()).collect();
        drop(state);
        wake_all(Cause::Notify, &mut wakers);
    }

    /// Clears the flag: those who come from now on wait. Who was woken by a [`set`](Self::set) before stays woken.
    pub fn clear(&self) {
        lock(&self.state).set = false;
    }

    /// Whether the flag is set.
    pub fn is_set(&self) -> bool {
        lock(&self.state).set
    }

    /// Waits until the flag is set.
    ///
    /// # Cancellation
    ///
    /// Dropping the future has no effect on anybody else.
    pub fn wait(&self) -> Wait<'_> {
        Wait { event: self, place: None }
    }
}

impl Default for Event {
    fn default() -> Self {
        Self::new()
    }
}

/// The future of [`Event::wait`].
#[must_use = "futures do nothing unless awaited"]
pub struct Wait<'a> {
    event: &'a Event,
    place: Option<usize>,
}

impl Future for Wait<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        ready!(budget::poll(cx));
        let mut state = lock(&self.event.state);
        match self.place {
            None if state.set => {}
            None => {
                let place = state.waiters.stand(cx.waker());
                drop(state);
                self.place = Some(place);
                return Poll::Pending;
            }
            Some(place) => {
                let look = state.waiters.look(place, cx.waker());
                drop(state);
                if let Look::Waits { .. } = look {
                    return Poll::Pending;
                }
                self.place = None;
            }
        }
        budget::spend();
        Poll::Ready(())
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            // The lock is free again before what is left behind is dropped. A turn here is nobody else's.
            let _left = lock(&self.event.state).waiters.leave(place);
        }
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("set", &self.is_set()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Wait<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait").field("stands", &self.place.is_some()).finish_non_exhaustive()
    }
}
