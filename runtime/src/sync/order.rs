//! The orders in which items leave a queue.

use super::queue::Queue;
use crate::shim::const_fn;
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
};

/// An order in which items leave a [`Queue`](super::Queue): [`Fifo`], [`Lifo`] or [`Priority`].
///
/// ```
/// use brigade_runtime::sync::{Order, Queue};
///
/// /// Takes all items, in whatever order the queue has.
/// fn drain<T, O: Order<T>>(queue: &Queue<T, O>) -> Vec<T> {
///     std::iter::from_fn(|| queue.try_get()).collect()
/// }
///
/// let queue = Queue::lifo();
/// queue.try_put(1).unwrap();
/// queue.try_put(2).unwrap();
/// assert_eq!(drain(&queue), [2, 1]);
/// ```
pub trait Order<T>: sealed::Items<T> {}

pub(super) mod sealed {
    /// The items of a queue, in one order.
    pub trait Items<T>: Default {
        /// Adds an item.
        fn push(&mut self, item: T);
        /// Removes the next item.
        fn pop(&mut self) -> Option<T>;
        /// Returns how many items there are.
        fn len(&self) -> usize;
    }
}

/// First in, first out.
///
/// ```
/// use brigade_runtime::sync::{Fifo, Queue};
///
/// let queue: Queue<u32, Fifo<u32>> = Queue::unbounded();
/// queue.try_put(1).unwrap();
/// queue.try_put(2).unwrap();
/// assert_eq!(queue.try_get(), Some(1));
/// ```
#[derive(Debug, Clone)]
pub struct Fifo<T>(VecDeque<T>);

/// Last in, first out.
///
/// ```
/// use brigade_runtime::sync::{Lifo, Queue};
///
/// let queue: Queue<u32, Lifo<u32>> = Queue::lifo();
/// queue.try_put(1).unwrap();
/// queue.try_put(2).unwrap();
/// assert_eq!(queue.try_get(), Some(2));
/// ```
#[derive(Debug, Clone)]
pub struct Lifo<T>(Vec<T>);

/// The least item first, as in a `heapq` of Python. The order among equal items is not defined.
///
/// Items are compared while the queue is locked: a comparison must not use the queue. If a comparison
/// panics, the panic goes on in the task that puts or takes the item. The queue may then have lost an item,
/// or a task that waits for one may have to wait for the next.
///
/// ```
/// use brigade_runtime::sync::{Priority, Queue};
///
/// let queue: Queue<u32, Priority<u32>> = Queue::priority();
/// queue.try_put(2).unwrap();
/// queue.try_put(1).unwrap();
/// assert_eq!(queue.try_get(), Some(1));
/// ```
#[derive(Debug, Clone)]
pub struct Priority<T>(BinaryHeap<Reverse<T>>);

/// Implements one order by its two operations and its container.
macro_rules! order {
    ($name:ident $(: $bound:ident)?, $inside:ident, $push:expr, $pop:expr) => {
        impl<T $(: $bound)?> Order<T> for $name<T> {}

        impl<T $(: $bound)?> $name<T> {
            /// A container without items.
            pub(super) const NONE: Self = Self($inside::new());
        }

        impl<T $(: $bound)?> Default for $name<T> {
            fn default() -> Self {
                Self::NONE
            }
        }

        impl<T $(: $bound)?> sealed::Items<T> for $name<T> {
            fn push(&mut self, item: T) {
                let push: fn(&mut $inside<_>, T) = $push;
                push(&mut self.0, item);
            }

            fn pop(&mut self) -> Option<T> {
                let pop: fn(&mut $inside<_>) -> Option<T> = $pop;
                pop(&mut self.0)
            }

            fn len(&self) -> usize {
                self.0.len()
            }
        }
    };
}
order!(Fifo, VecDeque, VecDeque::push_back, VecDeque::pop_front);
order!(Lifo, Vec, Vec::push, Vec::pop);
order!(Priority: Ord, BinaryHeap, |heap, item| heap.push(Reverse(item)), |heap| heap.pop().map(|Reverse(item)| item));

/// A queue from which the least item comes first.
///
/// ```
/// let queue = brigade_runtime::sync::Queue::priority();
/// for item in [3, 1, 2] {
///     queue.try_put(item).unwrap();
/// }
/// assert_eq!([queue.try_get(), queue.try_get(), queue.try_get()], [Some(1), Some(2), Some(3)]);
/// ```
pub type PriorityQueue<T> = Queue<T, Priority<T>>;

/// A queue from which the latest item comes first.
///
/// ```
/// let queue = brigade_runtime::sync::Queue::lifo();
/// queue.try_put("below").unwrap();
/// queue.try_put("above").unwrap();
/// assert_eq!(queue.try_get(), Some("above"));
/// ```
pub type LifoQueue<T> = Queue<T, Lifo<T>>;

impl<T> LifoQueue<T> {
    const_fn! {
        /// Creates an [`unbounded`](Queue::unbounded) queue from which the latest item comes first.
        #[must_use]
        pub const fn lifo() -> Self {
            Self::of(Lifo::NONE, None)
        }

        /// Creates a [`bounded`](Queue::bounded) queue from which the latest item comes first.
        ///
        /// # Panics
        ///
        /// Panics in the caller if the capacity is 0: nobody could ever put anything.
        #[must_use]
        #[track_caller]
        pub const fn bounded_lifo(capacity: usize) -> Self {
            Self::of(Lifo::NONE, Some(capacity))
        }
    }
}

impl<T: Ord> PriorityQueue<T> {
    const_fn! {
        /// Creates an [`unbounded`](Queue::unbounded) queue from which the least item comes first.
        #[must_use]
        pub const fn priority() -> Self {
            Self::of(Priority::NONE, None)
        }

        /// Creates a [`bounded`](Queue::bounded) queue from which the least item comes first.
        ///
        /// # Panics
        ///
        /// Panics in the caller if the capacity is 0: nobody could ever put anything.
        #[must_use]
        #[track_caller]
        pub const fn bounded_priority(capacity: usize) -> Self {
            Self::of(Priority::NONE, Some(capacity))
        }
    }
}
