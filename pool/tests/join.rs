//! `join`: sharing, waiting, panics.

use brigade_pool::{Pool, join};
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

fn fib(n: u32) -> u64 {
    if n < 2 {
        return u64::from(n);
    }
    let (a, b) = join(|| fib(n - 1), || fib(n - 2));
    a + b
}

#[test]
fn nested_joins_give_the_sum() {
    for threads in 1..=4 {
        assert_eq!(pool(threads).install(|| fib(20)), 6765);
    }
}

#[test]
fn both_closures_run_at_the_same_time() {
    let pool = pool(2);
    for _ in 0..100 {
        // Neither closure passes the barrier alone.
        let barrier = Barrier::new(2);
        pool.join(|| barrier.wait(), || barrier.wait());
    }
}

#[test]
fn a_stack_job_is_not_stuck_behind_a_busy_owner() {
    let pool = pool(2);
    for _ in 0..100 {
        // The inner first closure waits for the inner second one, whose owner is busy with the first. The
        // other thread is free again after the outer second closure.
        let (inner, outer) = (Barrier::new(2), Barrier::new(1));
        pool.join(|| join(|| inner.wait(), || inner.wait()), || outer.wait());
    }
}

#[test]
fn half_a_million_nested_joins_end() {
    fn nest(depth: usize) -> usize {
        if depth == 0 {
            return 0;
        }
        let (deep, one) = join(|| nest(depth - 1), || 1);
        deep + one
    }
    // Without optimisation a frame takes kilobytes, and the stack would take more memory than a test
    // should.
    let depth = if cfg!(debug_assertions) { 100_000 } else { 500_000 };
    for threads in [1, 2] {
        let pool = Pool::builder().threads(threads).stack_size(1 << 30).build().unwrap();
        assert_eq!(pool.install(|| nest(depth)), depth);
    }
}

fn message(result: std::thread::Result<impl Sized>) -> String {
    let payload = result.err().expect("it panicked");
    (*payload.downcast::<&'static str>().expect("the payload is a text")).to_owned()
}

#[test]
fn a_panic_in_one_closure_waits_for_the_other() {
    for threads in [1, 2] {
        let pool = pool(threads);
        for _ in 0..200 {
            let ran = AtomicUsize::new(0);
            let work = || ran.fetch_add(1, Ordering::Relaxed);
            let first = panic::catch_unwind(AssertUnwindSafe(|| pool.join(|| panic!("first"), work)));
            assert_eq!((message(first).as_str(), ran.load(Ordering::Relaxed)), ("first", 1));
            let second = panic::catch_unwind(AssertUnwindSafe(|| pool.join(work, || panic!("second"))));
            assert_eq!((message(second).as_str(), ran.load(Ordering::Relaxed)), ("second", 2));
        }
    }
}

#[test]
fn of_two_panics_the_first_closures_continues() {
    for threads in [1, 2] {
        let pool = pool(threads);
        for _ in 0..200 {
            let both = || pool.join(|| panic!("first"), || panic!("second"));
            assert_eq!(message(panic::catch_unwind(AssertUnwindSafe(both))), "first");
        }
    }
}

#[test]
fn three_and_four_closures_all_overlap() {
    let pool = pool(4);
    let three = Barrier::new(3);
    let wait = || _ = three.wait();
    pool.install(|| brigade_pool::join3(wait, wait, wait));
    let four = Barrier::new(4);
    let wait = || _ = four.wait();
    pool.install(|| brigade_pool::join4(wait, wait, wait, wait));
}

#[test]
fn the_first_of_several_panics_goes_on() {
    let ended = AtomicUsize::new(0);
    let end = || _ = ended.fetch_add(1, Ordering::Relaxed);
    let panic = panic::catch_unwind(|| {
        pool(2).install(|| brigade_pool::join4(end, || panic!("second"), || panic!("third"), end))
    });
    assert_eq!(panic.unwrap_err().downcast_ref(), Some(&"second"));
    assert_eq!(ended.into_inner(), 2);
}
