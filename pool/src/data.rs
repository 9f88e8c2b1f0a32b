//! Data parallelism over slices: split in two until a piece is small enough, by `join`.
//!
//! How small is decided by the number of items alone: a join costs a nanosecond or two, so a piece of [`GRAIN`] items is cheap to
//! split off even if an item is an addition, while items that take long should not be kept together: [`map`](crate::Pool::map) does
//! not.

use crate::join;

/// A piece that is not split further, in items.
const GRAIN: usize = 1024;

/// Calls `f` with each item, in parallel.
///
/// ```
/// let mut numbers: Vec<u32> = (0..10_000).collect();
/// brigade_pool::for_each(&mut numbers, |n| *n += 1);
/// assert_eq!(numbers[9_999], 10_000);
/// ```
///
/// # Panics
///
/// If `f` does. Calls that have not begun by then may be left out, within the same piece only.
pub fn for_each<T, F>(items: &mut [T], f: F)
where
    T: Send,
    F: Fn(&mut T) + Sync,
{
    fn split<T: Send, F: Fn(&mut T) + Sync>(items: &mut [T], f: &F) {
        if items.len() <= GRAIN {
            return items.iter_mut().for_each(f);
        }
        let (left, right) = items.split_at_mut(items.len() / 2);
        join(|| split(left, f), || split(right, f));
    }
    split(items, &f);
}

/// Maps each item, and reduces the results to one, in parallel. `reduce` has to be associative; `identity` is what an empty slice
/// gives, and changes nothing when it is reduced with something.
///
/// ```
/// let numbers: Vec<u64> = (0..10_000).collect();
/// let squares = brigade_pool::map_reduce(&numbers, 0, |n| n * n, |a, b| a + b);
/// assert_eq!(squares, 333_283_335_000);
/// ```
///
/// # Panics
///
/// If `map` or `reduce` does.
pub fn map_reduce<T, R, M, F>(items: &[T], identity: R, map: M, reduce: F) -> R
where
    T: Sync,
    R: Clone + Send + Sync,
    M: Fn(&T) -> R + Sync,
    F: Fn(R, R) -> R + Sync,
{
    fn split<T, R, M, F>(items: &[T], identity: &R, map: &M, reduce: &F) -> R
    where
        T: Sync,
        R: Clone + Send + Sync,
        M: Fn(&T) -> R + Sync,
        F: Fn(R, R) -> R + Sync,
    {
        if items.len() <= GRAIN {
            return items.iter().map(map).fold(identity.clone(), reduce);
        }
        let (left, right) = items.split_at(items.len() / 2);
        let halves = join(|| split(left, identity, map, reduce), || split(right, identity, map, reduce));
        reduce(halves.0, halves.1)
    }
    split(items, &identity, &map, &reduce)
}
