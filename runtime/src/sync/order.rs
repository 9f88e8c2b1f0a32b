//! In which order items leave a queue.

use super::queue::Queue;
use crate::shim::const_fn;
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
};

/// An order in which items leave a [`Queue`](super::Queue): [`Fifo`], [`Lifo`] or [`Priority`].
pub trait Order<T>: sealed::Items<T> {}

pub(super) mod sealed {
    /// The items of a queue. A `Vec` with an opinion.
    pub trait Items<T>: Default {
        /// Puts an item in.
        fn push(&mut self, item: T);
        /// Takes the next item out.
        fn pop(&mut self) -> Option<T>;
        /// How many there are.
        fn len(&self) -> usize;
    }
}

/// First in, first out.
#[derive(Debug, Clone)]
pub struct Fifo<T>(VecDeque<T>);

/// Last in, first out.
#[derive(Debug, Clone)]
pub struct Lifo<T>(Vec<T>);

/// The least item first, as in a `heapq` of Python. Among equal ones the order is not defined.
///
/// Items are compared while the queue is locked: a comparison must not use the queue. If it panics, the panic goes on where the item is put
/// or taken, and the queue may have lost an item, or who waits for one may wait for the next.
#[derive(Debug, Clone)]
pub struct Priority<T>(BinaryHeap<Reverse<T>>);

/// One order, with its three operations.
macro_rules! order {
    ($name:ident $(: $bound:ident)?, $inside:ident, $push:expr, $pop:expr) => {
        impl<T $(: $bound)?> Order<T> for $name<T> {}

        impl<T $(: $bound)?> $name<T> {
            /// No items.
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

/// A queue whose least item comes first.
///
/// ```
/// let queue = brigade_runtime::sync::Queue::priority();
/// for item in [3, 1, 2] {
///     queue.try_put(item).unwrap();
/// }
/// assert_eq!([queue.try_get(), queue.try_get(), queue.try_get()], [Some(1), Some(2), Some(3)]);
/// ```
pub type PriorityQueue<T> = Queue<T, Priority<T>>;

/// A queue whose latest item comes first.
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
        /// [`unbounded`](Queue::unbounded), with the latest item first.
        #[must_use]
        pub const fn lifo() -> Self {
            Self::of(Lifo::NONE, None)
        }

        /// [`bounded`](Queue::bounded), with the latest item first.
        ///
        /// # Panics
        ///
        /// If the capacity is 0: nobody could ever put anything.
        #[must_use]
        pub const fn bounded_lifo(capacity: usize) -> Self {
            Self::of(Lifo::NONE, Some(capacity))
        }
    }
}

impl<T: Ord> PriorityQueue<T> {
    const_fn! {
        /// [`unbounded`](Queue::unbounded), with the least item first.
        #[must_use]
        pub const fn priority() -> Self {
            Self::of(Priority::NONE, None)
        }

        /// [`bounded`](Queue::bounded), with the least item first.
        ///
        /// # Panics
        ///
        /// If the capacity is 0: nobody could ever put anything.
        #[must_use]
        pub const fn bounded_priority(capacity: usize) -> Self {
            Self::of(Priority::NONE, Some(capacity))
        }
    }
}
