//! Scopes: tasks that borrow.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use crate::common::runtimes;
use brigade_runtime::{sleep, yield_now};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

#[test]
fn tasks_borrow_and_spawn_more() {
    for runtime in runtimes() {
        let count = AtomicUsize::new(0);
        let answer = runtime.scope(|scope| {
            for _ in 0..100 {
                scope.spawn(async {
                    yield_now().await;
                    scope.spawn(async {
                        sleep(Duration::from_millis(1)).await;
                        count.fetch_add(1, Ordering::SeqCst);
                    });
                    count.fetch_add(1, Ordering::SeqCst);
                });
            }
            7
        });
        assert_eq!((answer, count.into_inner()), (7, 200));
    }
}

#[test]
fn a_panic_goes_on_after_all_tasks_have_ended() {
    for runtime in runtimes() {
        let count = AtomicUsize::new(0);
        let result = catch_unwind(AssertUnwindSafe(|| {
            runtime.scope(|scope| {
                scope.spawn(async { panic!("child") });
                scope.spawn(async {
                    sleep(Duration::from_millis(3)).await;
                    count.fetch_add(1, Ordering::SeqCst);
                });
            });
        }));
        assert_eq!(result.unwrap_err().downcast_ref(), Some(&"child"));
        assert_eq!(count.load(Ordering::SeqCst), 1);
        let result = catch_unwind(AssertUnwindSafe(|| {
            runtime.scope(|scope| {
                scope.spawn(async {
                    yield_now().await;
                    count.fetch_add(1, Ordering::SeqCst);
                });
                panic!("body");
            });
        }));
        assert_eq!(result.unwrap_err().downcast_ref(), Some(&"body"));
        assert_eq!(count.load(Ordering::SeqCst), 2);
    }
}
