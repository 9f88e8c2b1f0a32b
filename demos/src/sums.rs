//! The CPU-bound work of the document: `sum(i * i for i in range(n))`.

use std::{hint::black_box, ops::Range};

/// The largest `n` whose sum is sure to fit into 128 bits: n³ / 3 < 2¹²⁶ × 2 / 3 for n = 2⁴².
pub const N_MAX: u64 = 1 << 42;

/// Adds up i² for each i in a range, by as many additions as the range is long.
///
/// There is a closed form, and an optimiser knows it; but then there would be no work to share out. So each
/// number, each square and each partial sum goes through a [`black_box`], just as each of them is an object
/// in Python. The optimiser cannot see through the box. It has to compute every one of them, and can use
/// neither the formula nor vector instructions.
///
/// ```
/// assert_eq!(brigade_demos::sums::sum_of_squares(0..4), 0 + 1 + 4 + 9);
/// ```
pub fn sum_of_squares(range: Range<u64>) -> u128 {
    range.fold(0, |sum, i| {
        let i = u128::from(black_box(i));
        black_box(sum + black_box(i * i))
    })
}

/// Cuts 0..`n` into `count` ranges of nearly the same length.
pub fn pieces(n: u64, count: usize) -> impl Iterator<Item = Range<u64>> {
    // The product may not fit into 64 bits.
    let cut = move |place: usize| (u128::from(n) * place as u128 / count as u128) as u64;
    (0..count).map(move |place| cut(place)..cut(place + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The closed form: (n − 1) n (2n − 1) / 6.
    fn formula(n: u128) -> u128 {
        n.saturating_sub(1) * n * (2 * n).saturating_sub(1) / 6
    }

    #[test]
    fn the_sum_is_what_the_formula_says() {
        for n in [0, 1, 2, 3, 10, 1000, 100_000] {
            assert_eq!(sum_of_squares(0..n), formula(u128::from(n)), "{n}");
        }
    }

    #[test]
    fn the_pieces_add_up_to_the_whole() {
        for (n, count) in [(0, 3), (1, 2), (10, 3), (1000, 7)] {
            let sums = pieces(n, count).map(sum_of_squares);
            assert_eq!(sums.sum::<u128>(), sum_of_squares(0..n), "{n} in {count}");
        }
        assert_eq!(pieces(N_MAX, 3).last().unwrap().end, N_MAX);
    }

    #[test]
    fn the_largest_sum_fits() {
        assert!(formula(u128::from(N_MAX)) < u128::MAX / 3);
    }
}
