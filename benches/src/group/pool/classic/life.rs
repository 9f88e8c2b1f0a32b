//! Conway's game of life on a torus, with a tree of joins and a barrier for each generation.

use super::{Program, check_sum, numbers};
use crate::group::pool::join::{Join, for_pieces};

/// A square board, and the number of its generations.
pub(crate) struct Board {
    size: usize,
    generations: usize,
    cells: Vec<u8>,
}

impl Board {
    pub(crate) fn new(size: usize, generations: usize) -> Self {
        let cells = numbers(size * size).map(|n| u8::from(n % 3 == 0)).collect();
        Self { size, generations, cells }
    }

    /// The next state of one row, from itself and its neighbours.
    fn next_row(&self, cells: &[u8], row: usize, into: &mut [u8]) {
        let line = |row: usize| &cells[row % self.size * self.size..][..self.size];
        let lines = [line(row + self.size - 1), line(row), line(row + 1)];
        let column = |x: usize| lines[0][x] + lines[1][x] + lines[2][x];
        for (x, cell) in into.iter_mut().enumerate() {
            let (left, right) = ((x + self.size - 1) % self.size, (x + 1) % self.size);
            let alive = lines[1][x];
            let neighbours = column(left) + column(x) + column(right) - alive;
            *cell = u8::from(neighbours == 3 || alive == 1 && neighbours == 2);
        }
    }
}

impl Program for Board {
    fn run<J: Join>(&self) -> u64 {
        let mut now = self.cells.clone();
        let mut next = vec![0; now.len()];
        for _ in 0..self.generations {
            let mut rows: Vec<_> = next.chunks_exact_mut(self.size).collect();
            for_pieces::<J, _>(&mut rows, 0, 8, &|offset, piece| {
                for (index, row) in piece.iter_mut().enumerate() {
                    self.next_row(&now, offset + index, row);
                }
            });
            std::mem::swap(&mut now, &mut next);
        }
        check_sum(now.into_iter().map(u64::from))
    }
}
