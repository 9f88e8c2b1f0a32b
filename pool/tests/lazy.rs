//! `join_lazy`: the same results and panics as `join`, whether a join is pushed or a plain call.

use brigade_pool::{Pool, join_lazy};
use std::{
    panic::{self, AssertUnwindSafe},
    sync::{
        Barrier,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

fn pool(threads: usize) -> Pool {
    Pool::builder().threads(threads).build().expect("the threads start")
}

fn fib(n: u32) -> u64 {
    if n < 2 {
        return u64::from(n);
    }
    let (a, b) = join_lazy(|| fib(n - 1), || fib(n - 2));
    a + b
}

/// Adds 1 for each node of a balanced tree.
fn count(layers: u32, nodes: &AtomicU64) {
    nodes.fetch_add(1, Ordering::Relaxed);
    if layers > 1 {
        join_lazy(|| count(layers - 1, nodes), || count(layers - 1, nodes));
    }
}

#[test]
fn nested_lazy_joins_give_the_sum() {
    for threads in 1..=4 {
        assert_eq!(pool(threads).install(|| fib(22)), 17_711);
    }
}

#[test]
fn each_closure_runs_once() {
    for threads in 1..=4 {
        let nodes = AtomicU64::new(0);
        pool(threads).install(|| count(16, &nodes));
        assert_eq!(nodes.into_inner(), (1 << 16) - 1);
    }
}

#[test]
fn lazy_joins_begin_anywhere() {
    assert_eq!(fib(15), 610);
    assert_eq!(pool(1).join_lazy(|| fib(10), || fib(11)), (55, 89));
    let pool = pool(2);
    assert_eq!(pool.spawn(|| fib(15)).join().unwrap(), 610);
    let sum = AtomicU64::new(0);
    pool.scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|_| _ = sum.fetch_add(fib(15), Ordering::Relaxed));
        }
    });
    assert_eq!(sum.into_inner(), 6100);
    let fibs = pool.map(fib, [10, 11, 12]).into_iter().map(Result::unwrap).collect::<Vec<_>>();
    assert_eq!(fibs, [55, 89, 144]);
}

#[test]
fn the_first_joins_of_a_worker_can_be_shared() {
    let pool = pool(2);
    for _ in 0..100 {
        // Neither closure passes the barrier alone.
        let barrier = Barrier::new(2);
        pool.join_lazy(|| barrier.wait(), || barrier.wait());
    }
}

#[test]
fn halves_below_a_few_joins_can_be_shared() {
    fn nest(depth: usize, barrier: &Barrier) {
        if depth == 0 {
            join_lazy(|| barrier.wait(), || barrier.wait());
        } else {
            join_lazy(|| (), || nest(depth - 1, barrier));
        }
    }
    let pool = pool(2);
    for _ in 0..100 {
        // There is more on offer than a worker needs, but a trial has not shown yet that joins are
        // frequent.
        let barrier = Barrier::new(2);
        pool.install(|| nest(10, &barrier));
    }
}

#[test]
fn deep_lists_end() {
    fn left(depth: usize) -> usize {
        if depth == 0 {
            return 0;
        }
        let (deep, one) = join_lazy(|| left(depth - 1), || 1);
        deep + one
    }
    fn right(depth: usize) -> usize {
        if depth == 0 {
            return 0;
        }
        let (one, deep) = join_lazy(|| 1, || right(depth - 1));
        deep + one
    }
    // Without optimisation a frame takes kilobytes.
    let depth = if cfg!(debug_assertions) { 100_000 } else { 500_000 };
    for threads in [1, 2] {
        let pool = Pool::builder().threads(threads).stack_size(1 << 30).build().unwrap();
        assert_eq!(pool.install(|| left(depth)), depth);
        assert_eq!(pool.install(|| right(depth)), depth);
    }
}

#[test]
fn lazy_and_eager_joins_mix() {
    fn fib(n: u32) -> u64 {
        if n < 2 {
            return u64::from(n);
        }
        let (a, b) = if n.is_multiple_of(2) {
            join_lazy(|| fib(n - 1), || fib(n - 2))
        } else {
            brigade_pool::join(|| fib(n - 1), || fib(n - 2))
        };
        a + b
    }
    for threads in 1..=4 {
        assert_eq!(pool(threads).install(|| fib(22)), 17_711);
    }
}

#[test]
fn a_panic_at_any_depth_ends_every_closure_first() {
    /// Panics at one leaf, and counts all others.
    fn leaves(first: u32, layers: u32, bad: u32, ended: &AtomicUsize) {
        if layers == 0 {
            assert!(first != bad, "leaf {bad}");
            ended.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let half = 1 << (layers - 1);
        join_lazy(|| leaves(first, layers - 1, bad, ended), || leaves(first + half, layers - 1, bad, ended));
    }
    for threads in [1, 2] {
        let pool = pool(threads);
        for bad in (0..1 << 12).step_by(97) {
            let ended = AtomicUsize::new(0);
            let result =
                panic::catch_unwind(AssertUnwindSafe(|| pool.install(|| leaves(0, 12, bad, &ended))));
            let payload = result.expect_err("a leaf panicked");
            assert_eq!(payload.downcast_ref::<String>(), Some(&format!("leaf {bad}")));
            assert_eq!(ended.into_inner(), (1 << 12) - 1);
        }
    }
}

#[test]
fn of_two_panics_the_first_closures_continues() {
    for threads in [1, 2] {
        let pool = pool(threads);
        for _ in 0..200 {
            let both = || pool.join_lazy(|| panic!("first"), || panic!("second"));
            let payload = panic::catch_unwind(AssertUnwindSafe(both)).expect_err("both panicked");
            assert_eq!(payload.downcast_ref(), Some(&"first"));
        }
    }
}
