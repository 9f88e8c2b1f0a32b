//! The operating system refuses a spare thread. The limit applies to the whole process, so this is the
//! only test in its file.
#![cfg(all(target_os = "linux", not(loom)))]
// A test fails by panicking, also in the functions that it calls.
#![allow(clippy::unwrap_used)]

use brigade_pool::{Pool, blocking};
use std::{fs, process::Command, sync::mpsc};

/// Returns how many bytes this process has mapped.
fn mapped_bytes() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').next().unwrap().parse::<u64>().unwrap() * 4096
}

fn limit_memory(bytes: &str) {
    let pid = std::process::id().to_string();
    let done = Command::new("prlimit").args(["--pid", &pid, &format!("--as={bytes}:")]).status().unwrap();
    assert!(done.success());
}

#[test]
fn work_waits_for_the_worker_that_is_blocked_and_nothing_is_lost() {
    let pool = Pool::builder().threads(1).stack_size(1 << 30).build().unwrap();
    let (let_go, gone) = mpsc::channel::<()>();
    let (tell, told) = mpsc::channel();
    let first = pool.spawn(move || {
        tell.send(()).unwrap();
        blocking(|| gone.recv().unwrap());
        1
    });
    told.recv().unwrap();
    // This is enough for anything but a stack of one gigabyte.
    limit_memory(&(mapped_bytes() + (1 << 29)).to_string());
    let second = pool.spawn(|| 2);
    // A thread is counted until it is refused. A thread that was started would run the job before it
    // ends.
    while pool.stats().threads > 1 {
        std::thread::yield_now();
    }
    assert!(!second.is_finished(), "no thread was to be had");
    let_go.send(()).unwrap();
    assert_eq!((first.join().unwrap(), second.join().unwrap()), (1, 2));
    // A spare thread is requested while the worker is blocked, and refused when the worker goes on.
    for _ in 0..2000 {
        let jobs: Vec<_> = (0..10).map(|number| pool.spawn_blocking(move || number)).collect();
        assert!(jobs.into_iter().map(|job| job.join().unwrap()).eq(0..10));
    }
    limit_memory("unlimited");
    // Once there is room, a spare thread is started again.
    let (let_go, gone) = mpsc::channel::<()>();
    let waits = pool.spawn(move || blocking(|| gone.recv().unwrap()));
    pool.spawn(move || let_go.send(()).unwrap()).join().unwrap();
    waits.join().unwrap();
    pool.shutdown();
}
