//! The traits of lab 8, which the model of the orders (`course/orderings`) includes as well.

/// A queue with two ends: its owner works at one, and thieves at the other.
pub trait Deque: Send + Sync + 'static {
    /// Makes an empty deque for so many items, a power of two.
    fn new(capacity: usize) -> Self;
    /// Adds an item as the newest one. Returns false if the deque is full. Only the owner calls this.
    fn push(&self, item: usize) -> bool;
    /// Takes the newest item. Only the owner calls this.
    fn pop(&self) -> Option<usize>;
    /// Takes the oldest item. Any thread may call this.
    fn steal(&self) -> Steal;
}

/// The outcome of a theft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steal {
    /// The oldest item.
    Item(usize),
    /// There was no item.
    Empty,
    /// Another thread took the oldest item first. There may be more.
    Retry,
}

/// A worker of a fork-join pool.
pub trait ForkJoin: Sized + 'static {
    /// The deque of a worker.
    type Deque: Deque;

    /// Starts this many workers, of which the calling thread is one. Calls `root` on it, ends the others, and
    /// returns what `root` has returned.
    fn run<T>(workers: usize, root: impl FnOnce(&Self) -> T) -> T;

    /// Runs `a` here, and offers `b` to thieves meanwhile. Returns when both are done. A panic of one of them
    /// goes on here.
    fn join<A, B>(&self, a: impl FnOnce(&Self) -> A, b: impl FnOnce(&Self) -> B + Send + 'static) -> (A, B)
    where
        B: Send + 'static;
}
