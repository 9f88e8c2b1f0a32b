//! Loops over slices and ranges visit each item once, in few pieces or many.

use brigade_pool::{
    Pool, for_each, for_each_chunk, for_each_chunk_zip, for_each_in, map_collect, map_collect_in, map_reduce,
    map_reduce_in,
};
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
fn a_loop_inside_a_loop_gives_its_results_in_their_order() {
    let words = |n: usize| n.to_string() + ",";
    let line = |row: usize| map_reduce_in(0..row, String::new(), words, |a, b| a + &b);
    for threads in 1..=4 {
        let pool = pool(threads);
        let page = || map_reduce_in(0..200, String::new(), |row| line(row) + ";", |a, b| a + &b);
        let expected: String = (0..200).map(|row| (0..row).map(words).collect::<String>() + ";").collect();
        assert_eq!(pool.install(page), expected);
    }
}

#[test]
fn a_loop_inside_a_loop_gives_work_to_a_thread_that_asks_for_it() {
    // Each inner loop waits until a second thread runs a part of it, or of the outer loop. There may be
    // spare threads.
    let pool = pool(2);
    let threads = std::sync::Mutex::new(std::collections::HashSet::new());
    let seen = || threads.lock().expect("nothing panics").len();
    pool.install(|| {
        for_each_in(0..64, |_| {
            for_each_in(0..64, |_| {
                threads.lock().expect("nothing panics").insert(std::thread::current().id());
                while seen() < 2 {
                    std::thread::yield_now();
                }
            });
        });
    });
    assert!(seen() >= 2);
}

#[test]
fn collected_results_are_in_the_order_of_the_items() {
    for threads in 1..=4 {
        let pool = pool(threads);
        for len in LENGTHS {
            let expected: Vec<_> = (0..len).map(|n| n.to_string()).collect();
            assert_eq!(pool.install(|| map_collect_in(0..len, |n| n.to_string())), expected);
            let numbers: Vec<_> = (0..len).collect();
            assert_eq!(pool.install(|| map_collect(&numbers, |n| n.to_string())), expected);
        }
    }
    assert_eq!(map_collect(&[(), ()], |()| ()), [(), ()]);
}

#[test]
fn a_panic_while_results_are_collected_drops_those_that_were_written() {
    struct Counted<'a>(&'a AtomicUsize);
    impl Drop for Counted<'_> {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }
    for threads in 1..=4 {
        let pool = pool(threads);
        // In the longer loop the first pieces are run in parts.
        let cases = [0, 1, 500, 999].map(|bad| (1000, bad));
        for (len, bad) in cases.into_iter().chain([(100_000, 300), (100_000, 5_000)]) {
            let living = AtomicUsize::new(0);
            let make = |n| {
                assert!(n != bad, "no result for {n}");
                living.fetch_add(1, Ordering::Relaxed);
                Counted(&living)
            };
            let collects = AssertUnwindSafe(|| pool.install(|| map_collect_in(0..len, make)));
            assert!(panic::catch_unwind(collects).is_err());
            assert_eq!(living.load(Ordering::Relaxed), 0);
            let made = pool.install(|| map_collect_in(0..bad, make));
            assert_eq!(living.load(Ordering::Relaxed), bad);
            drop(made);
            assert_eq!(living.into_inner(), 0);
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

/// Lengths of chunks: of one item, that divide evenly and not, and longer than the slice.
const CHUNKS: [usize; 6] = [1, 2, 7, 32, 1001, usize::MAX];

#[test]
fn chunks_are_those_of_the_standard_library_with_their_numbers() {
    for threads in 1..=3 {
        let pool = pool(threads);
        for (len, chunk) in [0, 1, 2, 31, 33, 1000, 5003].into_iter().flat_map(|len| CHUNKS.map(|c| (len, c)))
        {
            let mut expected: Vec<usize> = (0..len).collect();
            let mut items = expected.clone();
            let inputs: Vec<usize> = (0..len).map(|n| 3 * n).collect();
            let change = |number: usize, items: &mut [usize]| {
                let last = items.len() - 1;
                items[last] += 1000 * number;
                items.iter_mut().for_each(|item| *item += number);
            };
            expected.chunks_mut(chunk).enumerate().for_each(|(number, chunk)| change(number, chunk));
            pool.install(|| for_each_chunk(&mut items, chunk, change));
            assert_eq!(items, expected, "{len} items in chunks of {chunk}");
            pool.install(|| {
                for_each_chunk_zip(&mut items, &inputs, chunk, |_, items, inputs| {
                    assert_eq!(items.len(), inputs.len());
                    items.copy_from_slice(inputs);
                });
            });
            assert_eq!(items, inputs);
        }
    }
}

#[test]
fn two_chunks_run_at_the_same_time() {
    let both = Barrier::new(2);
    pool(2).install(|| for_each_chunk(&mut [0; 6], 3, |_, _| _ = both.wait()));
    pool(2).install(|| for_each_chunk_zip(&mut [0; 6], &[""; 6], 3, |_, _, _| _ = both.wait()));
}

#[test]
fn slices_that_do_not_fit_are_refused() {
    let message = |f: &mut dyn FnMut()| {
        let payload = panic::catch_unwind(AssertUnwindSafe(f)).unwrap_err();
        brigade_handle::panic_message(&*payload).unwrap().to_owned()
    };
    let of_none = message(&mut || for_each_chunk(&mut [1, 2], 0, |_, _| ()));
    assert_eq!(of_none, "a chunk holds at least one item");
    let unequal = message(&mut || for_each_chunk_zip(&mut [1, 2], &[1], 1, |_, _, _| ()));
    assert_eq!(unequal, "2 items cannot be paired with 1 inputs");
    let passed_on = message(&mut || for_each_chunk(&mut [1, 2, 3], 1, |n, _| assert!(n != 1, "chunk {n}")));
    assert_eq!(passed_on, "chunk 1");
}
