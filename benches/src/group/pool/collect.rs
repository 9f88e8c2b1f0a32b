//! Collecting: the results of a parallel map in a vector, in the order of the inputs. Times are for one item.

use super::{entrance, join::scramble};
use crate::bench::{Bench, Side, sides, timed, workers};
use brigade_pool::JoinError;
use orx_parallel::{IntoParIter, Par};
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use std::hint::black_box;

const ITEMS: u32 = 100_000;

/// How many items a thread takes at a time.
const CHUNK: usize = 512;

/// The function of a heavier map: some ten nanoseconds.
fn scramble_often(value: u32) -> u64 {
    (0..10).fold(u64::from(value), |mixed, _| mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(13))
}

/// The function of the heaviest map: some forty nanoseconds.
fn scramble_long(value: u32) -> u64 {
    (0..30).fold(u64::from(value), |mixed, _| mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(13))
}

/// The benches of this file: `map_collect`, whose results are as bare as the peers', and `map_chunked`, which
/// says of each item whether its call panicked.
pub(super) fn benches() -> Vec<Bench> {
    let mut benches = of("collect_100k", scramble, bare);
    benches.extend(of("collect_100k_10ns", scramble_often, bare));
    benches.extend(of_results("map_chunked_100k", scramble));
    benches.extend(of_results("map_chunked_100k_10ns", scramble_often));
    benches.extend(of_results("map_chunked_100k_40ns", scramble_long));
    benches
}

/// `map_chunked` against the peers' bare results, and against rayon if it collects the same results as ours:
/// what is left is the way of the work, without the size of the results. One thread that collects the same
/// results shows what that size costs.
fn of_results<F>(name: &'static str, f: F) -> Vec<Bench>
where
    F: Fn(u32) -> u64 + Copy + Send + Sync + 'static,
{
    let mut benches = of(name, f, chunked);
    benches.push(Bench::new(name, "rayon, Result", move || sides(chunked(f), rayon_results(f))).goal(0.9));
    let sequential = move || sides(chunked(f), sequential_results(f));
    benches.push(Bench::new(name, "sequential, Result", sequential));
    benches
}

fn of<F>(name: &'static str, f: F, ours: fn(F) -> Side) -> Vec<Bench>
where
    F: Fn(u32) -> u64 + Copy + Send + Sync + 'static,
{
    vec![
        Bench::new(name, "rayon", move || sides(ours(f), rayon(f))).goal(0.9),
        Bench::new(name, "orx-parallel", move || sides(ours(f), orx(f))).goal(0.9),
    ]
}

fn bare(f: impl Fn(u32) -> u64 + Send + Sync + 'static) -> Side {
    let pool = entrance::start_brigade(workers());
    timed(u64::from(ITEMS), move |iterations| {
        for _ in 0..iterations {
            let map = || brigade_pool::map_collect_in(0..black_box(ITEMS) as usize, |n| f(n as u32));
            let results = pool.install(map);
            assert_eq!(black_box(&results).last(), Some(&f(ITEMS - 1)));
        }
    })
}

fn chunked(f: impl Fn(u32) -> u64 + Send + Sync + 'static) -> Side {
    let pool = entrance::start_brigade(workers());
    timed(u64::from(ITEMS), move |iterations| {
        for _ in 0..iterations {
            let results = pool.map_chunked(&f, 0..black_box(ITEMS), CHUNK);
            let last = black_box(&results).last().and_then(|last| last.as_ref().ok());
            assert_eq!(last, Some(&f(ITEMS - 1)));
        }
    })
}

fn rayon(f: impl Fn(u32) -> u64 + Send + Sync + 'static) -> Side {
    let pool = entrance::start_rayon(workers());
    timed(u64::from(ITEMS), move |iterations| {
        for _ in 0..iterations {
            let map = || (0..black_box(ITEMS)).into_par_iter().map(&f).collect::<Vec<_>>();
            let results = pool.install(map);
            assert_eq!(black_box(&results).last(), Some(&f(ITEMS - 1)));
        }
    })
}

/// Collects results of the type that `map_chunked` returns.
fn rayon_results(f: impl Fn(u32) -> u64 + Send + Sync + 'static) -> Side {
    let pool = entrance::start_rayon(workers());
    timed(u64::from(ITEMS), move |iterations| {
        for _ in 0..iterations {
            let call = |n| Ok::<u64, JoinError>(f(n));
            let map = || (0..black_box(ITEMS)).into_par_iter().map(call).collect::<Vec<_>>();
            let results = pool.install(map);
            let last = black_box(&results).last().and_then(|last| last.as_ref().ok());
            assert_eq!(last, Some(&f(ITEMS - 1)));
        }
    })
}

/// Collects results of the same type on the thread that measures.
fn sequential_results(f: impl Fn(u32) -> u64 + 'static) -> Side {
    timed(u64::from(ITEMS), move |iterations| {
        for _ in 0..iterations {
            let results: Vec<_> = (0..black_box(ITEMS)).map(|n| Ok::<u64, JoinError>(f(n))).collect();
            let last = black_box(&results).last().and_then(|last| last.as_ref().ok());
            assert_eq!(last, Some(&f(ITEMS - 1)));
        }
    })
}

fn orx(f: impl Fn(u32) -> u64 + Send + Sync + 'static) -> Side {
    timed(u64::from(ITEMS), move |iterations| {
        for _ in 0..iterations {
            let results = (0..black_box(ITEMS) as usize)
                .into_par()
                .num_threads(workers())
                .map(|n| f(n as u32))
                .collect::<Vec<_>>();
            assert_eq!(black_box(&results).last(), Some(&f(ITEMS - 1)));
        }
    })
}
