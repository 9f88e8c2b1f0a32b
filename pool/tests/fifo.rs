//! Jobs that run in the order in which they were spawned.

use brigade_pool::{Pool, Scope};
use std::{
    panic::{self, AssertUnwindSafe},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
};

fn pool(threads: usize) -> Pool {
    Pool::builder().threads(threads).build().expect("the threads start")
}

#[test]
fn ordered_jobs_of_a_worker_run_in_their_order() {
    let pool = pool(1);
    let (tell, told) = mpsc::channel();
    pool.install(|| {
        for n in 0..1000 {
            let tell = tell.clone();
            drop(pool.spawn_fifo(move || tell.send(n).unwrap()));
        }
    });
    assert!(told.into_iter().take(1000).eq(0..1000));
}

#[test]
fn children_run_in_their_order_and_so_do_those_that_they_spawn() {
    let order = Mutex::new(Vec::new());
    pool(1).scope(|s| {
        for n in 0..100 {
            let order = &order;
            s.spawn_fifo(move |s| {
                order.lock().unwrap().push(n);
                s.spawn_fifo(move |_| order.lock().unwrap().push(100 + n));
            });
        }
    });
    assert!(order.into_inner().unwrap().into_iter().eq(0..200));
}

#[test]
fn both_kinds_of_children_are_all_run_once() {
    fn tree<'scope>(s: &Scope<'scope>, depth: usize, count: &'scope AtomicUsize) {
        count.fetch_add(1, Ordering::Relaxed);
        if depth > 0 {
            s.spawn(move |s| tree(s, depth - 1, count));
            s.spawn_fifo(move |s| tree(s, depth - 1, count));
        }
    }
    for threads in 1..=4 {
        let count = AtomicUsize::new(0);
        pool(threads).scope(|s| tree(s, 10, &count));
        assert_eq!(count.load(Ordering::Relaxed), (1 << 11) - 1);
    }
}

#[test]
fn a_child_that_panics_does_not_keep_the_next_from_running() {
    let (pool, count) = (pool(2), AtomicUsize::new(0));
    let result = panic::catch_unwind(AssertUnwindSafe(|| {
        pool.scope(|s| {
            s.spawn_fifo(|_| panic!("first"));
            (0..10).for_each(|_| s.spawn_fifo(|_| _ = count.fetch_add(1, Ordering::Relaxed)));
        });
    }));
    assert_eq!(result.unwrap_err().downcast_ref(), Some(&"first"));
    assert_eq!(count.load(Ordering::Relaxed), 10);
}
