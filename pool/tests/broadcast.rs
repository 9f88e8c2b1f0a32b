//! `broadcast` calls each thread once, whether it is asleep, busy, spare or blocked.

use brigade_pool::Pool;
use std::{
    collections::HashSet,
    panic::{self, AssertUnwindSafe},
    sync::{Barrier, mpsc},
    thread,
};

fn pool(threads: usize) -> Pool {
    Pool::builder().threads(threads).build().expect("the threads start")
}

#[test]
fn each_thread_runs_it_once_and_they_overlap() {
    for threads in 1..=4 {
        let pool = pool(threads);
        let all = Barrier::new(threads);
        let ids = pool.broadcast(|number| {
            all.wait();
            (number, thread::current().id())
        });
        let ids: Vec<_> = ids.into_iter().map(Result::unwrap).collect();
        assert!(ids.iter().map(|id| id.0).eq(0..threads));
        assert_eq!(ids.iter().map(|id| id.1).collect::<HashSet<_>>().len(), threads);
    }
}

#[test]
fn a_broadcast_finds_threads_that_are_about_to_sleep() {
    let pool = pool(3);
    for round in 0..500 {
        // In some rounds the workers sleep, in some they search, and in some they are falling asleep.
        (0..round % 5).for_each(|n| assert_eq!(pool.spawn(move || n).join().unwrap(), n));
        assert_eq!(pool.broadcast(|number| number).len(), 3);
    }
}

#[test]
fn several_broadcasts_at_once_finish() {
    let pool = pool(2);
    thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                (0..200).for_each(|_| assert_eq!(pool.broadcast(|_| pool.join(|| 1, || 2)).len(), 2));
            });
        }
    });
}

#[test]
fn a_panic_fails_one_result_only() {
    let results = pool(2).broadcast(|number| if number == 1 { panic!("one") } else { number });
    assert_eq!(results[0].as_ref().unwrap(), &0);
    assert_eq!(results[1].as_ref().unwrap_err().panic_message(), Some("one"));
}

#[test]
fn a_busy_thread_runs_it_after_its_job() {
    let pool = pool(1);
    let (go, wait) = mpsc::channel::<()>();
    let busy = pool.spawn(move || wait.recv().unwrap());
    thread::scope(|threads| {
        let all = threads.spawn(|| pool.broadcast(|number| number).len());
        go.send(()).unwrap();
        assert_eq!(all.join().unwrap(), 1);
    });
    busy.join().unwrap();
}

#[test]
fn spare_threads_and_those_in_reserve_run_it() {
    let pool = pool(1);
    for _ in 0..50 {
        let (go, wait) = mpsc::channel::<()>();
        let blocked = pool.spawn_blocking(move || wait.recv().unwrap());
        // This runs on a spare thread, which has nothing to do afterwards.
        pool.spawn(move || go.send(()).unwrap()).join().unwrap();
        blocked.join().unwrap();
        let numbers: Vec<_> = pool.broadcast(|number| number).into_iter().map(Result::unwrap).collect();
        assert!((1..=2).contains(&numbers.len()), "{numbers:?}");
        assert!(numbers.is_sorted());
    }
}

#[test]
fn a_worker_may_broadcast_to_another_pool_and_not_to_its_own() {
    let (one, other) = (pool(2), pool(2));
    assert_eq!(one.install(|| other.broadcast(|number| number).len()), 2);
    let own = one.install(|| panic::catch_unwind(AssertUnwindSafe(|| one.broadcast(|_| ()).len())));
    assert!(own.unwrap_err().downcast_ref::<&str>().unwrap().contains("wait for itself"));
}
