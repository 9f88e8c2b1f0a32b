//! A queue between threads, like Python's `queue.Queue`.
//!
//! Puts and gets block as the thread's [waiting policy](brigade_handle::wait) says: an ordinary thread
//! parks, a worker of the pool tells its pool that it is blocked, and an async worker is refused.
//!
//! # Why no wake-up is lost
//!
//! Everything is under one lock: the items, and the wakers of the waiting threads. A thread that finds no
//! item leaves its waker in the same critical section. A thread that puts an item takes one waker out in
//! the same critical section, and wakes it. A woken waiter looks again, and leaves its waker again if a
//! newcomer was faster. A blocked thread cannot go away. So behind each waker that was taken out there is
//! a thread that looks.

use crate::sync::{Mutex, MutexGuard};
use brigade_handle::{observe, wait};
use brigade_trace::{Cause, Domain, Kind, Resource, Wait, because, record};
use std::{
    collections::VecDeque,
    fmt,
    panic::Location,
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
    resource: Resource,
}

struct State<T> {
    items: VecDeque<T>,
    /// Items that were put and are not marked as done.
    unfinished: usize,
    /// The last number given to a waiter. The numbers let a waiter that looks twice be in its wait queue
    /// once.
    last_waiter_id: u64,
    getters: WaitQueue,
    putters: WaitQueue,
    joiners: WaitQueue,
}

/// Waiting threads, in the order in which they came.
#[derive(Default)]
struct WaitQueue(VecDeque<(u64, Waker)>);

impl WaitQueue {
    /// Leaves a waker, in place of the waiter's earlier one if there is one.
    fn enqueue(&mut self, waiter_id: u64, waker: &Waker) {
        match self.0.iter_mut().find(|waiter| waiter.0 == waiter_id) {
            Some(waiter) => waiter.1.clone_from(waker),
            None => self.0.push_back((waiter_id, waker.clone())),
        }
    }

    /// Removes a waiter that has what it waited for.
    fn remove(&mut self, waiter_id: u64) {
        self.0.retain(|waiter| waiter.0 != waiter_id);
    }

    fn pop(&mut self) -> Option<Waker> {
        self.0.pop_front().map(|waiter| waiter.1)
    }
}

impl<T> Queue<T> {
    /// Makes a queue without a limit: `put` never waits.
    ///
    /// ```
    /// let queue = brigade_pool::queue::Queue::unbounded();
    /// queue.put(1);
    /// queue.put(2);
    /// assert_eq!((queue.get(), queue.len()), (1, 1));
    /// ```
    #[must_use]
    pub fn unbounded() -> Self {
        Self::with_capacity(None)
    }

    /// Makes a queue for `capacity` items: `put` waits while it is full.
    ///
    /// ```
    /// let queue = std::sync::Arc::new(brigade_pool::queue::Queue::bounded(1));
    /// let theirs = queue.clone();
    /// // The second `put` waits for the first `get`.
    /// let putter = std::thread::spawn(move || (1..=2).for_each(|item| theirs.put(item)));
    /// assert_eq!((queue.get(), queue.get()), (1, 2));
    /// putter.join().unwrap();
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if the capacity is 0: no thread could ever put anything.
    #[must_use]
    #[track_caller]
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
        Self { capacity, state: Mutex::new(state), resource: Resource::new(Domain::Queue) }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // No foreign code runs under the lock, so no critical section is left half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[inline(always)]
    fn record_depth(&self, state: &State<T>) {
        if brigade_trace::on() {
            record(Kind::QueueDepth, self.resource.id(), state.items.len() as u64);
        }
    }

    fn waiter_id(&self) -> u64 {
        let mut state = self.lock();
        state.last_waiter_id += 1;
        state.last_waiter_id
    }

    /// Puts an item at the end. Waits while the queue is full.
    ///
    /// ```
    /// let queue = brigade_pool::queue::Queue::unbounded();
    /// queue.put("soup");
    /// assert_eq!(queue.len(), 1);
    /// ```
    ///
    /// # Panics
    ///
    /// Panics on a thread that must not block.
    #[track_caller]
    pub fn put(&self, item: T) {
        let mut item = Some(item);
        let (waiter_id, mut recorded, at) = (self.waiter_id(), Wait::NONE, Location::caller());
        let _blocking = observe::blocking();
        wait::block("Queue::put", |waker| {
            let mut state = self.lock();
            if self.capacity.is_some_and(|capacity| state.items.len() >= capacity) {
                state.putters.enqueue(waiter_id, waker);
                recorded.begun(|| self.resource.id(), Cause::Room, at);
                return Poll::Pending;
            }
            state.putters.remove(waiter_id);
            state.items.push_back(item.take().expect("the loop ends with the poll that takes the item"));
            state.unfinished += 1;
            let getter = state.getters.pop();
            self.record_depth(&state);
            drop(state);
            recorded.ended(Cause::Room);
            wake(Cause::Item, getter);
            Poll::Ready(())
        });
    }

    /// Takes the item at the front. Waits while there is none.
    ///
    /// ```
    /// let queue = brigade_pool::queue::Queue::unbounded();
    /// queue.put("soup");
    /// queue.put("salad");
    /// assert_eq!((queue.get(), queue.get()), ("soup", "salad"));
    /// ```
    ///
    /// # Panics
    ///
    /// Panics on a thread that must not block.
    #[track_caller]
    pub fn get(&self) -> T {
        let (waiter_id, mut recorded, at) = (self.waiter_id(), Wait::NONE, Location::caller());
        let _blocking = observe::blocking();
        wait::block("Queue::get", |waker| {
            let mut state = self.lock();
            let Some(item) = state.items.pop_front() else {
                state.getters.enqueue(waiter_id, waker);
                recorded.begun(|| self.resource.id(), Cause::Item, at);
                return Poll::Pending;
            };
            state.getters.remove(waiter_id);
            let putter = state.putters.pop();
            self.record_depth(&state);
            drop(state);
            recorded.ended(Cause::Item);
            wake(Cause::Room, putter);
            Poll::Ready(item)
        })
    }

    /// Takes the item at the front, or returns `None` if the queue is empty.
    ///
    /// ```
    /// let queue = brigade_pool::queue::Queue::unbounded();
    /// assert_eq!(queue.try_get(), None);
    /// queue.put("soup");
    /// assert_eq!(queue.try_get(), Some("soup"));
    /// ```
    pub fn try_get(&self) -> Option<T> {
        let mut state = self.lock();
        let item = state.items.pop_front()?;
        let putter = state.putters.pop();
        self.record_depth(&state);
        drop(state);
        wake(Cause::Room, putter);
        Some(item)
    }

    /// Marks an item that was taken as done. [`join`](Self::join) waits until there were as many calls of
    /// this as puts.
    ///
    /// ```
    /// let queue = brigade_pool::queue::Queue::unbounded();
    /// queue.put("soup");
    /// queue.get();
    /// assert_eq!(queue.unfinished(), 1);
    /// queue.task_done();
    /// queue.join();
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if it is called more often than items were put.
    #[track_caller]
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
        joiners.into_iter().for_each(|joiner| wake(Cause::Queue, Some(joiner.1)));
    }

    /// Waits until every item that was put is marked as done.
    ///
    /// ```
    /// let queue = std::sync::Arc::new(brigade_pool::queue::Queue::unbounded());
    /// queue.put("soup");
    /// let theirs = queue.clone();
    /// let cook = std::thread::spawn(move || {
    ///     theirs.get();
    ///     theirs.task_done();
    /// });
    /// queue.join();
    /// assert_eq!(queue.unfinished(), 0);
    /// cook.join().unwrap();
    /// ```
    ///
    /// # Panics
    ///
    /// Panics on a thread that must not block.
    #[track_caller]
    pub fn join(&self) {
        let (waiter_id, mut recorded, at) = (self.waiter_id(), Wait::NONE, Location::caller());
        let _blocking = observe::blocking();
        wait::block("Queue::join", |waker| {
            let mut state = self.lock();
            if state.unfinished > 0 {
                state.joiners.enqueue(waiter_id, waker);
                recorded.begun(|| self.resource.id(), Cause::Queue, at);
                return Poll::Pending;
            }
            state.joiners.remove(waiter_id);
            recorded.ended(Cause::Queue);
            Poll::Ready(())
        });
    }

    /// Returns how many items wait to be taken.
    ///
    /// ```
    /// let queue = brigade_pool::queue::Queue::unbounded();
    /// assert_eq!(queue.len(), 0);
    /// queue.put("soup");
    /// assert_eq!(queue.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.lock().items.len()
    }

    /// Returns whether no item waits to be taken.
    ///
    /// ```
    /// let queue = brigade_pool::queue::Queue::unbounded();
    /// assert!(queue.is_empty());
    /// queue.put("soup");
    /// assert!(!queue.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns how many items were put and are not marked as done.
    ///
    /// ```
    /// let queue = brigade_pool::queue::Queue::unbounded();
    /// queue.put("soup");
    /// queue.get();
    /// assert_eq!((queue.len(), queue.unfinished()), (0, 1));
    /// ```
    pub fn unfinished(&self) -> usize {
        self.lock().unfinished
    }
}

/// Wakes outside the lock: a waker is foreign code.
fn wake(cause: Cause, waiter: Option<Waker>) {
    if let Some(waker) = waiter {
        because(cause, || waker.wake());
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
