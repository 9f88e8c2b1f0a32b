//! The pool: joins, scopes and jobs that block, on two threads.

use crate::threads;
use brigade_explore::{
    pool::{self, Pool, lock::Lock, queue::Queue},
    sync::{
        Condvar, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
};
use std::{sync::Arc, time::Duration};

fn pool_of(threads: usize) -> Pool {
    Pool::builder().threads(threads).build().expect("the system gives threads")
}

#[test]
fn both_halves_of_a_join_run_once() {
    threads(|| {
        let pool = pool_of(2);
        let sums = pool.install(|| pool::join(|| pool::join(|| 1, || 2), || pool::join(|| 3, || 4)));
        assert_eq!(sums, ((1, 2), (3, 4)));
        pool.shutdown();
    });
}

#[test]
fn a_panic_of_one_half_comes_after_the_other_half() {
    threads(|| {
        let pool = pool_of(2);
        let ended = Arc::new(AtomicUsize::new(0));
        let theirs = ended.clone();
        let halves = move || {
            pool::join(|| panic!("no flour"), || theirs.fetch_add(1, SeqCst));
        };
        assert!(pool.spawn(halves).join().is_err());
        assert!(ended.load(SeqCst) <= 1);
        pool.shutdown();
    });
}

#[test]
fn two_jobs_that_meet_run_at_a_time() {
    threads(|| {
        let pool = pool_of(2);
        let meeting = Arc::new((Mutex::new(0), Condvar::new()));
        let jobs = [(); 2].map(|()| {
            let meeting = meeting.clone();
            pool.spawn(move || {
                let (here, came) = &*meeting;
                let mut here = here.lock().unwrap();
                *here += 1;
                came.notify_all();
                while *here < 2 {
                    here = came.wait(here).unwrap();
                }
            })
        });
        for job in jobs {
            job.join().unwrap();
        }
        pool.shutdown();
    });
}

#[test]
fn a_scope_ends_after_its_jobs() {
    threads(|| {
        let pool = pool_of(2);
        let ended = AtomicUsize::new(0);
        pool.scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|scope| {
                    scope.spawn(|_| _ = ended.fetch_add(1, SeqCst));
                });
            }
        });
        assert_eq!(ended.load(SeqCst), 2);
        pool.shutdown();
    });
}

#[test]
fn a_scope_ends_after_a_child_that_sleeps_on_another_thread() {
    threads(|| {
        let pool = pool_of(2);
        let ended = AtomicUsize::new(0);
        pool.scope(|scope| {
            // The thief takes the older child, which ends last.
            for time in [2, 1].map(Duration::from_millis) {
                let ended = &ended;
                scope.spawn(move |_| {
                    thread::park_timeout(time);
                    ended.fetch_add(1, SeqCst);
                });
            }
        });
        assert_eq!(ended.load(SeqCst), 2);
        pool.shutdown();
    });
}

#[test]
fn jobs_are_done_before_a_shutdown_returns() {
    threads(|| {
        let pool = pool_of(2);
        let ended = Arc::new(AtomicUsize::new(0));
        for _ in 0..3 {
            let theirs = ended.clone();
            pool.spawn_detached(move || _ = theirs.fetch_add(1, SeqCst));
        }
        pool.shutdown();
        assert_eq!(ended.load(SeqCst), 3);
    });
}

#[test]
fn a_job_that_joins_jobs_needs_no_second_thread() {
    threads(|| {
        let pool = pool_of(1);
        let outer = pool.spawn(|| pool::spawn(|| 6).join().unwrap() * pool::spawn(|| 7).join().unwrap());
        assert_eq!(outer.join().unwrap(), 42);
        pool.shutdown();
    });
}

#[test]
fn a_job_that_blocks_on_a_queue_lets_the_job_run_that_fills_it() {
    threads(|| {
        let pool = pool_of(1);
        let queue = Arc::new(Queue::bounded(1));
        let theirs = queue.clone();
        let consumer = pool.spawn(move || theirs.get() + theirs.get());
        let theirs = queue.clone();
        let producer = pool.spawn(move || [1, 2].map(|item| theirs.put(item)));
        producer.join().unwrap();
        assert_eq!(consumer.join().unwrap(), 3);
        pool.shutdown();
    });
}

#[test]
fn locks_in_two_orders_are_reported_to_one_of_the_jobs_or_pass() {
    threads(|| {
        let pool = pool_of(2);
        let locks = Arc::new([Lock::new("salt", 0), Lock::new("pepper", 0)]);
        let jobs = [[0, 1], [1, 0]].map(|[first, second]| {
            let locks = locks.clone();
            pool.spawn(move || {
                let _first = locks[first].lock().expect("one lock is no circle");
                locks[second].lock().is_err()
            })
        });
        let circles = jobs.into_iter().map(|job| u32::from(job.join().unwrap())).sum::<u32>();
        assert!(circles <= 1, "a circle is broken once");
        pool.shutdown();
    });
}

#[test]
fn a_cancelled_job_has_run_or_has_not() {
    threads(|| {
        let pool = pool_of(1);
        let ran = Arc::new(AtomicUsize::new(0));
        let theirs = ran.clone();
        let job = pool.spawn(move || theirs.fetch_add(1, SeqCst));
        job.cancel();
        let is_done = job.join().is_ok();
        assert_eq!(ran.load(SeqCst), usize::from(is_done));
        pool.shutdown();
    });
}
