//! The sieve of Eratosthenes, a segment of the numbers at a time.

use super::{Program, check_sum};
use crate::group::pool::join::{Join, for_pieces};

/// How many numbers a segment has: as many as the first cache holds bytes.
const SEGMENT_NUMBERS: usize = 32 * 1024;

/// Finds the primes below a limit.
pub(crate) struct Sieve {
    limit: usize,
    /// The primes up to the root of the limit.
    small: Vec<usize>,
}

impl Sieve {
    pub(crate) fn new(limit: usize) -> Self {
        let prime = |n: &usize| (2..).take_while(|d| d * d <= *n).all(|d| !n.is_multiple_of(d));
        Self { limit, small: (2..=limit.isqrt()).filter(prime).collect() }
    }

    /// Counts the primes from `start` on, and marks them in `marks`.
    fn count(&self, start: usize, marks: &mut [bool]) -> u64 {
        marks.fill(true);
        for prime in &self.small {
            let first = (prime * prime).max(start.next_multiple_of(*prime));
            (first..start + marks.len()).step_by(*prime).for_each(|number| marks[number - start] = false);
        }
        // 0 and 1 stay marked, because they have no prime factor. They are no primes.
        let units = 2_usize.saturating_sub(start);
        marks.iter().skip(units).map(|prime| u64::from(*prime)).sum()
    }
}

impl Program for Sieve {
    fn run<J: Join>(&self) -> u64 {
        let mut counts = vec![0; self.limit.div_ceil(SEGMENT_NUMBERS)];
        for_pieces::<J, _>(&mut counts, 0, 1, &|segment, piece| {
            let start = segment * SEGMENT_NUMBERS;
            let mut marks = [false; SEGMENT_NUMBERS];
            piece[0] = self.count(start, &mut marks[..SEGMENT_NUMBERS.min(self.limit - start)]);
        });
        check_sum([counts.iter().sum()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::pool::join::SequentialJoin;

    #[test]
    fn there_are_9592_primes_below_100000() {
        assert_eq!(Sieve::new(100_000).run::<SequentialJoin>(), check_sum([9592]));
    }
}
