//! Two searches: deep, uneven trees of small steps.

use super::{Program, numbers};
use crate::group::pool::join::{Join, SequentialJoin};

/// Counts the ways to place n queens on a board so that none attacks another.
pub(crate) struct Queens {
    count: u32,
}

impl Queens {
    pub(crate) fn new(count: u32) -> Self {
        Self { count }
    }

    /// Counts the ways to go on below a row, given the columns and diagonals that are attacked there.
    fn ways<J: Join>(&self, row: u32, columns: u32, left: u32, right: u32) -> u64 {
        if row == self.count {
            return 1;
        }
        let free = !(columns | left | right) & ((1 << self.count) - 1);
        self.places::<J>(free, &|place| {
            self.ways::<J>(row + 1, columns | place, (left | place) << 1, (right | place) >> 1)
        })
    }

    /// The sum of `f` over the bits of `free`, halved by joins.
    fn places<J: Join>(&self, free: u32, f: &(impl Fn(u32) -> u64 + Sync)) -> u64 {
        match free.count_ones() {
            0 => 0,
            1 => f(free),
            _ => {
                let first = free & free.wrapping_neg();
                let (a, b) = J::join(|| f(first), || self.places::<J>(free & !first, f));
                a + b
            }
        }
    }
}

impl Program for Queens {
    fn run<J: Join>(&self) -> u64 {
        self.ways::<J>(0, 0, 0, 0)
    }
}

/// With this many cities left or fewer, one thread searches the rest of the trip.
const SEQUENTIAL_CITIES: u32 = 5;

/// Finds the length of the shortest round trip through all cities. It prunes by the length of a greedy trip,
/// which is known before, so that the amount of work does not depend on luck.
pub(crate) struct Salesman {
    distances: Vec<Vec<u64>>,
    bound: u64,
}

impl Salesman {
    pub(crate) fn new(cities: usize) -> Self {
        let flat: Vec<_> = numbers(2 * cities).map(|n| i64::from(n % 1000)).collect();
        let places: Vec<_> = flat.chunks_exact(2).map(|place| (place[0], place[1])).collect();
        let far = |a: (i64, i64), b: (i64, i64)| ((a.0 - b.0).abs() + (a.1 - b.1).abs()).cast_unsigned();
        let distances: Vec<Vec<_>> =
            places.iter().map(|a| places.iter().map(|b| far(*a, *b)).collect()).collect();
        let bound = greedy(&distances);
        Self { distances, bound }
    }

    /// The length of the best trip that goes on from `city` through all of `left`, if it does not exceed the
    /// bound.
    fn best<J: Join>(&self, city: usize, length: u64, left: u32) -> u64 {
        if length > self.bound {
            return u64::MAX;
        }
        if left == 0 {
            return length + self.distances[city][0];
        }
        if left.count_ones() <= SEQUENTIAL_CITIES {
            return self.step::<SequentialJoin>(city, length, left);
        }
        self.step::<J>(city, length, left)
    }

    /// Tries each city that is left as the next.
    fn step<J: Join>(&self, city: usize, length: u64, left: u32) -> u64 {
        self.choices::<J>(left, &|next| {
            self.best::<J>(next, length + self.distances[city][next], left & !(1 << next))
        })
    }

    /// The minimum of `f` over the bits of `cities`.
    fn choices<J: Join>(&self, cities: u32, f: &(impl Fn(usize) -> u64 + Sync)) -> u64 {
        let first = cities.trailing_zeros() as usize;
        let rest = cities & (cities - 1);
        if rest == 0 {
            return f(first);
        }
        let (a, b) = J::join(|| f(first), || self.choices::<J>(rest, f));
        a.min(b)
    }
}

impl Program for Salesman {
    fn run<J: Join>(&self) -> u64 {
        self.best::<J>(0, 0, (1 << self.distances.len()) - 2)
    }
}

/// The length of the trip that always goes to the nearest city.
fn greedy(distances: &[Vec<u64>]) -> u64 {
    let mut left: Vec<_> = (1..distances.len()).collect();
    let (mut city, mut length) = (0, 0);
    while let Some(next) = left.iter().copied().min_by_key(|next| distances[city][*next]) {
        left.retain(|other| *other != next);
        length += distances[city][next];
        city = next;
    }
    length + distances[city][0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_queens_stand_in_92_ways() {
        assert_eq!(Queens::new(8).run::<SequentialJoin>(), 92);
    }

    #[test]
    fn no_trip_is_longer_than_the_greedy_one() {
        let salesman = Salesman::new(7);
        assert!(salesman.run::<SequentialJoin>() <= salesman.bound);
    }
}
