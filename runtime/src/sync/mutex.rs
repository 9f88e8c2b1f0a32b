//! A lock that may be held across an `.await`: what Python calls `asyncio.Lock`.
//!
//! The value lies in a box. Whoever locks takes the box out, and the guard that owns it puts it back. So the exclusive
//! access is plain ownership, without a line of unsafe code, at the price of one allocation when the mutex is made.

use super::line::{Left, Line, Look, wake};
use crate::{
    context::budget,
    shim::{self, lock},
};
use brigade_trace::Cause;
use std::{
    fmt,
    future::Future,
    ops::{Deref, DerefMut},
    pin::Pin,
    task::{Context, Poll, ready},
};

/// A value that one task at a time may have, in the order in which they asked.
///
/// For a critical section without an `.await` in it, `std::sync::Mutex` is quicker. A panic of who holds it does not
/// poison it: the value is free again as the panic left it. A guard that is leaked leaves it locked for ever.
///
/// ```
/// use brigade_runtime::{gather, run, sync::Mutex, yield_now};
///
/// let counter = Mutex::new(0);
/// let add = async || {
///     let mut counter = counter.lock().await;
///     let before = *counter;
///     yield_now().await;
///     *counter = before + 1;
/// };
/// run(async { gather([add(), add(), add()]).await });
/// assert_eq!(counter.into_inner(), 3);
/// ```
pub struct Mutex<T> {
    state: shim::Mutex<State<T>>,
}

struct State<T> {
    /// None while somebody holds it.
    value: Option<Box<T>>,
    /// Has one turn granted at most, for which the value is kept.
    waiters: Line,
}

impl<T> State<T> {
    fn take(&mut self) -> Box<T> {
        self.value.take().expect("the value is there for who has the turn")
    }
}

impl<T> Mutex<T> {
    /// A mutex that nobody holds.
    #[must_use]
    pub fn new(value: T) -> Self {
        let state = State { value: Some(Box::new(value)), waiters: Line::new() };
        Self { state: shim::Mutex::new(state) }
    }

    /// Waits for its turn, and has the value until the guard is dropped.
    ///
    /// # Cancellation
    ///
    /// Dropping the future gives up the place in line; asked again, it is a new one at the end.
    pub fn lock(&self) -> Locking<'_, T> {
        Locking { mutex: self, place: None }
    }

    /// Has the value if nobody holds it and nobody waits for it.
    pub fn try_lock(&self) -> Option<Guard<'_, T>> {
        let mut state = lock(&self.state);
        if state.waiters.granted() > 0 {
            return None;
        }
        let value = state.value.take()?;
        drop(state);
        Some(Guard { mutex: self, value: Some(value) })
    }

    /// The value, which nobody can hold any more.
    ///
    /// # Panics
    ///
    /// If a guard was leaked.
    pub fn into_inner(self) -> T {
        *lock(&self.state).value.take().expect("no guard was leaked")
    }
}

/// The future of [`Mutex::lock`].
#[must_use = "futures do nothing unless awaited"]
pub struct Locking<'a, T> {
    mutex: &'a Mutex<T>,
    place: Option<usize>,
}

impl<'a, T> Future for Locking<'a, T> {
    type Output = Guard<'a, T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Guard<'a, T>> {
        ready!(budget::poll(cx));
        let mutex = self.mutex;
        let mut state = lock(&mutex.state);
        let value = match self.place {
            None if state.value.is_some() && state.waiters.granted() == 0 => state.take(),
            None => {
                self.place = Some(state.waiters.stand(cx.waker()));
                return Poll::Pending;
            }
            Some(place) => {
                let look = state.waiters.look(place, cx.waker());
                if let Look::Waits { .. } = look {
                    drop(state);
                    return Poll::Pending;
                }
                self.place = None;
                state.take()
            }
        };
        drop(state);
        budget::spend();
        Poll::Ready(Guard { mutex, value: Some(value) })
    }
}

impl<T> Drop for Locking<'_, T> {
    fn drop(&mut self) {
        let Some(place) = self.place else { return };
        let mut state = lock(&self.mutex.state);
        let left = state.waiters.leave(place);
        let next = if let Left::Turn = left { state.waiters.grant() } else { None };
        drop(state);
        wake(Cause::Unlock, next);
    }
}

/// Has the value of a [`Mutex`] until it is dropped. It may be held across an `.await` and go to another thread.
#[must_use = "the mutex is free again as soon as the guard is dropped"]
pub struct Guard<'a, T> {
    mutex: &'a Mutex<T>,
    /// None only while it is dropped.
    value: Option<Box<T>>,
}

const HELD: &str = "a guard has the value until it is dropped";

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.as_deref().expect(HELD)
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_deref_mut().expect(HELD)
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        let mut state = lock(&self.mutex.state);
        state.value = self.value.take();
        let next = state.waiters.grant();
        drop(state);
        wake(Cause::Unlock, next);
    }
}

impl<T> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let free = lock(&self.state).value.is_some();
        f.debug_struct("Mutex").field("free", &free).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Locking<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Locking").field("stands", &self.place.is_some()).finish_non_exhaustive()
    }
}

impl<T: fmt::Debug> fmt::Debug for Guard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
