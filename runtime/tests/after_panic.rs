//! Several futures in one task, of which one panics. A caller that catches the panic and goes on does not
//! lose the others.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use crate::common::WakeCount;
use brigade_handle::pair;
use brigade_runtime::{
    JoinError, JoinHandle, JoinSet, Runtime, as_completed, gather, generator, race, run, spawn, sync::Notify,
    task_group, yield_now,
};
use futures_util::{FutureExt, Stream, StreamExt};
use std::{
    future::{Future, pending, poll_fn, ready},
    panic::{AssertUnwindSafe, catch_unwind, panic_any},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
};

type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;

/// A future that is polled once, panics then, and must not be polled again.
fn panics<T: 'static>(text: &'static str) -> Boxed<T> {
    let mut polls = 0;
    Box::pin(poll_fn(move |_| {
        polls += 1;
        assert_eq!(polls, 1, "it was polled after its panic");
        panic_any(text)
    }))
}

/// Ready at its second poll, for which it wakes itself.
fn later<T: Clone + 'static>(value: T) -> Boxed<T> {
    Box::pin(async move {
        yield_now().await;
        value
    })
}

/// The items of a stream to its end, and how often it panicked.
async fn all<S: Stream + Unpin>(mut stream: S) -> (Vec<S::Item>, usize) {
    let (mut items, mut panics) = (Vec::new(), 0);
    loop {
        match AssertUnwindSafe(stream.next()).catch_unwind().await {
            Ok(Some(item)) => items.push(item),
            Ok(None) => return (items, panics),
            Err(_) => panics += 1,
        }
    }
}

#[test]
fn as_completed_gives_the_others_and_ends() {
    run(async {
        let futures = [later(1), panics("a"), later(2), panics("b"), Box::pin(ready(3))];
        let (mut outputs, panics) = all(as_completed(futures)).await;
        outputs.sort();
        assert_eq!((outputs, panics), (vec![(0, 1), (2, 2), (4, 3)], 2));
    });
}

#[test]
fn as_completed_of_nothing_but_panics_ends() {
    run(async { assert_eq!(all(as_completed([panics::<u32>("a"), panics("b")])).await.1, 2) });
}

/// A future that is ready at once, and whose destructor panics.
struct PanicsWhenDropped;

impl Future for PanicsWhenDropped {
    type Output = u32;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<u32> {
        Poll::Ready(0)
    }
}

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic_any("in a destructor")
    }
}

#[test]
fn a_destructor_that_panics_when_its_future_is_ready_loses_no_other_output() {
    let futures = || -> [Boxed<u32>; 2] { [Box::pin(PanicsWhenDropped), later(1)] };
    run(async {
        assert_eq!(all(as_completed(futures())).await, (vec![(1, 1)], 1));
        let mut gathered = gather(futures());
        for _ in 0..2 {
            assert!(AssertUnwindSafe(&mut gathered).catch_unwind().await.is_err());
        }
    });
}

#[test]
fn a_caller_that_catches_a_panic_is_woken_to_go_on() {
    let woken = Arc::new(WakeCount::default());
    let waker = Waker::from(woken.clone());
    let mut stream = as_completed([panics("first"), Box::pin(ready(7))]);
    let mut poll =
        || catch_unwind(AssertUnwindSafe(|| stream.poll_next_unpin(&mut Context::from_waker(&waker))));
    assert!(poll().is_err());
    assert_eq!(woken.times(), 1);
    assert_eq!(poll().unwrap(), Poll::Ready(Some((1, 7))));
    let mut gathered = gather([panics("first"), Box::pin(ready(7))]);
    let mut poll =
        || catch_unwind(AssertUnwindSafe(|| gathered.poll_unpin(&mut Context::from_waker(&waker))));
    assert!(poll().is_err());
    assert_eq!(woken.times(), 2);
}

#[test]
fn gathered_futures_run_to_their_end_and_a_missing_output_is_told() {
    run(async {
        let ended = Arc::new(AtomicUsize::new(0));
        let counted = |count: &Arc<AtomicUsize>| -> Boxed<()> {
            let count = count.clone();
            Box::pin(async move {
                yield_now().await;
                count.fetch_add(1, Ordering::Relaxed);
            })
        };
        let mut gathered = gather([counted(&ended), panics("one"), counted(&ended)]);
        let first = AssertUnwindSafe(&mut gathered).catch_unwind().await.unwrap_err();
        assert_eq!(first.downcast_ref(), Some(&"one"));
        let second = AssertUnwindSafe(&mut gathered).catch_unwind().await.unwrap_err();
        assert!(second.downcast_ref::<&str>().unwrap().contains("a future of a `gather` has panicked"));
        assert_eq!(ended.load(Ordering::Relaxed), 2);
    });
}

#[test]
fn a_set_that_was_given_a_used_up_handle_gives_the_others() {
    run(async {
        let used_up = {
            let (completer, mut handle) = pair();
            completer.complete(Ok(0));
            assert_eq!((&mut handle).await.unwrap(), 0);
            handle
        };
        let mut set: JoinSet<_> = [spawn(ready(1)), used_up, spawn(ready(2))].into_iter().collect();
        let (results, panics) = all(&mut set).await;
        let mut results: Vec<_> = results.into_iter().map(Result::unwrap).collect();
        results.sort();
        assert_eq!((results, panics, set.len()), (vec![1, 2], 1, 0));
        set.spawn(ready(3));
        assert_eq!(set.join_next().await.unwrap().unwrap(), 3);
    });
}

#[test]
fn a_place_that_a_panic_has_left_is_used_again() {
    run(async {
        let mut set = JoinSet::new();
        for n in 0..100 {
            let (completer, mut handle) = pair();
            completer.complete(Ok(n));
            assert_eq!((&mut handle).await.unwrap(), n);
            set.insert(handle);
            assert!(AssertUnwindSafe(set.join_next()).catch_unwind().await.is_err());
            set.insert(spawn(ready(n)));
            assert_eq!(set.join_next().await.unwrap().unwrap(), n);
        }
        assert!(set.is_empty());
    });
}

/// Panics when it is dropped, also while its thread panics.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic_any("bomb");
    }
}

/// Panics when it is polled, and when it is dropped.
struct Worst(#[allow(dead_code)] Bomb);

impl Future for Worst {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        panic_any("polled")
    }
}

fn is_polled(result: thread::Result<()>) -> bool {
    result.is_err_and(|payload| payload.downcast_ref() == Some(&"polled"))
}

#[test]
fn a_destructor_that_panics_after_the_panic_ends_nothing() {
    run(async {
        let mut stream = as_completed([Worst(Bomb)]);
        assert!(is_polled(AssertUnwindSafe(stream.next().map(drop)).catch_unwind().await));
        assert_eq!(stream.next().await, None);
        let mut gathered = gather([Worst(Bomb)]);
        assert!(is_polled(AssertUnwindSafe((&mut gathered).map(drop)).catch_unwind().await));
        let mut numbers = generator(|_: brigade_runtime::Yielder<u32>| Worst(Bomb));
        assert!(is_polled(AssertUnwindSafe(numbers.next().map(drop)).catch_unwind().await));
        assert_eq!(numbers.next().await, None);
    });
}

#[test]
fn the_value_of_a_body_may_panic_when_a_task_of_the_group_has() {
    run(async {
        let group = task_group(async |group| {
            drop(group.spawn(async {
                yield_now().await;
                panic_any("polled");
            }));
            Bomb
        });
        assert!(is_polled(AssertUnwindSafe(group.map(std::mem::forget)).catch_unwind().await));
    });
}

#[test]
fn a_set_that_is_shut_down_drops_whatever_its_tasks_gave() {
    run(async {
        let mut set = JoinSet::new();
        for _ in 0..3 {
            set.spawn(async { Bomb });
        }
        yield_now().await;
        set.shutdown().await;
        assert!(set.is_empty());
    });
}

#[test]
fn futures_raced_by_reference_go_on_after_the_panic_of_one() {
    run(async {
        let (mut slow, mut bad) = (later(7), panics("lost"));
        assert!(AssertUnwindSafe(race([&mut slow, &mut bad])).catch_unwind().await.is_err());
        assert_eq!(slow.await, 7);
    });
}

#[test]
fn a_waker_of_the_caller_that_panics_loses_nobody() {
    /// Panics at its first wake-up only.
    struct Fragile(AtomicUsize);
    impl Wake for Fragile {
        fn wake(self: Arc<Self>) {
            assert_ne!(self.0.fetch_add(1, Ordering::Relaxed), 0, "the first wake-up");
        }
    }
    let (one, other) = (Notify::new(), Notify::new());
    let mut stream = as_completed([one.notified(), other.notified()]);
    let waker = Waker::from(Arc::new(Fragile(AtomicUsize::new(0))));
    let mut poll = || {
        stream.poll_next_unpin(&mut Context::from_waker(&waker)).map(|item| item.map(|(number, ())| number))
    };
    assert_eq!(poll(), Poll::Pending);
    one.notify_one();
    other.notify_one();
    assert_eq!([poll(), poll(), poll()], [Poll::Ready(Some(0)), Poll::Ready(Some(1)), Poll::Ready(None)]);
}

#[test]
fn a_waker_whose_destructor_panics_ends_no_worker() {
    /// Drops the handle of the task that wakes it, so that the task's runner holds the last reference to the
    /// task, and with it this waker.
    struct Last(Mutex<Option<JoinHandle<()>>>, #[allow(dead_code)] Option<Bomb>);
    impl Wake for Last {
        fn wake(self: Arc<Self>) {
            drop(self.0.lock().unwrap().take());
        }
    }
    for runtime in [Runtime::current_thread().unwrap(), Runtime::multi_thread(1).unwrap()] {
        let go = Arc::new(Notify::new());
        let theirs = go.clone();
        let mut handle = runtime.spawn(async move { theirs.notified().await });
        let last = Arc::new(Last(Mutex::new(None), Some(Bomb)));
        let waker = Waker::from(last.clone());
        assert!(pin!(&mut handle).poll(&mut Context::from_waker(&waker)).is_pending());
        *last.0.lock().unwrap() = Some(handle);
        drop((last, waker));
        go.notify_one();
        // The one worker runs the next task.
        assert_eq!(runtime.block_on(spawn_and_join(&runtime)), 7);
        runtime.shutdown();
    }
}

fn spawn_and_join(runtime: &Runtime) -> impl Future<Output = u32> + use<> {
    let task = runtime.spawn(async {
        yield_now().await;
        7
    });
    async move { task.await.unwrap() }
}

#[test]
fn a_group_whose_task_panics_ends_its_other_tasks() {
    run(async {
        let mut others = Vec::new();
        let group = task_group(async |group| {
            others.push(group.spawn(pending::<()>()));
            drop(group.spawn(async { panic_any("polled") }));
            pending().await
        });
        assert!(is_polled(AssertUnwindSafe(group).catch_unwind().await));
        assert!(matches!(others.remove(0).await, Err(JoinError::Cancelled(_))));
    });
}
