//! Timers: set and cancelled, fired in large numbers, and outstanding in larger numbers.

use super::executor::{Brigade, Runtime, Spawner, Threads};
use crate::bench::{Side, timed};
use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

const TIMERS: u64 = 10_000;
const SLEEPS: u64 = 100_000;

/// Polls a future once, and ignores the result.
async fn poll_once(mut future: Pin<&mut impl Future<Output = ()>>) {
    poll_fn(|cx| {
        let _ = future.as_mut().poll(cx);
        Poll::Ready(())
    })
    .await;
}

async fn set_and_take_back<I: Spawner>(count: u64) {
    for number in 0..count {
        let sleep = pin!(I::sleep(Duration::from_millis(1000 + number % 1000)));
        poll_once(sleep).await;
    }
}

/// Creates a timer, polls it once, and drops it, like a timeout that does not happen.
pub(crate) fn create_and_drop<R: Runtime>(threads: Threads) -> Side {
    let runtime = R::start(threads);
    timed(TIMERS, move |iterations| {
        runtime.block_on(async {
            for _ in 0..iterations {
                set_and_take_back::<R::Spawner>(TIMERS).await;
            }
        });
    })
}

/// Runs 100,000 tasks that sleep for 1 to 50 ms, from the first spawn to the last join. The longest sleep is
/// the limit.
pub(crate) fn sleeps<R: Runtime>(threads: Threads) -> Side {
    let runtime = R::start(threads);
    timed(1, move |iterations| {
        let spawner = runtime.spawner();
        runtime.block_on(async {
            for _ in 0..iterations {
                let sleeper = |number: u64| {
                    <R::Spawner as Spawner>::sleep(Duration::from_millis(1 + number * 7919 % 50))
                };
                let tasks: Vec<_> = (0..SLEEPS).map(|number| spawner.spawn(sleeper(number))).collect();
                for task in tasks {
                    task.await;
                }
            }
        });
    })
}

/// Like [`create_and_drop`], on our runtime, while this many other timers are outstanding.
pub(crate) fn among(outstanding: u64) -> Side {
    let runtime = Brigade::start(Threads::Current);
    let others = runtime.block_on(async {
        let mut others = Vec::new();
        for number in 0..outstanding {
            let long = Duration::from_millis(1_000_000 + number * 7919 % 1_000_000);
            let mut other = Box::pin(<Brigade as Runtime>::Spawner::sleep(long));
            poll_once(other.as_mut()).await;
            others.push(other);
        }
        others
    });
    timed(TIMERS, move |iterations| {
        // The other timers live as long as this closure.
        assert_eq!(others.len() as u64, outstanding);
        runtime.block_on(async {
            for _ in 0..iterations {
                set_and_take_back::<<Brigade as Runtime>::Spawner>(TIMERS).await;
            }
        });
    })
}
