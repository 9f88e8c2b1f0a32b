//! `scope`: borrowing, nesting, panics.

use brigade_pool::{Pool, Scope, scope};
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

#[test]
fn children_end_before_the_scope_does() {
    for threads in 1..=4 {
        let count = AtomicUsize::new(0);
        pool(threads).scope(|s| {
            for _ in 0..1000 {
                s.spawn(|_| _ = count.fetch_add(1, Ordering::Relaxed));
            }
        });
        assert_eq!(count.load(Ordering::Relaxed), 1000);
    }
}

#[test]
fn children_may_spawn_children() {
    fn tree<'scope>(s: &Scope<'scope>, depth: usize, count: &'scope AtomicUsize) {
        count.fetch_add(1, Ordering::Relaxed);
        if depth > 0 {
            s.spawn(move |s| tree(s, depth - 1, count));
            s.spawn(move |s| tree(s, depth - 1, count));
        }
    }
    for threads in 1..=4 {
        let count = AtomicUsize::new(0);
        pool(threads).scope(|s| tree(s, 12, &count));
        assert_eq!(count.load(Ordering::Relaxed), (1 << 13) - 1);
    }
}

#[test]
fn scopes_nest_in_children() {
    fn nest(depth: usize, count: &AtomicUsize) {
        count.fetch_add(1, Ordering::Relaxed);
        if depth > 0 {
            scope(|s| {
                s.spawn(|_| nest(depth - 1, count));
                s.spawn(|_| nest(depth - 1, count));
            });
        }
    }
    for threads in 1..=4 {
        let count = AtomicUsize::new(0);
        pool(threads).install(|| nest(10, &count));
        assert_eq!(count.load(Ordering::Relaxed), (1 << 11) - 1);
    }
}

#[test]
fn children_run_at_the_same_time() {
    let pool = pool(3);
    for _ in 0..100 {
        let barrier = Barrier::new(3);
        pool.scope(|s| (0..3).for_each(|_| s.spawn(|_| _ = barrier.wait())));
    }
}

#[test]
fn a_child_below_an_unrelated_job_is_found_on_a_pool_of_one() {
    let pool = pool(1);
    let count = AtomicUsize::new(0);
    pool.scope(|s| {
        s.spawn(|_| _ = count.fetch_add(1, Ordering::Relaxed));
        drop(brigade_pool::spawn(|| ()));
    });
    assert_eq!(count.load(Ordering::Relaxed), 1);
}

#[test]
fn a_panic_of_a_child_goes_on_after_all_have_ended() {
    for threads in [1, 2] {
        let pool = pool(threads);
        let count = AtomicUsize::new(0);
        let result = panic::catch_unwind(AssertUnwindSafe(|| {
            pool.scope(|s| {
                s.spawn(|_| panic!("burnt"));
                for _ in 0..100 {
                    s.spawn(|_| _ = count.fetch_add(1, Ordering::Relaxed));
                }
            });
        }));
        assert_eq!(*result.unwrap_err().downcast::<&str>().unwrap(), "burnt");
        assert_eq!(count.load(Ordering::Relaxed), 100);
    }
}

#[test]
fn a_panic_of_the_body_goes_first() {
    let result = panic::catch_unwind(|| {
        pool(2).scope(|s| {
            s.spawn(|_| panic!("child"));
            panic!("body");
        });
    });
    assert_eq!(*result.unwrap_err().downcast::<&str>().unwrap(), "body");
}
