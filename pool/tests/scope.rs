//! `scope`: borrowing, nesting, panics.

use brigade_pool::{Pool, Scope, scope};
use std::{
    panic::{self, AssertUnwindSafe},
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
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
fn children_that_spawn_the_next_one_do_not_starve_the_child_of_another_thread() {
    /// Spawns itself until the flag is set, or until there is no turn left.
    fn poll<'scope>(s: &Scope<'scope>, flag: &'scope AtomicBool, turns_left: &'scope AtomicUsize) {
        let decrement = |turns: usize| turns.checked_sub(1);
        let turn = || turns_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, decrement);
        if !flag.load(Ordering::Relaxed) && turn().is_ok() {
            s.spawn(move |s| poll(s, flag, turns_left));
        }
    }
    let (flag, turns_left) = (AtomicBool::new(false), AtomicUsize::new(10_000));
    pool(1).scope(|s| {
        // The only worker runs this body, so the child stays where it is until the scope waits.
        thread::scope(|threads| _ = threads.spawn(|| s.spawn(|_| flag.store(true, Ordering::Relaxed))));
        s.spawn(|s| poll(s, &flag, &turns_left));
    });
    assert!(turns_left.into_inner() > 0, "the remote child ran before the chain gave up");
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

/// While a thief counts off a child, the owner does not look at the count before each child of its own
/// queue. It finds the unrelated job before it has looked, after all children have ended.
#[test]
fn an_unrelated_job_below_the_last_child_stays_in_the_queue() {
    let pool = Pool::builder().threads(2).build().unwrap();
    let (is_blocked, is_over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let unrelated = pool.install(|| {
        let mut unrelated = None;
        pool.scope(|scope| {
            let (is_blocked, is_over) = (&is_blocked, &is_over);
            let pool = &pool;
            // The other worker steals this child, and then has its own job to run.
            scope.spawn(move |_| {
                let (is_blocked, is_over) = (is_blocked.clone(), is_over.clone());
                drop(pool.spawn(move || {
                    is_blocked.store(true, Ordering::Release);
                    while !is_over.load(Ordering::Acquire) {
                        thread::yield_now();
                    }
                }));
            });
            while !is_blocked.load(Ordering::Acquire) {
                thread::yield_now();
            }
            let is_over = is_over.clone();
            unrelated = Some(pool.spawn(move || is_over.load(Ordering::Acquire)));
            scope.spawn(|_| ());
        });
        is_over.store(true, Ordering::Release);
        unrelated
    });
    assert!(unrelated.expect("the body has run").join().unwrap(), "it ran inside the scope's wait");
}
