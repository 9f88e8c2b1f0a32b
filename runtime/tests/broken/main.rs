//! A program that closes descriptors which are none of its own breaks a runtime: it ends then, and says
//! why, instead of waiting for ever.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]
#![cfg(target_os = "linux")]

// Unsafe: system calls.
#[allow(unsafe_code)]
mod sys;

use brigade_handle::Lost;
use brigade_runtime::{
    JoinError, JoinHandle, Runtime, run, sleep, spawn, spawn_blocking, spawn_local, yield_now,
};
use std::{
    cell::Cell,
    fmt::Debug,
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    time::Duration,
};

fn says_why<T: Debug>(handle: JoinHandle<T>) {
    match handle.join() {
        Err(JoinError::Lost(Lost::Executor(why), _)) => assert!(why.contains("descriptor"), "{why}"),
        other => panic!("{other:?}"),
    }
}

/// Not two tests, which would break each other's reactors.
#[test]
fn a_runtime_whose_reactor_is_broken_ends_and_says_why() {
    for workers in 1..=3 {
        workers_end_all_tasks(workers);
    }
    the_driving_thread_panics();
}

fn workers_end_all_tasks(workers: usize) {
    let runtime = Runtime::multi_thread(workers).unwrap();
    let waits: Vec<_> = (0..10).map(|_| runtime.spawn(pending::<()>())).collect();
    let sleeps = runtime.spawn(async { sleep(Duration::from_secs(1000)).await });
    runtime.block_on(async {
        spawn(yield_now()).await.unwrap();
        spawn_blocking(|| ()).await.unwrap();
    });
    assert_ne!(sys::break_all_reactors().unwrap(), 0);
    // A thread that sleeps in the reactor wakes up, and finds it broken when it falls asleep again.
    let tries = runtime.spawn(async {
        loop {
            sleep(Duration::from_millis(1)).await;
        }
    });
    says_why::<()>(tries);
    waits.into_iter().for_each(says_why);
    says_why(sleeps);
    says_why(runtime.spawn(async { 7 }));
    runtime.shutdown();
}

fn the_driving_thread_panics() {
    let dropped = Rc::new(Cell::new(false));
    struct Told(Rc<Cell<bool>>);
    impl Drop for Told {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    let told = Told(dropped.clone());
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        run(async {
            drop(spawn(pending::<()>()));
            drop(spawn_local(async move {
                let _told = told;
                pending::<()>().await;
            }));
            yield_now().await;
            sys::break_all_reactors().unwrap();
            sleep(Duration::from_secs(1000)).await;
        });
    }));
    let text = panicked.unwrap_err();
    assert!(text.downcast_ref::<String>().unwrap().contains("descriptor"));
    assert!(dropped.get());
}
