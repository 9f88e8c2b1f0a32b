//! A future that uses up its budget at each poll, and others that wait beside it in the same task.
//!
//! Such a future ends by itself after many polls, so that a starved future fails the test instead of hanging
//! it.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use brigade_runtime::{
    Either, Elapsed, Runtime, as_completed, gather, now, race, run, select, sleep, spawn, sync::Semaphore,
    timeout, yield_now,
};
use std::{
    future::{Future, pending, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

const MS: Duration = Duration::from_millis(1);
const POLLS: usize = 100;

type Boxed<'a> = Pin<Box<dyn Future<Output = &'static str> + 'a>>;

fn paused<F: Future>(future: F) -> F::Output {
    Runtime::builder().paused_clock().build().unwrap().block_on(future)
}

/// Uses up the task's budget. The operation that is refused wakes nobody.
fn use_up(semaphore: &Semaphore) {
    let mut context = Context::from_waker(Waker::noop());
    while pin!(semaphore.acquire()).poll(&mut context).is_ready() {}
}

/// The source of a busy future's wake-ups: itself at each poll, or other tasks, so that a paused clock goes
/// on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wakes {
    Itself,
    Never,
}

/// Ready after a number of polls, each of which uses up the budget.
async fn busy(wakes: Wakes) -> &'static str {
    let semaphore = Semaphore::new(1);
    let mut polls = 0;
    poll_fn(|cx| {
        polls += 1;
        if polls > POLLS {
            return Poll::Ready("busy");
        }
        use_up(&semaphore);
        if wakes == Wakes::Itself {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    })
    .await
}

/// Ready as soon as it is polled with some budget.
async fn modest() -> &'static str {
    let semaphore = Semaphore::new(1);
    drop(semaphore.acquire().await.unwrap());
    "modest"
}

#[test]
fn a_timeout_is_over_in_time() {
    paused(async {
        let begin = now();
        assert_eq!(timeout(5 * MS, busy(Wakes::Never)).await, Err(Elapsed));
        assert_eq!(now() - begin, 5 * MS);
    });
}

#[test]
fn a_timeout_whose_time_is_over_at_once_says_so() {
    run(async { assert_eq!(timeout(Duration::ZERO, busy(Wakes::Itself)).await, Err(Elapsed)) });
}

#[test]
fn a_sleep_that_is_polled_after_it_is_set_and_seen() {
    paused(async {
        let mut busy = pin!(busy(Wakes::Never));
        let mut sleep = pin!(sleep(5 * MS));
        // The futures are polled in this order.
        let first = poll_fn(|cx| match busy.as_mut().poll(cx) {
            Poll::Ready(name) => Poll::Ready(name),
            Poll::Pending => sleep.as_mut().poll(cx).map(|()| "sleep"),
        });
        assert_eq!(first.await, "sleep");
    });
}

#[test]
fn races_leave_something_to_each() {
    run(async {
        // The rounds are so many that the other future is the first in all of them once in 2³² runs.
        for _ in 0..32 {
            assert_eq!(select(busy(Wakes::Itself), modest()).await, Either::Right("modest"));
            assert_eq!(race((busy(Wakes::Itself), busy(Wakes::Itself), modest())).await, "modest");
            let racers: [Boxed<'_>; 2] = [Box::pin(busy(Wakes::Itself)), Box::pin(modest())];
            assert_eq!(race(racers).await, "modest");
        }
    });
}

#[test]
fn gathered_futures_are_polled_by_turns() {
    run(async {
        let ended = AtomicUsize::new(0);
        let modest = || async {
            let name = modest().await;
            ended.fetch_add(1, Ordering::Relaxed);
            name
        };
        let busy = async {
            let name = busy(Wakes::Itself).await;
            assert_eq!(ended.load(Ordering::Relaxed), 2, "the others have ended before");
            name
        };
        let futures: [Boxed<'_>; 3] = [Box::pin(busy), Box::pin(modest()), Box::pin(modest())];
        assert_eq!(gather(futures).await, ["busy", "modest", "modest"]);
    });
}

#[test]
fn the_first_to_complete_is_not_the_busy_one() {
    run(async {
        let futures: [Boxed<'_>; 2] = [Box::pin(busy(Wakes::Itself)), Box::pin(modest())];
        let mut completed = as_completed(futures);
        assert_eq!(completed.next().await, Some((1, "modest")));
        assert_eq!(completed.next().await, Some((0, "busy")));
    });
}

#[test]
fn loops_of_what_is_over_at_once_let_others_run() {
    async fn until<F: Future>(again: impl Fn() -> F) {
        let said = Arc::new(AtomicBool::new(false));
        let says = said.clone();
        drop(spawn(async move { says.store(true, Ordering::Relaxed) }));
        for _ in 0..10_000 {
            again().await;
        }
        assert!(said.load(Ordering::Relaxed), "the other never ran");
    }
    let runtime = Runtime::current_thread().unwrap();
    runtime.block_on(until(|| sleep(Duration::ZERO)));
    runtime.block_on(until(|| timeout(Duration::ZERO, pending::<()>())));
    runtime.block_on(until(|| async {
        let _over = timeout(Duration::ZERO, async {
            use_up(&Semaphore::new(1));
            yield_now().await
        })
        .await;
    }));
}
