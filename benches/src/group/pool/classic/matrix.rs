//! The product of two square matrices, row by row.

use super::{Program, check_sum, numbers};
use crate::group::pool::join::{Join, for_pieces};

/// Two matrices, each row after row.
pub(crate) struct Product {
    size: usize,
    left: Vec<f32>,
    right: Vec<f32>,
}

impl Product {
    pub(crate) fn new(size: usize) -> Self {
        let mut values = numbers(2 * size * size).map(|n| n as f32 / u32::MAX as f32);
        let left = values.by_ref().take(size * size).collect();
        Self { size, left, right: values.collect() }
    }

    /// Adds up one row of the product.
    fn row(&self, row: usize, into: &mut [f32]) {
        for (k, factor) in self.left[row * self.size..][..self.size].iter().enumerate() {
            for (sum, value) in into.iter_mut().zip(&self.right[k * self.size..][..self.size]) {
                *sum += factor * value;
            }
        }
    }
}

impl Program for Product {
    fn run<J: Join>(&self) -> u64 {
        let mut product = vec![0.0; self.size * self.size];
        let mut rows: Vec<_> = product.chunks_exact_mut(self.size).collect();
        for_pieces::<J, _>(&mut rows, 0, 4, &|offset, piece| {
            for (index, row) in piece.iter_mut().enumerate() {
                self.row(offset + index, row);
            }
        });
        check_sum(product.iter().map(|value| u64::from(value.to_bits())))
    }
}
