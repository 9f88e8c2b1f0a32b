//! Time is virtual: it passes when no thread can go on.

use crate::check_threads;
use brigade_explore::{Explore, handle::clock, pool::Pool, runtime, thread};
use std::time::Duration;

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

#[test]
fn a_sleep_of_a_year_takes_a_year_of_virtual_time() {
    check_threads(|| {
        let before = clock::now();
        thread::park_timeout(Duration::from_secs(1));
        assert!(clock::now() - before <= Duration::from_secs(1));
        let before = clock::now();
        let other = thread::spawn(|| thread::sleep(YEAR)); // the work itself
        other.join().unwrap();
        assert_eq!(clock::now() - before, YEAR);
    })
    .expect_pass();
}

#[test]
fn timers_of_tasks_fire_in_order_and_never_early() {
    Explore::new()
        .schedules(500)
        .explore(|| async {
            let before = clock::now();
            let long = runtime::spawn(async move {
                runtime::sleep(YEAR).await;
                clock::now() - before
            });
            let short = runtime::spawn(async move {
                runtime::sleep(Duration::from_secs(1)).await;
                clock::now() - before
            });
            assert_eq!(short.await.unwrap().as_secs(), 1);
            assert_eq!(long.await.unwrap().as_secs(), YEAR.as_secs());
        })
        .expect_pass();
}

#[test]
fn a_runtime_that_blocks_calls_the_pool_beneath_it() {
    Explore::new()
        .schedules(300)
        .explore(|| async {
            assert_eq!(runtime::spawn_blocking(|| 6 * 7).await.unwrap(), 42);
        })
        .expect_pass();
}

#[test]
fn a_pool_that_is_idle_ends() {
    check_threads(|| {
        let pool = Pool::builder().threads(2).build().unwrap();
        assert_eq!(pool.spawn(|| 1).join().unwrap(), 1);
        pool.shutdown();
    })
    .expect_pass();
}
