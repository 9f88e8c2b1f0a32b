//! Shapes of programs that are not in the classic suite: scopes that grow from inside, loops inside loops,
//! work that grows along a loop, and pools with more threads than there are cores.

use super::{
    entrance::{start_brigade, start_rayon},
    join::{BrigadeJoin, Join, RayonJoin, fib, for_pieces},
};
use crate::bench::{Bench, Side, sides, timed, workers};
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use std::{
    hint::black_box,
    ops::Range,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

/// A pool on which the programs of this file run.
trait Programs: Sync + 'static {
    fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R;
    fn sum(range: Range<usize>, f: impl Fn(usize) -> u64 + Sync + Send) -> u64;
    fn fill(pond: &Pond);
    fn queens(board: &Board);
    fn fib(n: u64) -> u64;
    fn prefix_sums(numbers: &mut [u64]);
}

/// A scope whose jobs spawn further jobs.
trait Grow<'scope>: Sized {
    fn grow(&self, job: impl FnOnce(&Self) + Send + 'scope);
}

impl<'scope> Grow<'scope> for brigade_pool::Scope<'scope> {
    fn grow(&self, job: impl FnOnce(&Self) + Send + 'scope) {
        self.spawn(job);
    }
}

impl<'scope> Grow<'scope> for rayon::Scope<'scope> {
    fn grow(&self, job: impl FnOnce(&Self) + Send + 'scope) {
        self.spawn(job);
    }
}

impl Programs for brigade_pool::Pool {
    fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.install(work)
    }

    fn sum(range: Range<usize>, f: impl Fn(usize) -> u64 + Sync + Send) -> u64 {
        brigade_pool::map_reduce_in(range, 0, f, |a, b| a + b)
    }

    fn fill(pond: &Pond) {
        brigade_pool::scope(|scope| pond.fill(scope, 0));
    }

    fn queens(board: &Board) {
        brigade_pool::scope(|scope| board.place(scope, Rows::default()));
    }

    fn fib(n: u64) -> u64 {
        fib::<BrigadeJoin>(n)
    }

    fn prefix_sums(numbers: &mut [u64]) {
        prefix_sums::<BrigadeJoin>(numbers);
    }
}

impl Programs for rayon::ThreadPool {
    fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.install(work)
    }

    fn sum(range: Range<usize>, f: impl Fn(usize) -> u64 + Sync + Send) -> u64 {
        range.into_par_iter().map(f).sum()
    }

    fn fill(pond: &Pond) {
        rayon::scope(|scope| pond.fill(scope, 0));
    }

    fn queens(board: &Board) {
        rayon::scope(|scope| board.place(scope, Rows::default()));
    }

    fn fib(n: u64) -> u64 {
        fib::<RayonJoin>(n)
    }

    fn prefix_sums(numbers: &mut [u64]) {
        prefix_sums::<RayonJoin>(numbers);
    }
}

/// A square pond, which a flood fills cell by cell.
struct Pond {
    width: usize,
    cells: Vec<AtomicBool>,
}

impl Pond {
    fn new(width: usize) -> Self {
        Self { width, cells: (0..width * width).map(|_| AtomicBool::new(false)).collect() }
    }

    /// Fills a cell, and spawns a job for each dry neighbour.
    fn fill<'pond, S: Grow<'pond>>(&'pond self, scope: &S, cell: usize) {
        if self.cells[cell].swap(true, Ordering::Relaxed) {
            return;
        }
        let (row, column) = (cell / self.width, cell % self.width);
        let neighbours = [
            (row > 0).then(|| cell - self.width),
            (row + 1 < self.width).then_some(cell + self.width),
            (column > 0).then(|| cell - 1),
            (column + 1 < self.width).then_some(cell + 1),
        ];
        for next in neighbours.into_iter().flatten() {
            if !self.cells[next].load(Ordering::Relaxed) {
                scope.grow(move |scope| self.fill(scope, next));
            }
        }
    }

    /// Empties the pond again. Returns how many cells were full.
    fn drain(&self) -> usize {
        self.cells.iter().filter(|cell| cell.swap(false, Ordering::Relaxed)).count()
    }
}

/// The board of the n queens problem, with the number of solutions found.
struct Board {
    size: u32,
    /// From this row on a job goes on alone.
    alone_from: u32,
    solutions: AtomicU64,
}

/// The rows that have a queen: how many, and the columns and diagonals that are attacked below.
#[derive(Debug, Clone, Copy, Default)]
struct Rows {
    count: u32,
    columns: u32,
    left: u32,
    right: u32,
}

impl Board {
    /// The rows with one more queen, for each place where that queen is not attacked.
    fn next(&self, rows: Rows) -> impl Iterator<Item = Rows> {
        let free = !(rows.columns | rows.left | rows.right) & ((1 << self.size) - 1);
        let places = (0..self.size).map(|column| 1 << column).filter(move |place| free & place != 0);
        places.map(move |place| Rows {
            count: rows.count + 1,
            columns: rows.columns | place,
            left: (rows.left | place) << 1,
            right: (rows.right | place) >> 1,
        })
    }

    fn count(&self, rows: Rows) -> u64 {
        if rows.count == self.size { 1 } else { self.next(rows).map(|next| self.count(next)).sum() }
    }

    /// Spawns a job for each place of the next queen.
    fn place<'board, S: Grow<'board>>(&'board self, scope: &S, rows: Rows) {
        if rows.count >= self.alone_from {
            self.solutions.fetch_add(self.count(rows), Ordering::Relaxed);
            return;
        }
        self.next(rows).for_each(|next| scope.grow(move |scope| self.place(scope, next)));
    }
}

/// Replaces each number by the sum of the numbers up to it: the sums of blocks, then the sums of their
/// numbers.
fn prefix_sums<J: Join>(numbers: &mut [u64]) {
    const BLOCK: usize = 1024;
    let mut blocks: Vec<(u64, &mut [u64])> = numbers.chunks_mut(BLOCK).map(|block| (0, block)).collect();
    let each = |blocks: &mut Vec<(u64, &mut [u64])>, f: &(dyn Fn(&mut u64, &mut [u64]) + Sync)| {
        for_pieces::<J, _>(blocks, 0, 1, &|_, piece: &mut [(u64, &mut [u64])]| {
            piece.iter_mut().for_each(|(before, block)| f(before, block));
        });
    };
    each(&mut blocks, &|sum, block| *sum = block.iter().sum());
    let mut sum = 0;
    blocks.iter_mut().for_each(|(before, _)| sum += std::mem::replace(before, sum));
    each(&mut blocks, &|before, block| {
        block.iter_mut().fold(*before, |sum, number| {
            *number += sum;
            *number
        });
    });
}

/// A program that runs on both pools and checks its result.
trait Shape: Send + Sync + 'static {
    fn run<P: Programs>(&self);
}

impl Shape for Pond {
    fn run<P: Programs>(&self) {
        P::fill(self);
        assert_eq!(self.drain(), self.cells.len());
    }
}

impl Shape for Board {
    fn run<P: Programs>(&self) {
        P::queens(self);
        assert_eq!(self.solutions.swap(0, Ordering::Relaxed), 2680);
    }
}

/// Counts right-angled triangles with whole sides, the two short ones below the limit: a loop inside a loop.
struct Triangles(usize);

impl Shape for Triangles {
    fn run<P: Programs>(&self) {
        let limit = black_box(self.0);
        let is_whole = |square: u64| ((square as f64).sqrt() as u64).pow(2) == square;
        let count = P::sum(1..limit, |a| P::sum(a..limit, |b| u64::from(is_whole((a * a + b * b) as u64))));
        assert_eq!(count, 1032);
    }
}

/// A loop whose items take longer and longer.
struct Growing(usize);

impl Shape for Growing {
    fn run<P: Programs>(&self) {
        let sum = P::sum(0..self.0, |n| (0..n as u64).fold(0, |sum, i| black_box(sum ^ i)) & 1);
        black_box(sum);
    }
}

/// The prefix sums of this many numbers.
struct PrefixSums(usize);

impl Shape for PrefixSums {
    fn run<P: Programs>(&self) {
        let mut numbers = vec![1; self.0];
        P::prefix_sums(&mut numbers);
        assert_eq!(numbers.last(), Some(&(self.0 as u64)));
    }
}

/// fib(30), by almost nothing but joins.
struct Fib30;

impl Shape for Fib30 {
    fn run<P: Programs>(&self) {
        assert_eq!(P::fib(black_box(30)), 832_040);
    }
}

/// The benches of this file.
pub(super) fn benches() -> Vec<Bench> {
    let board = || Board { size: 11, alone_from: 5, solutions: AtomicU64::new(0) };
    vec![
        both("flood_fill", workers(), || Pond::new(256)),
        both("scope_queens", workers(), board),
        both("nested_loops", workers(), || Triangles(1000)),
        both("growing_loop", workers(), || Growing(2000)),
        both("prefix_sums", workers(), || PrefixSums(1 << 18)),
        both("fib30_2x_threads", 2 * workers(), || Fib30),
        both("nested_loops_2x_threads", 2 * workers(), || Triangles(1000)),
        both("growing_loop_2x_threads", 2 * workers(), || Growing(2000)),
        both("scope_queens_2x_threads", 2 * workers(), board),
        both("scope_queens_4x_threads", 4 * workers(), board),
        both("growing_loop_4x_threads", 4 * workers(), || Growing(2000)),
    ]
}

fn both<S: Shape>(name: &'static str, threads: usize, make: impl Fn() -> S + 'static) -> Bench {
    let sides = move || sides(side(start_brigade(threads), make()), side(start_rayon(threads), make()));
    Bench::new(name, "rayon", sides).goal(1.0)
}

/// Runs the program inside the pool. Times are for one run of it.
fn side<P: Programs>(pool: P, shape: impl Shape) -> Side {
    timed(1, move |iterations| pool.install(|| (0..iterations).for_each(|_| shape.run::<P>())))
}
