//! Timers: their order, their end, and the odd ones.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]
// A sleep that moves from task to task is what some of these tests are about.
#![allow(clippy::async_yields_async)]

use crate::common::runtimes;
use brigade_runtime::{Elapsed, gather, run, sleep, sleep_until, spawn, timeout, yield_now};
use brigade_trace::clock;
use std::{
    cell::RefCell,
    future::Future,
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Wake, Waker},
    time::Duration,
};

const MS: Duration = Duration::from_millis(1);

#[test]
fn sleeps_end_in_the_order_of_their_deadlines() {
    let ends = RefCell::new(Vec::new());
    run(gather([9, 1, 5, 3, 7].map(|ms| {
        let ends = &ends;
        async move {
            sleep(ms * MS).await;
            ends.borrow_mut().push(ms);
        }
    })));
    assert_eq!(*ends.borrow(), [1, 3, 5, 7, 9]);
}

#[test]
fn a_sleep_is_never_early() {
    for runtime in runtimes() {
        let early = |ms: u32| async move {
            let begin = clock::now();
            sleep(ms * MS).await;
            begin.elapsed() < ms * MS
        };
        let tasks: Vec<_> = (0..300).map(|n| runtime.spawn(early(n % 30))).collect();
        runtime.block_on(async {
            for task in tasks {
                assert!(!task.await.unwrap());
            }
        });
    }
}

#[test]
fn durations_without_end_are_safe() {
    run(async {
        let mut forever = pin!(sleep(Duration::MAX));
        assert!(timeout(MS, &mut forever).await.is_err());
        assert_eq!(timeout(Duration::MAX, async { 1 }).await, Ok(1));
        let far = sleep(Duration::from_secs(1 << 40));
        assert!(timeout(MS, far).await.is_err());
        assert_eq!(timeout(Duration::ZERO, std::future::pending::<()>()).await, Err(Elapsed));
        sleep(Duration::ZERO).await;
        sleep_until(clock::now()).await;
    });
}

#[test]
fn a_timeout_drops_its_future_at_once() {
    run(async {
        let held = Arc::new(());
        let inner = held.clone();
        let mut limited = pin!(timeout(MS, async move {
            let _held = inner;
            std::future::pending::<()>().await;
        }));
        assert_eq!(limited.as_mut().await, Err(Elapsed));
        assert_eq!(Arc::strong_count(&held), 1);
    });
}

#[test]
fn a_sleep_may_be_polled_by_one_task_and_dropped_by_another() {
    for runtime in runtimes() {
        runtime.block_on(async {
            for _ in 0..50 {
                let mut nap = Box::pin(sleep(MS));
                let polled = spawn(async move {
                    std::future::poll_fn(|cx| {
                        let _ = nap.as_mut().poll(cx);
                        std::task::Poll::Ready(())
                    })
                    .await;
                    nap
                })
                .await
                .unwrap();
                spawn(async move { drop(polled) }).await.unwrap();
                let moved = spawn(async { Box::pin(sleep(MS)) }).await.unwrap();
                moved.await;
            }
        });
    }
}

/// A waker that drops a hundred timers when it is woken.
struct Dropper(Mutex<Vec<std::pin::Pin<Box<brigade_runtime::Sleep>>>>);

impl Wake for Dropper {
    fn wake(self: Arc<Self>) {
        let timers = std::mem::take(&mut *self.0.lock().unwrap());
        drop(timers);
    }
}

#[test]
fn a_waker_may_drop_all_timers_while_they_fire() {
    run(async {
        let dropper = Arc::new(Dropper(Mutex::default()));
        let waker = Waker::from(dropper.clone());
        let mut timers: Vec<_> = (0..100).map(|_| Box::pin(sleep(2 * MS))).collect();
        for timer in &mut timers {
            assert!(timer.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        *dropper.0.lock().unwrap() = timers;
        while !dropper.0.lock().unwrap().is_empty() {
            sleep(MS).await;
        }
        yield_now().await;
    });
}

#[test]
fn many_sleeps_at_once_all_end() {
    for runtime in runtimes() {
        let tasks: Vec<_> =
            (0..20_000).map(|n| runtime.spawn(async move { sleep(n % 50 * MS).await })).collect();
        runtime.block_on(async {
            for task in tasks {
                task.await.unwrap();
            }
        });
    }
}
