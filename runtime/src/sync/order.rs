//! In which order items leave a queue.

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
#[derive(Debug, Clone)]
pub struct Priority<T>(BinaryHeap<Reverse<T>>);

/// One order, with its three operations.
macro_rules! order {
    ($name:ident $(: $bound:ident)?, $inside:ident, $push:expr, $pop:expr) => {
        impl<T $(: $bound)?> Order<T> for $name<T> {}

        impl<T $(: $bound)?> Default for $name<T> {
            fn default() -> Self {
                Self($inside::new())
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
