//! Waiting with a time limit, running without a budget, and the racers of a race: where they lie, and when
//! they are dropped.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use brigade_runtime::{
    Runtime, Until, now, race, run, sleep, spawn, spawn_local, unconstrained, wait_for_timeout, yield_now,
};
use std::{
    cell::Cell,
    future::{Future, pending, poll_fn, ready},
    marker::PhantomPinned,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

const MS: Duration = Duration::from_millis(1);

#[test]
fn tasks_are_waited_for_until_a_time() {
    let runtime = Runtime::builder().paused_clock().build().unwrap();
    runtime.block_on(async {
        let after = |ms: u32| {
            spawn(async move {
                sleep(ms * MS).await;
                ms
            })
        };
        let begin = now();
        let waited = wait_for_timeout([after(30), after(10), after(20)], Until::All, 25 * MS).await;
        assert_eq!(now() - begin, 25 * MS);
        assert!(matches!(waited.done[..], [(1, Ok(10)), (2, Ok(20))]));
        let (number, late) = waited.pending.into_iter().next().unwrap();
        assert_eq!((number, late.await.unwrap()), (0, 30), "the task has gone on");
        // It ends as soon as enough have ended, and at once if the time is over.
        let begin = now();
        let waited = wait_for_timeout([after(30), after(10)], Until::FirstCompleted, Duration::MAX).await;
        assert_eq!((now() - begin, waited.done.len()), (10 * MS, 1));
        let waited = wait_for_timeout([after(1)], Until::All, Duration::ZERO).await;
        assert_eq!((now() - begin, waited.done.len()), (10 * MS, 0));
        assert!(wait_for_timeout::<()>([], Until::All, Duration::MAX).await.done.is_empty());
    });
}

#[test]
fn a_task_that_is_unconstrained_lets_nobody_run_while_it_is_ready() {
    run(async {
        const OPERATIONS: u32 = 1000;
        let polls = Rc::new(Cell::new(0));
        let (counted, seen) = (polls.clone(), polls.clone());
        let others = spawn_local(async move {
            loop {
                counted.set(counted.get() + 1);
                yield_now().await;
            }
        });
        yield_now().await;
        let before = seen.get();
        unconstrained(async { (0..OPERATIONS).map(|_| sleep(Duration::ZERO)).for_each_await().await }).await;
        assert_eq!(seen.get(), before);
        // The budget is back behind it, and used up as ever.
        (0..OPERATIONS).map(|_| sleep(Duration::ZERO)).for_each_await().await;
        assert!(seen.get() >= before + OPERATIONS / 200);
        others.cancel();
    });
}

trait ForEachAwait: Iterator<Item: Future> + Sized {
    /// Awaits one after the other.
    async fn for_each_await(self) {
        for future in self {
            future.await;
        }
    }
}

impl<I: Iterator<Item: Future>> ForEachAwait for I {}

#[test]
fn racers_stay_where_they_are_and_are_dropped_there() {
    /// A future that minds being moved between its polls.
    struct Pinned {
        polled_at: Cell<Option<*const Self>>,
        dropped: Rc<Cell<u32>>,
        _pinned: PhantomPinned,
    }
    impl Future for Pinned {
        type Output = ();
        fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
            let here: *const Self = &raw const *self;
            assert_eq!(self.polled_at.replace(Some(here)).unwrap_or(here), here);
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    }
    impl Drop for Pinned {
        fn drop(&mut self) {
            let here: *const Self = &raw const *self;
            assert_eq!(self.polled_at.get().unwrap_or(here), here);
            self.dropped.set(self.dropped.get() + 1);
        }
    }
    let dropped = Rc::new(Cell::new(0));
    let racer = || Pinned { polled_at: Cell::new(None), dropped: dropped.clone(), _pinned: PhantomPinned };
    run(async {
        let turns = async {
            for _ in 0..10 {
                yield_now().await;
            }
        };
        race((racer(), turns, racer())).await;
        assert_eq!(dropped.take(), 2, "the losers are gone when the race is over");
        let mut vector = Box::pin(race(vec![racer(), racer()]));
        for _ in 0..4 {
            assert!(poll_fn(|cx| Poll::Ready(vector.as_mut().poll(cx).is_pending())).await);
        }
        drop(vector);
        assert_eq!(dropped.take(), 2);
        let mut array = Box::pin(race([racer(), racer(), racer()]));
        for _ in 0..4 {
            assert!(poll_fn(|cx| Poll::Ready(array.as_mut().poll(cx).is_pending())).await);
        }
        drop(array);
        assert_eq!(dropped.take(), 3);
    });
}

#[test]
fn a_race_that_is_over_holds_nothing() {
    run(async {
        let held = Rc::new(());
        let holding = held.clone();
        let loser = async move {
            pending::<()>().await;
            drop(holding);
        };
        let mut over = pin!(race((loser, ready(()))));
        over.as_mut().await;
        assert_eq!(Rc::strong_count(&held), 1);
        let panics =
            catch_unwind(AssertUnwindSafe(|| over.as_mut().poll(&mut Context::from_waker(Waker::noop()))));
        assert!(panics.is_err());
    });
}
