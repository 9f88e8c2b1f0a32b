//! A queue between threads: what Python calls `queue.Queue`.
//!
//! Puts and gets block as the thread's [waiting policy](brigade_handle::wait) says: an ordinary thread parks, a worker of
//! the pool tells its pool that it is away, an async worker is refused.
//!
//! # Why no wake-up is lost
//!
//! Everything is under one lock: the items, and the wakers of those who wait. Whoever finds nothing to take leaves its waker
//! in the same critical section; whoever puts an item takes one waker out in the same critical section and wakes it. A
//! waiter that was woken looks again, and leaves its waker again if a newcomer was quicker. Since a blocked thread cannot
//! go away, a waker that was taken out always has somebody behind it who looks.

use crate::sync::{Mutex, MutexGuard};
use brigade_handle::wait;
use brigade_trace::{Cause, because};
use std::{
    collections::VecDeque,
    fmt,
    sync::PoisonError,
    task::{Poll, Waker},
};

/// A first-in, first-out queue for any number of threads on both sides.
///
/// ```
/// use brigade_pool::{Pool, queue::Queue};
/// use std::sync::Arc;
///
/// let pool = Pool::builder().threads(2).build()?;
/// let queue = Arc::new(Queue::bounded(2));
/// let ours = queue.clone();
/// let consumer = pool.spawn(move || {
///     let mut sum = 0;
///     // `None` is the sentinel that ends the consumer.
///     while let Some(item) = ours.get() {
///         sum += item;
///         ours.task_done();
///     }
///     sum
/// });
/// (1..=4).for_each(|item| queue.put(Some(item)));
/// queue.put(None);
/// assert_eq!(consumer.join().unwrap(), 10);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Queue<T> {
    capacity: Option<usize>,
    state: Mutex<State<T>>,
}

struct State<T> {
    items: VecDeque<T>,
    /// Put, and not yet said to be done.
    unfinished: usize,
    /// Numbers those who wait, so that one who looks twice is in its line once.
    last_waiter_id: u64,
    getters: WaitQueue,
    putters: WaitQueue,
    joiners: WaitQueue,
}

/// Those who wait, in the order in which they came.
#[derive(Default)]
struct WaitQueue(VecDeque<(u64, Waker)>);

impl WaitQueue {
    /// Leaves a waker, in the place that the ticket has if it is in line already.
    fn enqueue(&mut self, waiter_id: u64, waker: &Waker) {
        match self.0.iter_mut().find(|waiter| waiter.0 == waiter_id) {
            Some(waiter) => waiter.1.clone_from(waker),
            None => self.0.push_back((waiter_id, waker.clone())),
        }
    }

    /// Whoever has what it waited for stands in line no longer.
    fn remove(&mut self, waiter_id: u64) {
        self.0.retain(|waiter| waiter.0 != waiter_id);
    }

    fn pop(&mut self) -> Option<Waker> {
        self.0.pop_front().map(|waiter| waiter.1)
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
        let state = State {
            items: VecDeque::new(),
            unfinished: 0,
            last_waiter_id: 0,
            getters: WaitQueue::default(),
            putters: WaitQueue::default(),
            joiners: WaitQueue::default(),
        };
        Self { capacity, state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // No foreign code runs under the lock, so nothing in there is ever half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiter_id(&self) -> u64 {
        let mut state = self.lock();
        state.last_waiter_id += 1;
        state.last_waiter_id
    }

    /// Puts an item at the end; waits while the queue is full.
    ///
    /// # Panics
    ///
    /// On a thread that must not block.
    pub fn put(&self, item: T) {
        let mut item = Some(item);
        let waiter_id = self.waiter_id();
        wait::block("Queue::put", |waker| {
            let mut state = self.lock();
            if self.capacity.is_some_and(|capacity| state.items.len() >= capacity) {
                state.putters.enqueue(waiter_id, waker);
                return Poll::Pending;
            }
            state.putters.remove(waiter_id);
            state.items.push_back(item.take().expect("the loop ends with the poll that takes the item"));
            state.unfinished += 1;
            let getter = state.getters.pop();
            drop(state);
            wake(getter);
            Poll::Ready(())
        });
    }

    /// Takes the item at the front; waits while there is none.
    ///
    /// # Panics
    ///
    /// On a thread that must not block.
    pub fn get(&self) -> T {
        let waiter_id = self.waiter_id();
        wait::block("Queue::get", |waker| {
            let mut state = self.lock();
            let Some(item) = state.items.pop_front() else {
                state.getters.enqueue(waiter_id, waker);
                return Poll::Pending;
            };
            state.getters.remove(waiter_id);
            let putter = state.putters.pop();
            drop(state);
            wake(putter);
            Poll::Ready(item)
        })
    }

    /// Takes the item at the front if there is one.
    pub fn try_get(&self) -> Option<T> {
        let mut state = self.lock();
        let item = state.items.pop_front()?;
        let putter = state.putters.pop();
        drop(state);
        wake(putter);
        Some(item)
    }

    /// Says that an item that was taken is dealt with. [`join`](Self::join) waits for as many of these as there were puts.
    ///
    /// # Panics
    ///
    /// If it is called more often than items were put.
    pub fn task_done(&self) {
        let mut state = self.lock();
        let left = state.unfinished.checked_sub(1);
        let Some(left) = left else {
            drop(state);
            panic!("task_done was called more often than items were put");
        };
        state.unfinished = left;
        let joiners = if left == 0 { std::mem::take(&mut state.joiners).0 } else { VecDeque::new() };
        drop(state);
        joiners.into_iter().for_each(|joiner| wake(Some(joiner.1)));
    }

    /// Waits until every item that was put is dealt with.
    ///
    /// # Panics
    ///
    /// On a thread that must not block.
    pub fn join(&self) {
        let waiter_id = self.waiter_id();
        wait::block("Queue::join", |waker| {
            let mut state = self.lock();
            if state.unfinished > 0 {
                state.joiners.enqueue(waiter_id, waker);
                return Poll::Pending;
            }
            state.joiners.remove(waiter_id);
            Poll::Ready(())
        });
    }

    /// How many items wait to be taken.
    pub fn len(&self) -> usize {
        self.lock().items.len()
    }

    /// Whether none do.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many items were put and are not dealt with.
    pub fn unfinished(&self) -> usize {
        self.lock().unfinished
    }
}

/// Wakes outside the lock: a waker is foreign code.
fn wake(waiter: Option<Waker>) {
    if let Some(waker) = waiter {
        because(Cause::Queue, || waker.wake());
    }
}

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Queue")
            .field("len", &state.items.len())
            .field("capacity", &self.capacity)
            .field("unfinished", &state.unfinished)
            .finish_non_exhaustive()
    }
}
