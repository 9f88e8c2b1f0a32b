//! Panics whose payload panics when it is dropped, with a payload that does so as well: they end what
//! panicked, and nothing else.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use crate::common::runtimes;
use brigade_runtime::{
    JoinHandle, Runtime, sleep, spawn, spawn_blocking, sync::Notify, task_group, yield_now,
};
use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind, panic_any},
    pin::pin,
    sync::{Arc, mpsc},
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

/// Panics with another one when it is dropped, so many times.
struct Bomb(u32);

impl Drop for Bomb {
    fn drop(&mut self) {
        if self.0 > 0 && !std::thread::panicking() {
            panic_any(Bomb(self.0 - 1));
        }
    }
}

fn explode() {
    panic_any(Bomb(3));
}

/// Panics when it is called.
struct BadWaker;

impl Wake for BadWaker {
    fn wake(self: Arc<Self>) {
        explode();
    }
}

/// Returns whether `call` panicked. Does not drop the payload of the panic, because that would panic again.
fn exploded(call: impl FnOnce()) -> bool {
    let result = catch_unwind(AssertUnwindSafe(call));
    let is_err = result.is_err();
    std::mem::forget(result);
    is_err
}

async fn finished<T>(handle: &JoinHandle<T>) {
    while !handle.is_finished() {
        yield_now().await;
    }
}

/// All of its workers run tasks still, and it ends.
fn is_well(runtime: Runtime) {
    let tasks: Vec<_> = (0..10).map(|n| runtime.spawn(async move { n })).collect();
    runtime.block_on(async {
        for (n, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.await.unwrap(), n);
        }
    });
    runtime.shutdown();
}

#[test]
fn a_task_ends_whether_or_not_its_handle_is_dropped_before() {
    for runtime in runtimes() {
        let (sender, receiver) = mpsc::channel::<()>();
        drop(runtime.spawn(async move {
            let _sender = sender;
            yield_now().await;
            explode();
        }));
        let unseen = runtime.spawn(async { explode() });
        runtime.block_on(async {
            finished(&unseen).await;
            drop(unseen);
            assert_eq!(spawn(async { 7 }).await.unwrap(), 7);
        });
        is_well(runtime);
        assert!(receiver.recv().is_err(), "the first task is gone");
    }
}

#[test]
fn a_result_that_nobody_sees_may_explode() {
    for runtime in runtimes() {
        drop(runtime.spawn(async { Bomb(3) }));
        runtime.block_on(async {
            let unseen = spawn(async { Bomb(3) });
            finished(&unseen).await;
            drop(unseen);
            // The output is there, and then the future's destructor panics.
            let both = spawn(async {
                let mut bomb = Some(Bomb(2));
                poll_fn(move |_| {
                    let _stays = &bomb;
                    Poll::Ready(Bomb(bomb.as_mut().map_or(0, |bomb| bomb.0)))
                })
                .await
            });
            finished(&both).await;
            drop(both);
        });
        is_well(runtime);
    }
}

#[test]
fn wakers_may_explode() {
    for runtime in runtimes() {
        let notify = Notify::new();
        let waker = Waker::from(Arc::new(BadWaker));
        let mut context = Context::from_waker(&waker);
        runtime.block_on(async {
            let (mut one, mut other) = (pin!(notify.notified()), pin!(notify.notified()));
            assert!(one.as_mut().poll(&mut context).is_pending());
            assert!(other.as_mut().poll(&mut context).is_pending());
            notify.notify_one();
            notify.notify_waiters();
            let mut bad = pin!(sleep(Duration::from_millis(1)));
            assert!(bad.as_mut().poll(&mut context).is_pending());
            sleep(Duration::from_millis(2)).await;
            let mut handle = pin!(spawn(async {}));
            let _ = handle.as_mut().poll(&mut context);
            finished(&handle).await;
        });
        is_well(runtime);
    }
}

#[test]
fn of_several_panics_of_a_group_or_a_scope_the_first_goes_on() {
    for runtime in runtimes() {
        assert!(exploded(|| {
            runtime.block_on(task_group(async |group| {
                for _ in 0..3 {
                    drop(group.spawn(async { explode() }));
                }
            }));
        }));
        assert!(exploded(|| {
            runtime.scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(async { explode() });
                }
                Bomb(3)
            });
        }));
        assert!(exploded(|| {
            runtime.scope(|scope| {
                scope.spawn(async { explode() });
                explode();
            });
        }));
        is_well(runtime);
    }
}

#[test]
fn a_blocking_call_may_explode() {
    for runtime in [Runtime::current_thread().unwrap(), Runtime::builder().paused_clock().build().unwrap()] {
        runtime.block_on(async {
            drop(spawn_blocking(explode));
            let unseen = spawn_blocking(explode);
            finished(&unseen).await;
            drop(unseen);
            assert_eq!(spawn_blocking(|| 7).await.unwrap(), 7);
        });
        is_well(runtime);
    }
}
