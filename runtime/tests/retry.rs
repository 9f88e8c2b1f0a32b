//! Operations that are tried again: how often, after which pauses, for how long, and for which errors. The
//! clock stands still, so the pauses are exact.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use crate::common::OnDrop;
use brigade_runtime::{ExponentialBackoff, Runtime, now, retry, retry_if, run, sleep, timeout};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    future::Future,
    time::Duration,
};

const MS: Duration = Duration::from_millis(1);

/// Runs a test in which time stands still.
fn timed<F: Future>(test: F) -> F::Output {
    Runtime::builder().paused_clock().build().unwrap().block_on(test)
}

fn plain(first: Duration) -> ExponentialBackoff {
    ExponentialBackoff::new(first).without_jitter()
}

/// The times, in milliseconds, at which an operation that always fails is tried.
async fn tries(backoff: ExponentialBackoff) -> Vec<u128> {
    let (begin, times) = (now(), RefCell::new(Vec::new()));
    let failed = retry(backoff, || {
        times.borrow_mut().push((now() - begin).as_millis());
        async { Err::<(), _>("as told") }
    });
    assert_eq!(failed.await, Err("as told"));
    times.into_inner()
}

#[test]
fn pauses_double_up_to_the_longest() {
    timed(async {
        assert_eq!(tries(plain(10 * MS).max_tries(5)).await, [0, 10, 30, 70, 150]);
        assert_eq!(tries(plain(10 * MS).max_pause(25 * MS).max_tries(5)).await, [0, 10, 30, 55, 80]);
        assert_eq!(tries(plain(Duration::ZERO).max_tries(3)).await, [0, 0, 0]);
    });
}

#[test]
fn the_first_try_is_always_made() {
    timed(async {
        for most in [0, 1] {
            assert_eq!(tries(plain(MS).max_tries(most)).await, [0]);
        }
        assert_eq!(tries(plain(MS).max_elapsed(Duration::ZERO)).await, [0]);
    });
}

#[test]
fn no_try_begins_when_the_time_is_over() {
    timed(async {
        assert_eq!(tries(plain(10 * MS).max_elapsed(69 * MS)).await, [0, 10, 30]);
        assert_eq!(tries(plain(10 * MS).max_elapsed(70 * MS)).await, [0, 10, 30, 70]);
    });
}

#[test]
fn the_time_of_the_tries_counts() {
    timed(async {
        let begin = now();
        let slow = retry(plain(10 * MS).max_elapsed(50 * MS), async || {
            sleep(30 * MS).await;
            Err::<(), _>(now() - begin)
        });
        // 30, then a pause of 10, then until 70: the next try would begin after 50.
        assert_eq!(slow.await, Err(70 * MS));
    });
}

#[test]
fn durations_and_counts_without_end_saturate() {
    timed(async {
        let patient =
            plain(Duration::MAX).max_pause(Duration::MAX).max_elapsed(Duration::MAX).max_tries(u32::MAX);
        let failing = timeout(1000 * MS, retry(patient, async || Err::<(), _>(())));
        assert!(failing.await.is_err(), "it waits for ever");
        // More doublings than a number has bits.
        let times = tries(plain(MS).max_pause(2 * MS).max_tries(100)).await;
        assert_eq!(times.last(), Some(&197));
    });
}

#[test]
fn jitter_shortens_pauses_by_up_to_a_half() {
    timed(async {
        let mut pauses = BTreeSet::new();
        for _ in 0..200 {
            let times = tries(ExponentialBackoff::new(1000 * MS).max_tries(2)).await;
            assert!((500..=1000).contains(&times[1]), "{times:?}");
            pauses.insert(times[1]);
        }
        // Two hundred draws of 500: nearly all pauses would have to be alike for this to fail by chance.
        assert!(pauses.len() > 20, "{pauses:?}");
    });
}

#[test]
fn only_transient_errors_are_tried_again() {
    timed(async {
        let tries = Cell::new(0);
        let result = retry_if(
            plain(MS),
            |error| *error < 3,
            || {
                tries.set(tries.get() + 1);
                let error = tries.get();
                async move { Err::<(), _>(error) }
            },
        );
        assert_eq!(result.await, Err(3));
        assert_eq!(tries.get(), 3);
    });
}

#[test]
fn a_success_ends_it() {
    timed(async {
        let tries = Cell::new(0);
        let result = retry(plain(MS), || {
            tries.set(tries.get() + 1);
            let tried = tries.get();
            async move { if tried < 4 { Err("busy") } else { Ok(tried) } }
        });
        assert_eq!(result.await, Ok(4));
    });
}

#[test]
fn a_retry_that_is_dropped_drops_its_try_and_makes_no_further_one() {
    timed(async {
        let (tries, dropped) = (Cell::new(0), Cell::new(0));
        // The limit comes in the second try, and then in the pause behind it.
        for (at_most, ended) in [(25 * MS, 2), (35 * MS, 2)] {
            tries.set(0);
            dropped.set(0);
            let slow = retry(plain(10 * MS), || {
                tries.set(tries.get() + 1);
                let held = OnDrop(|| dropped.set(dropped.get() + 1));
                async move {
                    let _held = held;
                    sleep(10 * MS).await;
                    Err::<(), _>(())
                }
            });
            assert!(timeout(at_most, slow).await.is_err());
            assert_eq!((tries.get(), dropped.get()), (2, ended));
            sleep(1000 * MS).await;
            assert_eq!(tries.get(), 2);
        }
    });
}

#[test]
fn a_panic_of_the_operation_goes_on() {
    let panics = std::panic::catch_unwind(|| {
        run(retry(ExponentialBackoff::new(MS), async || -> Result<(), ()> {
            std::panic::resume_unwind(Box::new("as told"))
        }))
    });
    assert_eq!(*panics.unwrap_err().downcast_ref::<&str>().unwrap(), "as told");
}
