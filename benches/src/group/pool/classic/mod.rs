//! The classic suite: nine programs, each written once over [`Join`], so that only the pool differs.
//!
//! All but skynet follow rayon's own demo programs, in sizes of some ten milliseconds. All do a fixed amount
//! of work: no search prunes by a result that another thread happened to find. Each returns a check sum,
//! which is compared with the sequential one before anything is measured.

mod life;
mod matrix;
mod nbody;
mod search;
mod sieve;
mod skynet;
mod sort;

use super::{
    entrance,
    join::{BrigadeJoin, Join, RayonJoin, SequentialJoin},
};
use crate::bench::{Bench, Family, Metric, Row, sides};
use std::{hint::black_box, sync::Arc};

/// The whole suite against rayon, as one number.
static SUITE: Family = Family {
    wall: Row { name: "classic_mean", metric: Metric::Wall, goal: Some(0.9) },
    cpu: Row { name: "classic_mean_cpu", metric: Metric::Cpu, goal: Some(1.0) },
};

/// A program with its input. `run` returns a check sum.
trait Program: Send + Sync + 'static {
    fn run<J: Join>(&self) -> u64;
}

/// The benches: each program against rayon, and against its sequential self.
pub(crate) fn benches() -> Vec<Bench> {
    let mut benches = Vec::new();
    let mut add = |[against_rayon, against_sequential]: [Bench; 2]| {
        benches.extend([against_rayon.of(&SUITE), against_sequential]);
    };
    add(pair("classic_nbody", || nbody::Bodies::new(1000)));
    add(pair("classic_quicksort", || sort::Quicksort::new(200_000)));
    add(pair("classic_mergesort", || sort::Mergesort::new(200_000)));
    add(pair("classic_matrix", || matrix::Product::new(256)));
    add(pair("classic_life", || life::Board::new(256, 20)));
    add(pair("classic_sieve", || sieve::Sieve::new(5_000_000)));
    add(pair("classic_salesman", || search::Salesman::new(10)));
    add(pair("classic_queens", || search::Queens::new(11)));
    add(pair("classic_skynet", || skynet::Skynet::new(100_000)));
    benches
}

fn pair<P: Program>(name: &'static str, input: fn() -> P) -> [Bench; 2] {
    let checked = move || {
        let program = Arc::new(input());
        let expected = program.run::<SequentialJoin>();
        let check = move |sum: u64| assert_eq!(black_box(sum), expected, "{name} gave a wrong result");
        (program, check)
    };
    let rayon = Bench::new(name, "rayon", move || {
        let (ours, check) = checked();
        let theirs = ours.clone();
        sides(
            entrance::brigade(1, move || check(ours.run::<BrigadeJoin>())),
            entrance::rayon(1, move || check(theirs.run::<RayonJoin>())),
        )
    });
    let sequential = Bench::new(name, "sequential", move || {
        let (ours, check) = checked();
        let theirs = ours.clone();
        sides(
            entrance::brigade(1, move || check(ours.run::<BrigadeJoin>())),
            entrance::sequential(1, move || check(theirs.run::<SequentialJoin>())),
        )
    });
    [rayon, sequential]
}

/// Numbers that look random and are the same each time (Marsaglia's xorshift).
fn numbers(count: usize) -> impl Iterator<Item = u32> {
    let mut state = 0x2545_F491_u32;
    (0..count).map(move |_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state
    })
}

/// A check sum that depends on the order.
fn check_sum(values: impl IntoIterator<Item = u64>) -> u64 {
    values.into_iter().fold(17, |sum, value| sum.rotate_left(5) ^ value.wrapping_mul(0x9E37_79B9_7F4A_7C15))
}
