//! Loops over the chunks of a slice: rows of a picture, blocks of a matrix. A chunk is never split.

use super::{Divisible, divide};

/// Neighbouring chunks of a slice, of `len` items each. The last chunk of the slice may be shorter.
struct Chunks<'a, T> {
    items: &'a mut [T],
    len: usize,
    /// The number of the first one.
    first: usize,
}

impl<'a, T> Chunks<'a, T> {
    #[track_caller]
    fn new(items: &'a mut [T], len: usize) -> Self {
        assert!(len > 0, "a chunk holds at least one item");
        Self { items, len, first: 0 }
    }

    /// Iterates over the chunks with their numbers.
    fn numbered(self) -> impl Iterator<Item = (usize, &'a mut [T])> {
        (self.first..).zip(self.items.chunks_mut(self.len))
    }
}

impl<T: Send> Divisible for Chunks<'_, T> {
    fn len(&self) -> usize {
        self.items.len().div_ceil(self.len)
    }

    fn split_at(self, middle: usize) -> (Self, Self) {
        let (left, right) = self.items.split_at_mut(middle * self.len);
        (Self { items: left, ..self }, Self { items: right, first: self.first + middle, ..self })
    }
}

/// Chunks of a slice, and the items of another slice at the same places.
struct Zipped<'a, T, U> {
    chunks: Chunks<'a, T>,
    inputs: &'a [U],
}

impl<T: Send, U: Sync> Divisible for Zipped<'_, T, U> {
    fn len(&self) -> usize {
        self.chunks.len()
    }

    fn split_at(self, middle: usize) -> (Self, Self) {
        let (left, right) = self.inputs.split_at(middle * self.chunks.len);
        let (chunks, after) = self.chunks.split_at(middle);
        (Self { chunks, inputs: left }, Self { chunks: after, inputs: right })
    }
}

/// Calls `f` with each chunk of the slice, in parallel: `chunk` neighbouring items, and the number of the
/// chunk, from 0. The last chunk has fewer items if they do not divide evenly.
///
/// It corresponds to `par_chunks_mut(chunk).enumerate().for_each(f)` of rayon.
///
/// ```
/// // A picture of 3 rows: each row gets its own shade.
/// let (width, height) = (4, 3);
/// let mut picture = vec![0_u8; width * height];
/// brigade_pool::for_each_chunk(&mut picture, width, |y, row| row.fill(10 * y as u8));
/// assert_eq!(picture, [0, 0, 0, 0, 10, 10, 10, 10, 20, 20, 20, 20]);
/// ```
///
/// # Panics
///
/// Panics if `chunk` is 0. Otherwise as [`for_each`](crate::for_each).
#[doc(alias("par_chunks_mut", "par_chunks_exact_mut"))]
#[track_caller]
pub fn for_each_chunk<T, F>(items: &mut [T], chunk: usize, f: F)
where
    T: Send,
    F: Fn(usize, &mut [T]) + Sync,
{
    let each = |chunks: Chunks<'_, T>| chunks.numbered().for_each(|(number, chunk)| f(number, chunk));
    divide(Chunks::new(items, chunk), each, |(), ()| ());
}

/// Calls `f` like [`for_each_chunk`], with the inputs at the same places: the number of the chunk, the chunk,
/// and as many inputs.
///
/// It corresponds to `par_chunks_mut(chunk).zip(inputs.par_chunks(chunk))` of rayon.
///
/// ```
/// let celsius: Vec<f64> = (0..1000).map(f64::from).collect();
/// let mut fahrenheit = vec![0.0; 1000];
/// brigade_pool::for_each_chunk_zip(&mut fahrenheit, &celsius, 64, |_, to, from| {
///     to.iter_mut().zip(from).for_each(|(to, from)| *to = from * 1.8 + 32.0);
/// });
/// assert_eq!(fahrenheit[100], 212.0);
/// ```
///
/// # Panics
///
/// Panics if the slices differ in length. Otherwise as [`for_each_chunk`].
#[doc(alias("par_chunks"))]
#[track_caller]
pub fn for_each_chunk_zip<T, U, F>(items: &mut [T], inputs: &[U], chunk: usize, f: F)
where
    T: Send,
    U: Sync,
    F: Fn(usize, &mut [T], &[U]) + Sync,
{
    let (items_len, inputs_len) = (items.len(), inputs.len());
    assert!(items_len == inputs_len, "{items_len} items cannot be paired with {inputs_len} inputs");
    let each = |zipped: Zipped<'_, T, U>| {
        let inputs = zipped.inputs.chunks(zipped.chunks.len);
        zipped.chunks.numbered().zip(inputs).for_each(|((number, chunk), inputs)| f(number, chunk, inputs));
    };
    divide(Zipped { chunks: Chunks::new(items, chunk), inputs }, each, |(), ()| ());
}
