//! Parallelism within a job that holds a mutex which other jobs want. A worker that waits under the mutex
//! can run everything that it waits for, in whatever queue that lies, even if all other threads have come
//! to wait for the mutex. If it could not, a test would hang.

use brigade_pool::{JoinHandle, Pool, Until, as_completed, scope, spawn_detached, wait_for};
use std::{
    hint,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

const WHOLE: &str = "nobody panics under the mutex";

type Lock = Arc<Mutex<usize>>;

/// A job that no job waits for, and that wants the mutex.
fn unrelated(mutex: &Lock) -> impl FnOnce() + Send + 'static {
    let mutex = mutex.clone();
    move || *mutex.lock().expect(WHOLE) += 1
}

fn pool(threads: usize) -> Pool {
    Pool::builder().threads(threads).build().expect("the machine lets us start a few threads")
}

#[test]
fn a_child_behind_an_unrelated_job_in_the_queue_of_a_thief() {
    for _ in 0..50 {
        let (pool, mutex) = (pool(2), Lock::default());
        let (stolen, ran) = (AtomicBool::new(false), AtomicBool::new(false));
        pool.install(|| {
            let _guard = mutex.lock().unwrap();
            scope(|s| {
                s.spawn(|s| {
                    spawn_detached(unrelated(&mutex));
                    s.spawn(|_| ran.store(true, Ordering::Relaxed));
                    spawn_detached(unrelated(&mutex));
                    stolen.store(true, Ordering::Release);
                });
                while !stolen.load(Ordering::Acquire) {
                    hint::spin_loop();
                }
            });
        });
        assert!(ran.into_inner());
    }
}

#[test]
fn a_child_behind_unrelated_jobs_in_the_injector() {
    for threads in [1, 2, 3] {
        let (pool, mutex, ran) = (pool(threads), Lock::default(), AtomicBool::new(false));
        pool.install(|| {
            let _guard = mutex.lock().unwrap();
            scope(|s| {
                let outside = || {
                    (0..threads).for_each(|_| pool.spawn_detached(unrelated(&mutex)));
                    s.spawn(|_| ran.store(true, Ordering::Relaxed));
                };
                thread::scope(|t| _ = t.spawn(outside));
            });
        });
        assert!(ran.into_inner());
    }
}

#[test]
fn children_that_come_when_their_owner_has_parked() {
    let (pool, mutex, ran) = (pool(2), Lock::default(), AtomicUsize::new(0));
    let begun = AtomicBool::new(false);
    pool.install(|| {
        let _guard = mutex.lock().unwrap();
        scope(|s| {
            let (ran, pool, mutex, begun) = (&ran, &pool, &mutex, &begun);
            // This occupies the other thread of the pool until all the children have run. Only the owner
            // is left to run them.
            s.spawn(move |s| {
                begun.store(true, Ordering::Release);
                let outside = || {
                    for n in 0..20 {
                        pool.spawn_detached(unrelated(mutex));
                        s.spawn(|_| _ = ran.fetch_add(1, Ordering::Release));
                        while ran.load(Ordering::Acquire) <= n {
                            thread::yield_now();
                        }
                    }
                };
                thread::scope(|t| _ = t.spawn(outside));
            });
            while !begun.load(Ordering::Acquire) {
                hint::spin_loop();
            }
        });
    });
    assert_eq!(ran.into_inner(), 20);
}

#[test]
fn a_child_of_an_outer_scope_that_lay_above_one_of_an_inner_one() {
    for threads in [1, 2] {
        let (pool, mutex, ran) = (pool(threads), Lock::default(), AtomicUsize::new(0));
        pool.install(|| {
            let _guard = mutex.lock().unwrap();
            scope(|outer| {
                (0..10).for_each(|_| spawn_detached(unrelated(&mutex)));
                outer.spawn(|_| _ = ran.fetch_add(1, Ordering::Relaxed));
                (0..10).for_each(|_| spawn_detached(unrelated(&mutex)));
                scope(|inner| {
                    let outside = || inner.spawn(|_| _ = ran.fetch_add(1, Ordering::Relaxed));
                    thread::scope(|t| _ = t.spawn(outside));
                });
            });
        });
        assert_eq!(ran.into_inner(), 2);
    }
}

fn under_the_mutex(wait: fn(Vec<JoinHandle<usize>>) -> usize) {
    for threads in [1, 2, 4] {
        let (pool, mutex) = (Arc::new(pool(threads)), Lock::default());
        let start = |_| {
            let (of, mutex) = (pool.clone(), mutex.clone());
            pool.spawn(move || {
                let mut sum = mutex.lock().expect(WHOLE);
                *sum += wait((0..3).map(|n| of.spawn(move || n)).collect());
            })
        };
        let jobs: Vec<_> = (0..20).map(start).collect();
        jobs.into_iter().for_each(|job| job.join().expect("it does not panic"));
        assert_eq!(*mutex.lock().expect(WHOLE), 20 * 3);
    }
}

#[test]
fn jobs_that_are_awaited_as_they_finish() {
    under_the_mutex(|jobs| as_completed(jobs).map(|(_, result)| result.unwrap()).sum());
}

#[test]
fn jobs_that_are_awaited_together() {
    under_the_mutex(|jobs| {
        wait_for(jobs, Until::All).done.into_iter().map(|(_, result)| result.unwrap()).sum()
    });
}
