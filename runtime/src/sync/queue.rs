//! A queue of work items between tasks, like `asyncio.Queue`, `LifoQueue` and `PriorityQueue` in Python.
//!
//! It has a wait queue of getters, which wait for items, and one of putters, which wait for room. An item
//! that is granted to a getter stays in the queue, *reserved*, until the getter takes it. Room that is
//! granted to a putter stays free, *reserved*, until the putter uses it. So items come out in the queue's
//! order, and a `put` that did not return has put nothing.
//!
//! ```text
//!   a getter is queued  =>  items = reserved_items
//!   a putter is queued  =>  items + reserved_room = capacity
//! ```
//!
//! Long: each method of both sides has its example here.

use super::{
    order::{Fifo, Order},
    wait_queue::{WaitFuture, WaitQueue},
    waiter::{Attempt, Waiter},
    wakers::{grant_all, wake},
};
use crate::shim::{self, const_fn, lock};
use brigade_trace::{Cause, Domain, Kind, Resource, record};
use std::{error, fmt, future::Future, panic::Location, task::Waker};

/// A queue for any number of tasks on both sides. Items come out in the order in which they were put.
///
/// The parameter `O` selects another order: see [`LifoQueue`](super::LifoQueue) and
/// [`PriorityQueue`](super::PriorityQueue). Waiters are served in the order in which they came, whatever
/// the order of the items.
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
pub struct Queue<T, O = Fifo<T>> {
    capacity: Option<usize>,
    resource: Resource,
    state: shim::Mutex<State<T, O>>,
}

struct State<T, O> {
    items: O,
    /// Items that were put and are not yet reported as done.
    unfinished: usize,
    getters: WaitQueue<Option<T>>,
    /// Items that are granted to getters and not taken yet.
    reserved_items: usize,
    putters: WaitQueue<Option<T>>,
    /// Room that is granted to putters and not used yet.
    reserved_room: usize,
    joiners: WaitQueue<()>,
}

impl<T, O: Order<T>> State<T, O> {
    fn has_item(&self) -> bool {
        self.items.len() > self.reserved_items
    }

    fn has_room(&self, capacity: Option<usize>) -> bool {
        capacity.is_none_or(|capacity| self.items.len() + self.reserved_room < capacity)
    }

    /// Puts an item. Returns the getter to wake.
    fn push(&mut self, item: T) -> Option<Waker> {
        self.items.push(item);
        self.unfinished += 1;
        self.reserve_item()
    }

    /// Takes the next item. Returns it and the putter to wake.
    fn pop(&mut self) -> (T, Option<Waker>) {
        let item = self.items.pop().expect("there is an item for each turn of a getter");
        (item, self.reserve_room())
    }

    /// Grants an item to the getter at the front, if one is queued.
    fn reserve_item(&mut self) -> Option<Waker> {
        let getter = self.getters.grant(|_| ())?;
        self.reserved_items += 1;
        Some(getter)
    }

    /// Grants room to the putter at the front, if one is queued.
    fn reserve_room(&mut self) -> Option<Waker> {
        let putter = self.putters.grant(|_| ())?;
        self.reserved_room += 1;
        Some(putter)
    }
}

impl<T> Queue<T> {
    const_fn! {
        /// Creates a queue for any number of items: `put` never waits.
        #[must_use]
        pub const fn unbounded() -> Self {
            Self::of(Fifo::NONE, None)
        }

        /// Creates a queue for `capacity` items: `put` waits while it is full.
        ///
        /// # Panics
        ///
        /// Panics in the caller if the capacity is 0: nobody could ever put anything.
        #[track_caller]
        #[must_use]
        pub const fn bounded(capacity: usize) -> Self {
            Self::of(Fifo::NONE, Some(capacity))
        }
    }
}

impl<T, O> Queue<T, O> {
    const_fn! {
        #[track_caller]
        pub(super) const fn of(items: O, capacity: Option<usize>) -> Self {
            assert!(!matches!(capacity, Some(0)), "a bounded queue has room for at least one item");
            let state = State {
                items,
                unfinished: 0,
                getters: WaitQueue::new(),
                reserved_items: 0,
                putters: WaitQueue::new(),
                reserved_room: 0,
                joiners: WaitQueue::new(),
            };
            Self { capacity, resource: Resource::new(Domain::Queue), state: shim::Mutex::new(state) }
        }
    }
}

impl<T, O: Order<T>> Queue<T, O> {
    /// Puts an item, and waits while the queue is full.
    ///
    /// # Cancellation
    ///
    /// A future that is dropped has put nothing, and its item is dropped with it.
    #[track_caller]
    pub fn put(&self, item: T) -> impl Future<Output = ()> {
        let at = Location::caller();
        async move {
            // The item comes back if the fast path failed: then room is reserved for it.
            let Some(item) = WaitFuture::new_at(Putter(self), Some(item), at).await else { return };
            let mut state = lock(&self.state);
            state.reserved_room -= 1;
            let getter = state.push(item);
            self.record_depth(&state);
            drop(state);
            wake(Cause::Item, getter);
        }
    }

    /// Puts an item if there is room.
    ///
    /// # Errors
    ///
    /// Returns the item in [`Full`] if there is no room, or if the room is granted to tasks that wait.
    ///
    /// ```
    /// use brigade_runtime::sync::{Full, Queue};
    ///
    /// let queue = Queue::bounded(1);
    /// assert_eq!(queue.try_put("soup"), Ok(()));
    /// assert_eq!(queue.try_put("pie"), Err(Full("pie")));
    /// ```
    #[doc(alias = "put_nowait")]
    pub fn try_put(&self, item: T) -> Result<(), Full<T>> {
        let mut state = lock(&self.state);
        if !state.has_room(self.capacity) {
            return Err(Full(item));
        }
        let getter = state.push(item);
        self.record_depth(&state);
        drop(state);
        wake(Cause::Item, getter);
        Ok(())
    }

    /// Takes the next item, and waits while there is none.
    ///
    /// # Cancellation
    ///
    /// A future that is dropped has taken nothing: an item that was meant for it goes to the next waiter.
    #[track_caller]
    pub fn get(&self) -> impl Future<Output = T> {
        let at = Location::caller();
        async move {
            if let Some(item) = WaitFuture::new_at(Getter(self), None, at).await {
                return item;
            }
            let mut state = lock(&self.state);
            state.reserved_items -= 1;
            let (item, putter) = state.pop();
            self.record_depth(&state);
            drop(state);
            wake(Cause::Room, putter);
            item
        }
    }

    /// Takes the next item, if there is one that is not granted to a task that waits.
    ///
    /// ```
    /// let queue = brigade_runtime::sync::Queue::unbounded();
    /// queue.try_put("soup").unwrap();
    /// assert_eq!((queue.try_get(), queue.try_get()), (Some("soup"), None));
    /// ```
    #[doc(alias = "get_nowait")]
    pub fn try_get(&self) -> Option<T> {
        let mut state = lock(&self.state);
        if !state.has_item() {
            return None;
        }
        let (item, putter) = state.pop();
        self.record_depth(&state);
        drop(state);
        wake(Cause::Room, putter);
        Some(item)
    }

    #[inline(always)]
    fn record_depth(&self, state: &State<T, O>) {
        if brigade_trace::on() {
            record(Kind::QueueDepth, self.resource.id(), state.items.len() as u64);
        }
    }

    /// Reports that an item that was taken is done. [`join`](Self::join) waits for as many reports as there
    /// were puts.
    ///
    /// # Panics
    ///
    /// Panics in the caller if there are more reports than puts.
    ///
    /// ```
    /// let queue = brigade_runtime::sync::Queue::unbounded();
    /// queue.try_put("soup").unwrap();
    /// queue.try_get().unwrap();
    /// assert_eq!(queue.unfinished(), 1);
    /// queue.task_done();
    /// assert_eq!(queue.unfinished(), 0);
    /// ```
    #[track_caller]
    pub fn task_done(&self) {
        let mut state = lock(&self.state);
        let Some(left) = state.unfinished.checked_sub(1) else {
            drop(state);
            panic!("task_done was called more often than items were put");
        };
        state.unfinished = left;
        if left == 0 {
            grant_all(&Joiner(self), state, Cause::Queue, |_| ());
        }
    }

    /// Waits until every item that was put is reported as done.
    ///
    /// # Cancellation
    ///
    /// Dropping the future has no effect on other tasks.
    #[track_caller]
    pub fn join(&self) -> impl Future<Output = ()> {
        WaitFuture::new(Joiner(self), ())
    }

    /// Returns how many items are in the queue.
    pub fn len(&self) -> usize {
        lock(&self.state).items.len()
    }

    /// Returns whether the queue has no items.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns how many items were put and are not reported as done.
    pub fn unfinished(&self) -> usize {
        lock(&self.state).unfinished
    }
}

/// A task that waits for an item. The request is the item, if there was one at once.
struct Getter<'a, T, O>(&'a Queue<T, O>);

impl<T, O: Order<T>> Waiter for Getter<'_, T, O> {
    type State = State<T, O>;
    type Request = Option<T>;

    fn lock(&self) -> &shim::Mutex<State<T, O>> {
        &self.0.state
    }

    fn queue(state: &mut State<T, O>) -> &mut WaitQueue<Option<T>> {
        &mut state.getters
    }

    fn resource(&self) -> &Resource {
        &self.0.resource
    }

    fn cause(&self) -> Cause {
        Cause::Item
    }

    fn try_fast(&self, request: &mut Option<T>) -> Attempt {
        *request = self.0.try_get();
        Attempt::done_if(request.is_some())
    }

    fn try_locked(&self, state: &mut State<T, O>, _: &mut Option<T>) -> Attempt {
        let has = state.has_item();
        state.reserved_items += usize::from(has);
        Attempt::done_if(has)
    }

    fn give_back(&self, _: Option<T>) {
        let mut state = lock(&self.0.state);
        state.reserved_items -= 1;
        let next = state.reserve_item();
        drop(state);
        wake(Cause::Item, next);
    }
}

/// A task that waits for room. The request is the item, until it is in the queue.
struct Putter<'a, T, O>(&'a Queue<T, O>);

impl<T, O: Order<T>> Waiter for Putter<'_, T, O> {
    type State = State<T, O>;
    type Request = Option<T>;

    fn lock(&self) -> &shim::Mutex<State<T, O>> {
        &self.0.state
    }

    fn queue(state: &mut State<T, O>) -> &mut WaitQueue<Option<T>> {
        &mut state.putters
    }

    fn resource(&self) -> &Resource {
        &self.0.resource
    }

    fn cause(&self) -> Cause {
        Cause::Room
    }

    fn try_fast(&self, request: &mut Option<T>) -> Attempt {
        *request = request.take().and_then(|item| self.0.try_put(item).err()).map(|full| full.0);
        Attempt::done_if(request.is_none())
    }

    fn try_locked(&self, state: &mut State<T, O>, _: &mut Option<T>) -> Attempt {
        let has = state.has_room(self.0.capacity);
        state.reserved_room += usize::from(has);
        Attempt::done_if(has)
    }

    fn give_back(&self, _item: Option<T>) {
        let mut state = lock(&self.0.state);
        state.reserved_room -= 1;
        let next = state.reserve_room();
        drop(state);
        wake(Cause::Room, next);
    }
}

/// A task that waits until all items are done.
struct Joiner<'a, T, O>(&'a Queue<T, O>);

impl<T, O: Order<T>> Waiter for Joiner<'_, T, O> {
    type State = State<T, O>;
    type Request = ();

    fn lock(&self) -> &shim::Mutex<State<T, O>> {
        &self.0.state
    }

    fn queue(state: &mut State<T, O>) -> &mut WaitQueue<()> {
        &mut state.joiners
    }

    fn resource(&self) -> &Resource {
        &self.0.resource
    }

    fn cause(&self) -> Cause {
        Cause::Queue
    }

    fn try_fast(&self, (): &mut ()) -> Attempt {
        Attempt::done_if(self.0.unfinished() == 0)
    }

    fn try_locked(&self, state: &mut State<T, O>, (): &mut ()) -> Attempt {
        Attempt::done_if(state.unfinished == 0)
    }
}

/// The error of putting an item into a full queue. It contains the item.
///
/// ```
/// use brigade_runtime::sync::{Full, Queue};
///
/// let queue = Queue::bounded(1);
/// queue.try_put("soup").unwrap();
/// let Err(Full(item)) = queue.try_put("pie") else { panic!("the queue has one item at most") };
/// assert_eq!(item, "pie");
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Full<T>(pub T);

impl<T, O: Order<T>> fmt::Debug for Queue<T, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("len", &self.len())
            .field("capacity", &self.capacity)
            .field("unfinished", &self.unfinished())
            .finish_non_exhaustive()
    }
}

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
