//! Statistics: what is counted, and when the sum is exact.

use brigade_pool::{Pool, join};
use std::sync::{Barrier, mpsc};

fn pool(threads: usize) -> Pool {
    Pool::builder().threads(threads).build().expect("the threads start")
}

#[test]
fn each_job_is_counted_once_wherever_it_runs() {
    for threads in 1..=4 {
        let pool = pool(threads);
        let handles: Vec<_> = (0..100).map(|n| pool.spawn(move || n)).collect();
        handles.into_iter().for_each(|handle| _ = handle.join().unwrap());
        assert_eq!(pool.stats().jobs, 100);
        // The children, and the job that opens the scope.
        pool.scope(|s| (0..100).for_each(|_| s.spawn(|_| ())));
        assert_eq!(pool.stats().jobs, 201);
        assert_eq!((pool.stats().queue_depth, pool.stats().threads >= threads), (0, true));
    }
}

#[test]
fn jobs_behind_a_busy_worker_are_the_queue_depth() {
    let pool = pool(1);
    let (started, starts) = mpsc::channel();
    let (go, wait) = mpsc::channel::<()>();
    let busy = pool.spawn(move || {
        started.send(()).unwrap();
        wait.recv().unwrap();
    });
    starts.recv().unwrap();
    let queued: Vec<_> = (0..10).map(|n| pool.spawn(move || n)).collect();
    let stats = pool.stats();
    assert_eq!((stats.queue_depth, stats.jobs, stats.threads), (10, 1, 1));
    go.send(()).unwrap();
    busy.join().unwrap();
    queued.into_iter().for_each(|handle| _ = handle.join().unwrap());
    assert_eq!((pool.stats().queue_depth, pool.stats().jobs), (0, 11));
}

#[test]
fn a_join_counts_no_job_and_its_stolen_closure_counts_a_steal() {
    let (pool, both) = (pool(2), Barrier::new(2));
    pool.join(|| both.wait(), || both.wait());
    let stats = pool.stats();
    assert_eq!((stats.jobs, stats.steals), (1, 1));
    let pool = self::pool(1);
    pool.install(|| (0..1000).for_each(|_| _ = join(|| 1, || 2)));
    assert_eq!((pool.stats().jobs, pool.stats().steals), (1, 0));
}

#[test]
fn a_worker_that_slept_was_woken() {
    let pool = pool(1);
    let mut stats = pool.stats();
    // The thread starts asleep, which is no park. So the second time that it is woken, it has parked.
    while stats.wakes < 2 {
        pool.spawn(|| ()).join().unwrap();
        std::thread::yield_now();
        stats = pool.stats();
    }
    assert!(stats.parks + 1 >= stats.wakes);
}
