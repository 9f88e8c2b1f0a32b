//! Each setting of a builder takes effect.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use brigade_runtime::{Runtime, gather, spawn_blocking};
use std::{
    hint::black_box,
    io::ErrorKind,
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

#[test]
fn workers_have_their_name_and_their_number() {
    let runtime = Runtime::builder().workers(3).name("oven").build().unwrap();
    let name = runtime.spawn(async { thread::current().name().unwrap().to_owned() }).join().unwrap();
    assert!(["oven-0", "oven-1", "oven-2"].contains(&name.as_str()), "a worker is called {name}");
    assert_eq!(format!("{runtime:?}"), "Runtime(\"3 workers\")");
}

#[test]
fn a_stack_is_as_large_as_it_was_asked_for() {
    // More than a thread has that nobody asked for.
    let runtime = Runtime::builder().workers(1).stack_size(16 << 20).build().unwrap();
    let task = runtime.spawn(async {
        let large = black_box([1u8; 3 << 20]);
        large.iter().map(|&byte| usize::from(byte)).sum::<usize>()
    });
    assert_eq!(task.join().unwrap(), 3 << 20);
}

#[test]
fn no_workers_means_the_thread_that_calls() {
    let runtime = Runtime::builder().workers(0).build().unwrap();
    let here = thread::current().id();
    let there = runtime.block_on(async { brigade_runtime::spawn(async { thread::current().id() }).await });
    assert_eq!(there.unwrap(), here);
}

#[test]
fn as_many_blocking_calls_are_under_way_as_were_allowed() {
    let runtime = Runtime::builder().current_thread().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let (begun, begins) = mpsc::channel();
        let (tell, told) = mpsc::channel::<()>();
        // Ends when the sender is dropped.
        let first = spawn_blocking(move || {
            begun.send(()).unwrap();
            told.recv().is_err()
        });
        begins.recv().unwrap();
        let second = spawn_blocking(|| ());
        second.cancel();
        assert!(second.await.is_err(), "it was queued, so it could be cancelled");
        drop(tell);
        assert!(first.await.unwrap());
    });
    let runtime = Runtime::builder().workers(1).max_blocking_threads(5).build().unwrap();
    runtime.block_on(async {
        // None of them ends before all have begun.
        let all = Arc::new(Barrier::new(5));
        let calls = (0..5).map(|_| {
            let all = all.clone();
            spawn_blocking(move || all.wait().is_leader())
        });
        let leaders = gather(calls.collect::<Vec<_>>()).await.into_iter().map(Result::unwrap);
        assert_eq!(leaders.filter(|&is_leader| is_leader).count(), 1);
    });
    for refused in [0, 32_001] {
        let error = Runtime::builder().max_blocking_threads(refused).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
}

#[test]
fn a_shutdown_makes_the_blocking_calls_that_are_queued() {
    for workers in [0, 2] {
        let runtime = Runtime::builder().workers(workers).max_blocking_threads(1).build().unwrap();
        let made = Arc::new(AtomicUsize::new(0));
        runtime.block_on(async {
            for _ in 0..200 {
                let made = made.clone();
                drop(spawn_blocking(move || made.fetch_add(1, Ordering::Relaxed)));
            }
        });
        runtime.shutdown();
        assert_eq!(made.load(Ordering::Relaxed), 200, "with {workers} workers");
    }
}

#[test]
fn a_request_that_no_machine_can_meet_is_an_error() {
    for builder in [Runtime::builder().workers(usize::MAX), Runtime::builder().workers(1).name("o\0ven")] {
        assert_eq!(builder.build().unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}
