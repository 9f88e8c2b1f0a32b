//! What a builder is told is so.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use brigade_runtime::Runtime;
use std::{hint::black_box, thread};

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
