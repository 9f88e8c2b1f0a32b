//! Loops over slices and ranges visit each item once, in few pieces or many.

use brigade_pool::{Pool, for_each, for_each_in, map_reduce, map_reduce_in};
use std::{
    panic::{self, AssertUnwindSafe},
    sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering},
    },
};

fn pool(threads: usize) -> Pool {
    Pool::builder().threads(threads).build().expect("the threads start")
}

const LENGTHS: [usize; 9] = [0, 1, 2, 3, 31, 32, 33, 1000, 100_003];

#[test]
fn each_item_is_visited_once() {
    for threads in 1..=4 {
        let pool = pool(threads);
        for len in LENGTHS {
            let mut items = vec![0; len];
            pool.install(|| for_each(&mut items, |item| *item += 1));
            assert!(items.into_iter().all(|item| item == 1));
            let visits: Vec<_> = (0..len).map(|_| AtomicUsize::new(0)).collect();
            pool.install(|| for_each_in(0..len, |n| _ = visits[n].fetch_add(1, Ordering::Relaxed)));
            assert!(visits.into_iter().all(|visits| visits.into_inner() == 1));
        }
    }
}

#[test]
fn results_are_reduced_in_their_order() {
    let words = |n: usize| n.to_string();
    for threads in 1..=3 {
        let pool = pool(threads);
        for len in [0, 1, 2, 33, 1000] {
            let expected: String = (0..len).map(words).collect();
            let numbers: Vec<_> = (0..len).collect();
            let of_slice = || map_reduce(&numbers, String::new(), |n| words(*n), |a, b| a + &b);
            assert_eq!(pool.install(of_slice), expected);
            let of_range = || map_reduce_in(0..len, String::new(), words, |a, b| a + &b);
            assert_eq!(pool.install(of_range), expected);
        }
    }
}

#[test]
fn a_range_may_lie_anywhere_and_be_empty() {
    let sum = |range| map_reduce_in(range, 0, |n| n % 10, |a, b| a + b);
    assert_eq!(sum(usize::MAX - 10..usize::MAX), (usize::MAX - 10..usize::MAX).map(|n| n % 10).sum());
    #[allow(clippy::reversed_empty_ranges)]
    let reversed = sum(7..3);
    assert_eq!(reversed, 0);
}

#[test]
fn a_few_items_run_at_the_same_time() {
    for threads in 2..=4 {
        let all = Barrier::new(threads);
        pool(threads).install(|| for_each_in(0..threads, |_| _ = all.wait()));
        let mut items = vec![0; threads];
        pool(threads).install(|| for_each(&mut items, |_| _ = all.wait()));
    }
}

#[test]
fn outside_of_a_pool_the_global_one_runs_the_loop() {
    let names = |_| vec![std::thread::current().name().map(str::to_owned)];
    let names = map_reduce_in(0..10, Vec::new(), names, |mut a, b| {
        a.extend(b);
        a
    });
    assert_eq!(names.len(), 10);
    assert!(names.into_iter().all(|name| name.is_some_and(|name| name.starts_with("global-"))));
}

#[test]
fn a_panic_goes_on_after_the_other_pieces() {
    let (pool, ended) = (pool(2), AtomicUsize::new(0));
    let visit = |n| {
        if n == 5 {
            panic!("five");
        }
        ended.fetch_add(1, Ordering::Relaxed);
    };
    let result = panic::catch_unwind(AssertUnwindSafe(|| pool.install(|| for_each_in(0..10, visit))));
    assert_eq!(result.unwrap_err().downcast_ref(), Some(&"five"));
    assert_eq!(ended.into_inner(), 9, "each of so few items is a piece of its own");
}
