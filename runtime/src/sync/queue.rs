//! A queue between tasks: what Python calls `asyncio.Queue`.
//!
//! Two lines: getters wait for items, putters for room. An item for which a getter has a turn stays in the queue, and room
//! for which a putter has a turn stays free, until the turn is taken; so items come out in the order in which they were put, and a
//! `put` that did not return put nothing.
//!
//! ```text
//!   somebody waits to get  =>  items = turns of getters
//!   somebody waits to put  =>  items + turns of putters = capacity
//! ```

use super::line::{Left, Line, Look, wake};
use crate::{
    context::budget,
    shim::{self, lock},
    wake_all,
};
use brigade_trace::Cause;
use std::{
    collections::VecDeque,
    error, fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

/// A first-in, first-out queue for any number of tasks on both sides.
///
/// ```
/// use brigade_runtime::{run, spawn, sync::Queue};
/// use std::sync::Arc;
///
/// run(async {
///     let queue = Arc::new(Queue::bounded(2));
///     let ours = queue.clone();
///     let consumer = spawn(async move {
///         loop {
///             println!("consumed {}", ours.get().await);
///             ours.task_done();
///         }
///     });
///     for item in 0..5 {
///         queue.put(item).await;
///     }
///     queue.join().await;
///     consumer.cancel();
/// });
/// ```
pub struct Queue<T> {
    capacity: Option<usize>,
    state: shim::Mutex<State<T>>,
}

struct State<T> {
    items: VecDeque<T>,
    /// Put, and not yet said to be done.
    unfinished: usize,
    getters: Line,
    putters: Line,
    joiners: Line,
}

impl<T> State<T> {
    fn has_item(&self) -> bool {
        self.items.len() > self.getters.granted()
    }

    fn has_room(&self, capacity: Option<usize>) -> bool {
        capacity.is_none_or(|capacity| self.items.len() + self.putters.granted() < capacity)
    }

    /// Puts the item; the getter to wake.
    fn push(&mut self, item: T) -> Option<Waker> {
        self.items.push_back(item);
        self.unfinished += 1;
        self.getters.grant()
    }

    /// Takes the item at the front, and the putter to wake.
    fn pop(&mut self) -> (T, Option<Waker>) {
        let item = self.items.pop_front().expect("there is an item for each turn of a getter");
        (item, self.putters.grant())
    }
}

impl<T> Queue<T> {
    /// A queue for any number of items: `put` never waits.
    #[must_use]
    pub fn unbounded() -> Self {
        Self::with_capacity(None)
    }

    /// A queue for `capacity` items: `put` waits while it is full.
    ///
    /// # Panics
    ///
    /// If the capacity is 0: nobody could ever put anything.
    #[must_use]
    pub fn bounded(capacity: usize) -> Self {
        assert!(capacity > 0, "a bounded queue has room for at least one item");
        Self::with_capacity(Some(capacity))
    }

    fn with_capacity(capacity: Option<usize>) -> Self {
        let (items, unfinished) = (VecDeque::new(), 0);
        let (getters, putters, joiners) = (Line::new(), Line::new(), Line::new());
        Self { capacity, state: shim::Mutex::new(State { items, unfinished, getters, putters, joiners }) }
    }

    /// Puts an item at the end; waits while the queue is full.
    ///
    /// # Cancellation
    ///
    /// A future that is dropped has put nothing, and its item is dropped with it.
    pub fn put(&self, item: T) -> Put<'_, T> {
        Put { queue: self, item: Some(item), place: None }
    }

    /// Puts an item at the end if there is room.
    ///
    /// # Errors
    ///
    /// [`Full`], with the item, if there is none.
    pub fn try_put(&self, item: T) -> Result<(), Full<T>> {
        let mut state = lock(&self.state);
        if !state.has_room(self.capacity) {
            return Err(Full(item));
        }
        let getter = state.push(item);
        drop(state);
        wake(Cause::Queue, getter);
        Ok(())
    }

    /// Takes the item at the front; waits while there is none.
    ///
    /// # Cancellation
    ///
    /// A future that is dropped has taken nothing: an item that was meant for it goes to the next who waits.
    pub fn get(&self) -> Get<'_, T> {
        Get { queue: self, place: None }
    }

    /// Takes the item at the front if there is one that is not meant for somebody who waits.
    pub fn try_get(&self) -> Option<T> {
        let mut state = lock(&self.state);
        if !state.has_item() {
            return None;
        }
        let (item, putter) = state.pop();
        drop(state);
        wake(Cause::Queue, putter);
        Some(item)
    }

    /// Says that an item that was taken is dealt with. [`join`](Self::join) waits for as many of these as there were puts.
    ///
    /// # Panics
    ///
    /// If it is called more often than items were put.
    pub fn task_done(&self) {
        let mut state = lock(&self.state);
        let Some(left) = state.unfinished.checked_sub(1) else {
            drop(state);
            panic!("task_done was called more often than items were put");
        };
        state.unfinished = left;
        let mut joiners = Vec::new();
        if left == 0 {
            joiners.extend(std::iter::from_fn(|| state.joiners.grant()));
        }
        drop(state);
        wake_all(Cause::Queue, &mut joiners);
    }

    /// Waits until every item that was put is dealt with.
    ///
    /// # Cancellation
    ///
    /// Dropping the future has no effect on anybody else.
    pub fn join(&self) -> Join<'_, T> {
        Join { queue: self, place: None }
    }

    /// How many items wait to be taken.
    pub fn len(&self) -> usize {
        lock(&self.state).items.len()
    }

    /// Whether none do.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many items were put and are not dealt with.
    pub fn unfinished(&self) -> usize {
        lock(&self.state).unfinished
    }
}

/// The queue had no room for this item.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Full<T>(pub T);

/// The future of [`Queue::put`].
#[must_use = "futures do nothing unless awaited"]
pub struct Put<'a, T> {
    queue: &'a Queue<T>,
    /// None once it is put.
    item: Option<T>,
    place: Option<usize>,
}

// The item is not pinned: it is moved into the queue.
impl<T> Unpin for Put<'_, T> {}

impl<T> Future for Put<'_, T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        ready!(budget::poll(cx));
        let queue = self.queue;
        let mut state = lock(&queue.state);
        if let Some(place) = self.place {
            let look = state.putters.look(place, cx.waker());
            if let Look::Waits { .. } = look {
                drop(state);
                return Poll::Pending;
            }
            self.place = None;
        } else if !state.has_room(queue.capacity) {
            self.place = Some(state.putters.stand(cx.waker()));
            return Poll::Pending;
        }
        let getter = state.push(self.item.take().expect("a `put` is not polled again after it was ready"));
        drop(state);
        budget::spend();
        wake(Cause::Queue, getter);
        Poll::Ready(())
    }
}

impl<T> Drop for Put<'_, T> {
    fn drop(&mut self) {
        let Some(place) = self.place else { return };
        let mut state = lock(&self.queue.state);
        let left = state.putters.leave(place);
        let next = if let Left::Turn = left { state.putters.grant() } else { None };
        drop(state);
        wake(Cause::Queue, next);
    }
}

/// The future of [`Queue::get`].
#[must_use = "futures do nothing unless awaited"]
pub struct Get<'a, T> {
    queue: &'a Queue<T>,
    place: Option<usize>,
}

impl<T> Future for Get<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        ready!(budget::poll(cx));
        let mut state = lock(&self.queue.state);
        if let Some(place) = self.place {
            let look = state.getters.look(place, cx.waker());
            if let Look::Waits { .. } = look {
                drop(state);
                return Poll::Pending;
            }
            self.place = None;
        } else if !state.has_item() {
            let place = state.getters.stand(cx.waker());
            drop(state);
            self.place = Some(place);
            return Poll::Pending;
        }
        let (item, putter) = state.pop();
        drop(state);
        budget::spend();
        wake(Cause::Queue, putter);
        Poll::Ready(item)
    }
}

impl<T> Drop for Get<'_, T> {
    fn drop(&mut self) {
        let Some(place) = self.place else { return };
        let mut state = lock(&self.queue.state);
        let left = state.getters.leave(place);
        let next = if let Left::Turn = left { state.getters.grant() } else { None };
        drop(state);
        wake(Cause::Queue, next);
    }
}

/// The future of [`Queue::join`].
#[must_use = "futures do nothing unless awaited"]
pub struct Join<'a, T> {
    queue: &'a Queue<T>,
    place: Option<usize>,
}

impl<T> Future for Join<'_, T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = lock(&self.queue.state);
        if let Some(place) = self.place {
            let look = state.joiners.look(place, cx.waker());
            drop(state);
            if let Look::Waits { .. } = look {
                return Poll::Pending;
            }
            self.place = None;
        } else if state.unfinished > 0 {
            let place = state.joiners.stand(cx.waker());
            drop(state);
            self.place = Some(place);
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}

impl<T> Drop for Join<'_, T> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            // The lock is free again before what is left behind is dropped. A turn here is nobody else's.
            let _left = lock(&self.queue.state).joiners.leave(place);
        }
    }
}

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = lock(&self.state);
        f.debug_struct("Queue")
            .field("len", &state.items.len())
            .field("capacity", &self.capacity)
            .field("unfinished", &state.unfinished)
            .finish_non_exhaustive()
    }
}

/// What the futures look like to a debugger: whether they stand in line.
macro_rules! debug_future {
    ($($name:ident),*) => {$(
        impl<T> fmt::Debug for $name<'_, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field("stands", &self.place.is_some()).finish_non_exhaustive()
            }
        }
    )*};
}
debug_future!(Put, Get, Join);

impl<T> fmt::Debug for Full<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Full(..)")
    }
}

impl<T> fmt::Display for Full<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the queue is full")
    }
}

impl<T> error::Error for Full<T> {}
