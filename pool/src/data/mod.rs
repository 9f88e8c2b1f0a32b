//! Data parallelism over slices and ranges: `join` splits them in two until a piece is small enough.
//!
//! # How small is small enough
//!
//! The number of items does not tell: a thousand additions cost less than one split, and a hundred calls
//! of a millisecond are worth a hundred splits. So a loop has a **budget** of splits,
//! [`PIECES_PER_THREAD`] for each thread at first, and each split halves it. A piece without budget is
//! not split further. A piece that was *stolen* proves that a worker had nothing to do. Such a piece gets
//! a new budget, so that the last pieces of a loop are divided as finely as the thieves ask for. The idea
//! is that of rayon's `Splitter`, and of Tzannes and others, "Lazy binary-splitting" (2010). The first
//! budget is larger than rayon's, because a join costs so little.
//!
//! # Loops inside loops
//!
//! A loop that begins while its worker has older work to give away need not be split: thieves take that
//! work first, and larger pieces of it. Such a loop goes on alone in a few steps ([`go_on_alone`]). If a
//! thief has asked for work meanwhile, or the older work is gone, the rest is divided like any other loop.
//!
//! The loop over a piece may use vector instructions that the rest of the program must not take for
//! granted, if it is faster with them (`data/simd.rs`).

mod chunks;
// Unsafe: results are moved into a buffer that is not initialised.
mod collect;
// Unsafe: inputs are moved out of a buffer and results into one, which are not initialised throughout.
mod map;
// Unsafe: calls code that is compiled for some processors only.
mod simd;

pub use chunks::{for_each_chunk, for_each_chunk_zip};
pub use collect::{map_collect, map_collect_in};

use crate::{
    data::simd::Versions,
    join::{Caller, join_at},
    pool::Pool,
    worker::current,
};
use std::{ops::Range, panic::Location};

/// Pieces into which a loop is split for each thread if no piece is stolen.
const PIECES_PER_THREAD: usize = 16;

/// Steps for each thread that a loop takes which runs inside other parallel work.
const STEPS_PER_THREAD: usize = 4;

/// Data that can be split in two.
trait Divisible: Send + Sized {
    fn len(&self) -> usize;

    fn split_at(self, middle: usize) -> (Self, Self);
}

impl<T: Sync> Divisible for &[T] {
    fn len(&self) -> usize {
        <[T]>::len(self)
    }

    fn split_at(self, middle: usize) -> (Self, Self) {
        <[T]>::split_at(self, middle)
    }
}

impl<T: Send> Divisible for &mut [T] {
    fn len(&self) -> usize {
        <[T]>::len(self)
    }

    fn split_at(self, middle: usize) -> (Self, Self) {
        self.split_at_mut(middle)
    }
}

impl Divisible for Range<usize> {
    fn len(&self) -> usize {
        self.end.saturating_sub(self.start)
    }

    fn split_at(self, middle: usize) -> (Self, Self) {
        let middle = self.start + middle;
        (self.start..middle, middle..self.end)
    }
}

/// How many splits a piece is still worth.
#[derive(Clone, Copy)]
struct SplitBudget {
    left: usize,
    /// The budget of a stolen piece.
    renewed: usize,
}

impl SplitBudget {
    fn new(threads: usize) -> Self {
        let renewed = threads * PIECES_PER_THREAD;
        Self { left: renewed, renewed }
    }

    /// Returns the budget of each half, if the piece is to be split.
    fn split(self, len: usize) -> Option<Self> {
        (len > 1 && self.left > 1).then_some(Self { left: self.left / 2, ..self })
    }

    /// Returns the budget of a half that another worker may have stolen.
    fn after_theft(self, is_stolen: bool) -> Self {
        if is_stolen { Self { left: self.renewed, ..self } } else { self }
    }
}

/// The body of a loop: what is done with a piece, and how the results of two pieces become one.
struct Body<L, F> {
    leaf: L,
    reduce: F,
    versions: Versions,
    /// The place in the program that divides.
    at: Caller,
}

impl<L, F> Body<L, F> {
    /// Runs a piece that is not divided further. While the loop tries its versions, it does so in parts.
    fn run<D, R>(&self, piece: D) -> R
    where
        D: Divisible,
        L: Fn(D) -> R,
        F: Fn(R, R) -> R,
    {
        let run = |part: D| self.versions.run(part.len(), || (self.leaf)(part));
        let Some(part) = self.versions.trial_part(piece.len()) else { return run(piece) };
        let (first, mut rest) = piece.split_at(part);
        let mut done = run(first);
        while rest.len() > part {
            let (next, further) = rest.split_at(part);
            done = (self.reduce)(done, run(next));
            rest = further;
        }
        (self.reduce)(done, run(rest))
    }
}

/// Divides `whole` as its budget allows, calls `leaf` with each piece, and reduces the results.
#[track_caller]
fn divide<D, R>(whole: D, leaf: impl Fn(D) -> R + Sync, reduce: impl Fn(R, R) -> R + Sync) -> R
where
    D: Divisible,
    R: Send,
{
    if whole.len() <= 1 {
        return leaf(whole);
    }
    let body = Body { leaf, reduce, versions: Versions::new(), at: Location::caller() };
    match current::threads() {
        Some(threads) if current::wants_work() => divide_here(whole, SplitBudget::new(threads), &body),
        Some(threads) => go_on_alone(whole, threads, &body),
        None => {
            let pool = Pool::global();
            pool.install(|| divide_here(whole, SplitBudget::new(pool.threads()), &body))
        }
    }
}

fn divide_here<D, R, L, F>(piece: D, budget: SplitBudget, body: &Body<L, F>) -> R
where
    D: Divisible,
    R: Send,
    L: Fn(D) -> R + Sync,
    F: Fn(R, R) -> R + Sync,
{
    let len = piece.len();
    let Some(budget) = budget.split(len) else { return body.run(piece) };
    let (left, right) = piece.split_at(len / 2);
    let here = current::address();
    let (left, right) = join_at(
        || divide_here(left, budget, body),
        || divide_here(right, budget.after_theft(current::address() != here), body),
        body.at,
    );
    (body.reduce)(left, right)
}

/// Goes through `rest` in a few steps, and divides what is left as soon as somebody wants work.
fn go_on_alone<D, R, L, F>(mut rest: D, threads: usize, body: &Body<L, F>) -> R
where
    D: Divisible,
    R: Send,
    L: Fn(D) -> R + Sync,
    F: Fn(R, R) -> R + Sync,
{
    let step = rest.len().div_ceil(threads * STEPS_PER_THREAD);
    let mut done = None;
    let last = loop {
        if rest.len() <= step {
            break body.run(rest);
        }
        let (next, further) = rest.split_at(step);
        rest = further;
        let result = body.run(next);
        done = Some(match done {
            Some(done) => (body.reduce)(done, result),
            None => result,
        });
        if current::wants_work() {
            break divide_here(rest, SplitBudget::new(threads), body);
        }
    };
    match done {
        Some(done) => (body.reduce)(done, last),
        None => last,
    }
}

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
/// Panics if `f` panics, after all other pieces have ended. Calls that have not begun by then are omitted
/// in the same piece only. Panics on a thread outside the pool if its waiting policy forbids blocking.
#[doc(alias = "par_iter_mut")]
#[track_caller]
pub fn for_each<T, F>(items: &mut [T], f: F)
where
    T: Send,
    F: Fn(&mut T) + Sync,
{
    divide(items, |piece: &mut [T]| piece.iter_mut().for_each(&f), |(), ()| ());
}

/// Calls `f` with each number of the range, in parallel.
///
/// ```
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// let sum = AtomicUsize::new(0);
/// brigade_pool::for_each_in(0..100, |n| _ = sum.fetch_add(n, Ordering::Relaxed));
/// assert_eq!(sum.into_inner(), 4950);
/// ```
///
/// # Panics
///
/// Panics as [`for_each`] does.
#[doc(alias = "into_par_iter")]
#[track_caller]
pub fn for_each_in<F>(range: Range<usize>, f: F)
where
    F: Fn(usize) + Sync,
{
    divide(range, |piece: Range<usize>| piece.for_each(&f), |(), ()| ());
}

/// Maps each item, and reduces the results to one, in parallel. `reduce` must be associative. `identity`
/// is the result for an empty slice, and must not change a value that it is reduced with.
///
/// ```
/// let numbers: Vec<u64> = (0..10_000).collect();
/// let squares = brigade_pool::map_reduce(&numbers, 0, |n| n * n, |a, b| a + b);
/// assert_eq!(squares, 333_283_335_000);
/// ```
///
/// # Panics
///
/// Panics if `map` or `reduce` panics. Otherwise as [`for_each`].
#[doc(alias("par_iter", "reduce", "sum"))]
#[track_caller]
pub fn map_reduce<T, R, M, F>(items: &[T], identity: R, map: M, reduce: F) -> R
where
    T: Sync,
    R: Clone + Send + Sync,
    M: Fn(&T) -> R + Sync,
    F: Fn(R, R) -> R + Sync,
{
    divide(items, |piece: &[T]| piece.iter().map(&map).fold(identity.clone(), &reduce), &reduce)
}

/// Maps and reduces like [`map_reduce`], over the numbers of a range.
///
/// ```
/// let squares = brigade_pool::map_reduce_in(0..100, 0, |n| n * n, |a, b| a + b);
/// assert_eq!(squares, 328_350);
/// ```
///
/// # Panics
///
/// Panics as [`map_reduce`] does.
#[doc(alias = "into_par_iter")]
#[track_caller]
pub fn map_reduce_in<R, M, F>(range: Range<usize>, identity: R, map: M, reduce: F) -> R
where
    R: Clone + Send + Sync,
    M: Fn(usize) -> R + Sync,
    F: Fn(R, R) -> R + Sync,
{
    divide(range, |piece: Range<usize>| piece.map(&map).fold(identity.clone(), &reduce), &reduce)
}
