//! Refused spare threads are retried, although no one brings more work. The limit applies to the whole
//! process, so this is the only test in its file.
#![cfg(all(target_os = "linux", not(loom)))]
// A test fails by panicking, also in the functions that it calls.
#![allow(clippy::unwrap_used)]

use brigade_pool::{JoinHandle, Pool, blocking};
use std::{
    fs,
    process::Command,
    sync::{Arc, Barrier, mpsc},
};

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

/// Blocks all workers, then spawns as many jobs, which need a thread each at the same time and let the
/// workers go on. The system refuses the threads at first.
fn refuse_and_allow(threads: usize, is_helping: bool) {
    // The stacks have one gigabyte, so that there may be memory for anything else.
    let pool = Pool::builder().threads(threads).stack_size(1 << 30).build().unwrap();
    let blocked: Vec<(mpsc::Sender<()>, JoinHandle<()>)> = (0..threads)
        .map(|_| {
            let (go, gate) = mpsc::channel();
            let (tell, begun) = mpsc::channel();
            let other = is_helping.then(brigade_handle::pair::<()>);
            let (completer, handle) = other.unzip();
            let job = pool.spawn(move || {
                tell.send(()).unwrap();
                match handle {
                    Some(handle) => handle.join().unwrap(),
                    None => blocking(|| gate.recv().unwrap()),
                }
            });
            begun.recv().unwrap();
            let (go_on, told) = mpsc::channel();
            std::thread::spawn(move || {
                told.recv().unwrap();
                completer.map(|completer| completer.complete(Ok(())));
                _ = go.send(());
            });
            (go_on, job)
        })
        .collect();
    limit_memory(&(mapped_bytes() + (1 << 29)).to_string());
    let barrier = Arc::new(Barrier::new(threads));
    let jobs: Vec<_> = blocked
        .into_iter()
        .map(|(go, job)| {
            let barrier = barrier.clone();
            let lets_go = pool.spawn(move || {
                barrier.wait();
                go.send(()).unwrap();
            });
            (lets_go, job)
        })
        .collect();
    assert!(jobs.iter().all(|(lets_go, job)| !lets_go.is_finished() && !job.is_finished()));
    limit_memory("unlimited");
    for (lets_go, job) in jobs {
        lets_go.join().unwrap();
        job.join().unwrap();
    }
    pool.shutdown();
}

#[test]
fn refused_threads_are_tried_again_though_no_work_comes() {
    for threads in [1, 2] {
        refuse_and_allow(threads, false);
        refuse_and_allow(threads, true);
    }
}
