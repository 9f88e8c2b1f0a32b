//! Generators: what they yield, when they run, and how they end.

use brigade_runtime::{
    JoinError, Yielder, gather, generator, next, run, spawn, spawn_local, sync::Event, yield_now,
};
use futures_util::StreamExt;
use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::{Context, Poll, Waker},
};

/// Yields 3, 2, 1, with an await after each.
async fn countdown(mut yielder: Yielder<u32>) {
    for n in (1..=3).rev() {
        yielder.yield_(n).await;
        yield_now().await;
    }
}

#[test]
fn every_value_comes_once_and_in_order() {
    run(async {
        let mut numbers = generator(countdown);
        let mut got = Vec::new();
        while let Some(n) = numbers.next().await {
            got.push(n);
        }
        assert_eq!(got, [3, 2, 1]);
        assert_eq!(numbers.next().await, None, "it has ended");
        let doubled: Vec<_> = generator(countdown).map(|n| 2 * n).collect().await;
        assert_eq!(doubled, [6, 4, 2], "it is a stream like any other");
    });
}

#[test]
fn it_runs_only_as_far_as_it_is_asked() {
    let made = Cell::new(0);
    let mut numbers = generator(|mut yielder| {
        let made = &made;
        async move {
            loop {
                made.set(made.get() + 1);
                yielder.yield_(made.get()).await;
            }
        }
    });
    assert_eq!(made.get(), 0);
    run(async {
        assert_eq!((numbers.next().await, numbers.next().await), (Some(1), Some(2)));
    });
    assert_eq!(made.get(), 2);
}

#[test]
fn a_generator_dropped_half_way_drops_what_it_owns() {
    let owned = Arc::new(());
    let theirs = owned.clone();
    let mut numbers = generator(|mut yielder| async move {
        yielder.yield_(theirs.clone()).await;
        yielder.yield_(theirs).await;
    });
    run(async {
        let first = numbers.next().await;
        assert_eq!(Arc::strong_count(&owned), 3);
        drop((first, numbers));
    });
    assert_eq!(Arc::strong_count(&owned), 1);
}

#[test]
fn a_panic_goes_to_the_one_who_asks_and_ends_the_stream() {
    let mut numbers = generator(|mut yielder| async move {
        yielder.yield_(1).await;
        panic!("half-way");
    });
    run(async { assert_eq!(next(&mut numbers).await, Some(1)) });
    assert!(catch_unwind(AssertUnwindSafe(|| run(next(&mut numbers)))).is_err());
    run(async { assert_eq!(next(&mut numbers).await, None) });
}

#[test]
fn a_panic_in_a_task_is_delivered_by_its_handle() {
    run(async {
        let ended = spawn(async {
            let mut numbers = generator(|yielder: Yielder<u32>| async move {
                let _yielder = yielder;
                panic!("at once");
            });
            numbers.next().await
        });
        assert!(matches!(ended.await, Err(JoinError::Panicked(..))));
    });
}

#[test]
fn it_may_yield_from_inside_another_future_with_its_own_waker() {
    run(async {
        let mut numbers = generator(|mut yielder| async move {
            gather([async move {
                yielder.yield_(1).await;
                yielder.yield_(2).await;
            }])
            .await;
        });
        assert_eq!((numbers.next().await, numbers.next().await), (Some(1), Some(2)));
        assert_eq!(numbers.next().await, None);
    });
}

#[test]
fn a_yielder_that_was_given_to_another_task_wakes_the_one_who_asks() {
    run(async {
        let mut numbers = generator(|mut yielder| async move {
            let task = spawn_local(async move {
                for n in 1..=3 {
                    yield_now().await;
                    yielder.yield_(n).await;
                }
            });
            task.await.unwrap();
        });
        let mut got = Vec::new();
        while let Some(n) = numbers.next().await {
            got.push(n);
        }
        assert_eq!(got, [1, 2, 3]);
    });
}

#[test]
fn a_yield_that_is_dropped_takes_its_value_back() {
    run(async {
        let mut numbers = generator(|mut yielder| async move {
            let mut given_up = Box::pin(yielder.yield_(1));
            let pending =
                std::future::poll_fn(|cx| Poll::Ready(given_up.as_mut().poll(cx).is_pending())).await;
            assert!(pending);
            drop(given_up);
            yielder.yield_(2).await;
        });
        assert_eq!(numbers.next().await, Some(2));
    });
}

#[test]
fn a_next_that_is_dropped_loses_nothing() {
    let event = Event::new();
    let mut numbers = generator(|mut yielder| {
        let event = &event;
        async move {
            event.wait().await;
            yielder.yield_(1).await;
        }
    });
    let mut given_up = Box::pin(numbers.next());
    assert!(given_up.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(given_up);
    event.set();
    run(async { assert_eq!(numbers.next().await, Some(1)) });
}
