//! Jobs that wait for one another, for other pools, and under locks.

use brigade_pool::{Pool, Until, as_completed, blocking, join, spawn, wait_for_timeout};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

/// Longer than any of these tests takes.
const LONG: Duration = Duration::from_secs(600);

fn pool(threads: usize) -> Pool {
    Pool::builder().threads(threads).build().expect("the threads start")
}

#[test]
fn nested_parallelism_under_a_mutex_finishes() {
    fn count(depth: u32) -> u64 {
        if depth == 0 {
            return 1;
        }
        let (a, b) = join(|| count(depth - 1), || count(depth - 1));
        a + b
    }
    for threads in 1..=4 {
        let pool = pool(threads);
        let total = Mutex::new(0);
        pool.scope(|s| {
            for _ in 0..64 {
                s.spawn(|_| *total.lock().unwrap() += count(6));
            }
        });
        assert_eq!(*total.lock().unwrap(), 64 * 64);
    }
}

#[test]
fn scopes_under_a_mutex_finish() {
    for threads in 1..=4 {
        let pool = pool(threads);
        let total = Mutex::new(0);
        pool.scope(|s| {
            for _ in 0..64 {
                s.spawn(|_| {
                    let mut total = total.lock().unwrap();
                    let (send, receive) = mpsc::channel();
                    brigade_pool::scope(|s| {
                        (0..8).for_each(|n| {
                            let send = send.clone();
                            s.spawn(move |_| send.send(n).unwrap());
                        })
                    });
                    drop(send);
                    *total += receive.iter().sum::<u64>();
                });
            }
        });
        assert_eq!(*total.lock().unwrap(), 64 * 28);
    }
}

#[test]
fn two_pools_that_install_into_each_other_finish() {
    for threads in 1..=2 {
        let (a, b) = (Arc::new(pool(threads)), Arc::new(pool(threads)));
        fn bounce(here: &Pool, there: &Pool, depth: usize) -> usize {
            if depth == 0 { 0 } else { 1 + here.install(|| bounce(there, here, depth - 1)) }
        }
        let from_both = |a: Arc<Pool>, b: Arc<Pool>| std::thread::spawn(move || bounce(&a, &b, 20));
        let bounces: Vec<_> =
            (0..4).flat_map(|_| [from_both(a.clone(), b.clone()), from_both(b.clone(), a.clone())]).collect();
        for thread in bounces {
            assert_eq!(thread.join().unwrap(), 20);
        }
    }
}

#[test]
fn a_job_that_waits_for_a_running_job_lets_others_run() {
    let pool = Arc::new(pool(2));
    let (go, wait) = mpsc::channel::<()>();
    let first = pool.spawn(move || wait.recv().unwrap());
    let second = pool.spawn(move || first.join().unwrap());
    // Both threads are in use: one by the first job, one by the job that waits for it. This runs on a
    // spare thread.
    pool.spawn(move || go.send(()).unwrap()).join().unwrap();
    second.join().unwrap();
}

#[test]
fn many_jobs_that_wait_for_another_pool_finish() {
    let (front, back) = (pool(1), Arc::new(pool(1)));
    let handles: Vec<_> = (0..50)
        .map(|n| {
            let back = back.clone();
            front.spawn(move || back.spawn(move || spawn(move || n).join().unwrap()).join().unwrap())
        })
        .collect();
    for (n, handle) in handles.into_iter().enumerate() {
        assert_eq!(handle.join().unwrap(), n);
    }
}

#[test]
fn a_wait_inside_of_a_wait_counts_once() {
    for _ in 0..20 {
        let pool = pool(1);
        let (go, wait) = mpsc::channel::<()>();
        let waits = pool.spawn(move || blocking(|| blocking(|| wait.recv().unwrap())));
        // These run on one spare thread, so one at a time.
        let running = Arc::new(AtomicUsize::new(0));
        let others: Vec<_> = (0..20)
            .map(|_| {
                let running = running.clone();
                pool.spawn(move || {
                    assert_eq!(running.fetch_add(1, Ordering::Relaxed), 0);
                    std::thread::yield_now();
                    running.fetch_sub(1, Ordering::Relaxed);
                })
            })
            .collect();
        others.into_iter().for_each(|other| other.join().unwrap());
        pool.spawn(move || go.send(()).unwrap()).join().unwrap();
        waits.join().unwrap();
    }
}

#[test]
fn a_spare_thread_takes_many_short_jobs_from_a_worker_that_is_blocked() {
    let pool = pool(1);
    let (go, wait) = mpsc::channel::<()>();
    let left = Arc::new(AtomicUsize::new(1000));
    // None of the jobs is worth its steal, and no other worker is free to take them.
    pool.install(move || {
        for _ in 0..1000 {
            let (left, go) = (left.clone(), go.clone());
            brigade_pool::spawn_detached(move || {
                if left.fetch_sub(1, Ordering::Relaxed) == 1 {
                    go.send(()).unwrap();
                }
            });
        }
        blocking(|| wait.recv().unwrap());
    });
}

#[test]
fn jobs_that_block_elsewhere_leave_the_pool_to_others() {
    let pool = pool(1);
    let gates: Vec<_> = (0..20)
        .map(|n| {
            let (go, wait) = mpsc::channel::<()>();
            (go, pool.spawn_blocking(move || wait.recv().map(|()| n).unwrap()))
        })
        .collect();
    pool.spawn(|| ()).join().unwrap();
    for (n, (go, handle)) in gates.into_iter().enumerate() {
        go.send(()).unwrap();
        assert_eq!(handle.join().unwrap(), n);
    }
}

#[test]
fn a_worker_that_joins_with_a_time_limit_leaves_the_work_to_a_spare_thread() {
    let pool = Arc::new(pool(1));
    let its_pool = pool.clone();
    let (open, gate) = mpsc::channel::<()>();
    let joined = pool.spawn(move || {
        let worker = std::thread::current().id();
        // It would take the worker as long as the gate is shut, if the worker ran it in place.
        let stuck = its_pool.spawn(move || {
            gate.recv().unwrap();
            std::thread::current().id()
        });
        let stuck = stuck.join_timeout(Duration::from_millis(20)).expect_err("the gate is shut");
        open.send(()).unwrap();
        let other = stuck.join_timeout(LONG).expect("the gate is open").unwrap();
        (worker, other)
    });
    let (worker, other) = joined.join().unwrap();
    assert_ne!(worker, other);
}

#[test]
fn a_worker_of_the_only_thread_waits_for_several_with_a_time_limit() {
    let pool = Arc::new(pool(1));
    let its_pool = pool.clone();
    let waited = pool.install(move || {
        let (open, gate) = mpsc::channel::<()>();
        let stuck = its_pool.spawn_blocking(move || gate.recv().is_ok());
        let waited = wait_for_timeout([its_pool.spawn(|| true), stuck], Until::FirstCompleted, LONG);
        let first = waited.done.len();
        let waited = wait_for_timeout(
            waited.pending.into_iter().map(|(_, handle)| handle),
            Until::All,
            Duration::ZERO,
        );
        let late = waited.pending.len();
        open.send(()).unwrap();
        let mut rest = as_completed(waited.pending.into_iter().map(|(_, handle)| handle));
        (first, late, rest.next_timeout(LONG).unwrap().1.unwrap())
    });
    assert_eq!(waited, (1, 1, true));
}
