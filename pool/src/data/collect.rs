//! Collecting: the results of a parallel loop in a vector, in the order of the items.
//!
//! All pieces of the loop write into one buffer, each into its own part, so nothing is gathered afterwards.
//! Each finished part is owned by a [`Filled`], which drops the results if the loop panics. Two neighbouring
//! parts become one when their results are reduced; at last one part is the whole buffer, and the vector
//! takes it over. Rayon's `CollectResult` does the same.
//!
//! All pointers into the buffer derive from one pointer to the whole of it. A part that two parts were merged
//! into may therefore reach the results of both through its own pointer.

use super::{Divisible, divide};
use std::{marker::PhantomData, mem, mem::MaybeUninit, ops::Range};

/// Places of results: a part of the buffer.
///
/// The `len` places from `start` on are inside the buffer, and nothing else has them for as long as `'a`.
struct Places<'a, R> {
    start: *mut R,
    len: usize,
    _buffer: PhantomData<&'a mut [MaybeUninit<R>]>,
}

// SAFETY: it has its places alone, and results that are written there may be sent.
unsafe impl<R: Send> Send for Places<'_, R> {}

impl<'a, R> Places<'a, R> {
    fn new(buffer: &'a mut [MaybeUninit<R>]) -> Self {
        Self { start: buffer.as_mut_ptr().cast(), len: buffer.len(), _buffer: PhantomData }
    }

    fn split_at(self, middle: usize) -> (Self, Self) {
        assert!(middle <= self.len, "a part of the items has a part of the places");
        // SAFETY: as asserted, the result is inside the buffer or at its end.
        let second = unsafe { self.start.add(middle) };
        let part = |start, len| Self { start, len, _buffer: PhantomData };
        (part(self.start, middle), part(second, self.len - middle))
    }
}

/// Items, and the places of their results.
struct Unfilled<'a, D, R> {
    items: D,
    places: Places<'a, R>,
}

impl<D: Divisible, R: Send> Divisible for Unfilled<'_, D, R> {
    fn len(&self) -> usize {
        self.items.len()
    }

    fn split_at(self, middle: usize) -> (Self, Self) {
        let (left, right) = self.items.split_at(middle);
        let (places, more_places) = self.places.split_at(middle);
        (Self { items: left, places }, Self { items: right, places: more_places })
    }
}

/// Neighbouring results, which this owns.
///
/// The first `len` places from `start` on are initialised, and no other `Filled` has them. The pointer may be
/// used for the whole buffer.
struct Filled<'a, R> {
    start: *mut R,
    len: usize,
    _places: PhantomData<&'a mut [R]>,
}

// SAFETY: it owns results, which may be sent.
unsafe impl<R: Send> Send for Filled<'_, R> {}

impl<'a, R> Filled<'a, R> {
    /// Writes one result after another. If the iterator panics, those that were written are dropped.
    #[inline(always)]
    fn fill(places: Places<'a, R>, results: impl Iterator<Item = R>) -> Self {
        let mut filled = Self { start: places.start, len: 0, _places: PhantomData };
        for (place, result) in (0..places.len).zip(results) {
            // SAFETY: it is one of these places, which this alone has.
            let place = unsafe { filled.start.add(place) };
            // SAFETY: as above; nothing was written there yet.
            unsafe { place.write(result) };
            filled.len += 1;
        }
        filled
    }

    /// Makes one part of two neighbours.
    fn merge(mut self, right: Self) -> Self {
        // If they were no neighbours, `right` would be dropped, and the buffer would be found incomplete.
        if self.start.wrapping_add(self.len) == right.start {
            self.len += right.len;
            mem::forget(right);
        }
        self
    }
}

impl<R> Drop for Filled<'_, R> {
    fn drop(&mut self) {
        if !mem::needs_drop::<R>() {
            return;
        }
        for place in 0..self.len {
            // SAFETY: it is one of these places, and `start` may be used for all of them.
            let result = unsafe { self.start.add(place) };
            // The loop has panicked, so a panic of a destructor would end the program.
            // SAFETY: the place is initialised, and this alone has it.
            brigade_handle::contain(|| unsafe { result.drop_in_place() });
        }
    }
}

/// Maps items into a new vector.
#[track_caller]
fn collect<D: Divisible, R: Send>(
    items: D,
    fill: impl for<'a> Fn(D, Places<'a, R>) -> Filled<'a, R> + Sync,
) -> Vec<R> {
    let len = items.len();
    let mut results = Vec::with_capacity(len);
    let places = Places::new(&mut results.spare_capacity_mut()[..len]);
    let whole = Unfilled { items, places };
    let filled = divide(whole, |part: Unfilled<'_, D, R>| fill(part.items, part.places), Filled::merge);
    assert!(filled.len == len, "each piece fills its places, and neighbours are merged in order");
    mem::forget(filled);
    // SAFETY: all of them were filled, from the first place on, and the vector owns them from here on.
    unsafe { results.set_len(len) };
    results
}

/// Maps each item, in parallel, and returns the results in the order of the items.
///
/// [`Pool::map`](crate::Pool::map) catches the panic of each call, takes the items by value, and makes a
/// piece of each item. This is for short calls that do not panic.
///
/// ```
/// let numbers: Vec<u64> = (0..10_000).collect();
/// let squares = brigade_pool::map_collect(&numbers, |n| n * n);
/// assert_eq!(squares[9_999], 99_980_001);
/// ```
///
/// # Panics
///
/// Panics if `f` panics, after all other pieces have ended. The results are dropped then. Otherwise as
/// [`for_each`](crate::for_each).
#[doc(alias("par_iter", "collect", "collect_into_vec"))]
#[track_caller]
pub fn map_collect<T, R, F>(items: &[T], f: F) -> Vec<R>
where
    T: Sync,
    R: Send,
    F: Fn(&T) -> R + Sync,
{
    collect(items, |items, places| Filled::fill(places, items.iter().map(&f)))
}

/// Maps like [`map_collect`], over the numbers of a range.
///
/// ```
/// assert_eq!(brigade_pool::map_collect_in(0..4, |n| n * n), [0, 1, 4, 9]);
/// ```
///
/// # Panics
///
/// Panics as [`map_collect`] does.
#[doc(alias("into_par_iter", "collect"))]
#[track_caller]
pub fn map_collect_in<R, F>(range: Range<usize>, f: F) -> Vec<R>
where
    R: Send,
    F: Fn(usize) -> R + Sync,
{
    collect(range, |range, places| Filled::fill(places, range.map(&f)))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Miri checks that a merged part may use its pointer for the results of both.
    #[test]
    fn merged_results_are_dropped_once() {
        use std::sync::Arc;
        let result = Arc::new(());
        let results = || std::iter::repeat(result.clone());
        let mut buffer = Vec::with_capacity(5);
        let whole = Places::new(&mut buffer.spare_capacity_mut()[..5]);
        let (left, right) = whole.split_at(2);
        let (middle, last) = right.split_at(2);
        // They are filled in any order, and the last place is left.
        let (middle, left) = (Filled::fill(middle, results()), Filled::fill(left, results()));
        let merged = left.merge(middle).merge(Filled::fill(last, std::iter::empty()));
        assert_eq!((merged.len, Arc::strong_count(&result)), (4, 5));
        drop(merged);
        assert_eq!(Arc::strong_count(&result), 1);
    }
}
