//! Calls with bad manners, which harm no other call, and the few things that a worker inherits.

use crate::{
    path::{Path, pool},
    sys,
};
use brigade_process::ProcessPool;
use std::{fs, io::Read, path::PathBuf};

fn alive_and_well(procs: &ProcessPool) {
    assert!((0..20).zip(procs.map(|n: u32| n, 0..20)).all(|(n, result)| result.unwrap() == n));
}

pub(crate) fn a_call_that_prints_disturbs_nothing() {
    let procs = pool(2);
    let chatty = |n: u32| {
        print!("{}", "x".repeat(n as usize % 3));
        eprint!("{}", "y".repeat(n as usize % 2));
        n
    };
    assert!((0..100).zip(procs.map(chatty, 0..100)).all(|(n, result)| result.unwrap() == n));
}

pub(crate) fn stdin_is_empty() {
    let procs = pool(1);
    let read = |(): ()| std::io::stdin().read_to_end(&mut Vec::new()).map_err(|error| error.to_string());
    assert_eq!(procs.spawn(read, ()).join().unwrap(), Ok(0));
}

pub(crate) fn a_call_that_forks_answers_once() {
    let procs = pool(1);
    let forks = |n: u32| {
        sys::fork();
        n
    };
    assert!((0..20).zip(procs.map(forks, 0..20)).all(|(n, result)| result.unwrap() == n));
    alive_and_well(&procs);
}

pub(crate) fn a_call_that_changes_directory_stays_alone() {
    let here = std::env::current_dir().unwrap();
    let procs = pool(2);
    let go = |to: PathBuf| std::env::set_current_dir(to).is_ok();
    assert!(procs.spawn(go, PathBuf::from("/")).join().unwrap());
    assert_eq!(std::env::current_dir().unwrap(), here);
    alive_and_well(&procs);
}

pub(crate) fn a_leaked_grandchild_harms_nobody() {
    let procs = pool(1);
    let before = procs.worker_ids()[0];
    let grandchild = procs.spawn(|(): ()| sys::leak_a_grandchild(), ()).join().unwrap();
    sys::kill(before);
    // The grandchild holds a copy of the channel, and still the pool sees the end of the worker.
    alive_and_well(&procs);
    procs.shutdown();
    assert!(sys::is_alive(grandchild as u32));
    sys::kill(grandchild as u32);
}

fn descriptors() -> Vec<(String, String)> {
    let entries = fs::read_dir("/proc/self/fd").unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<_> = entries
        .filter_map(|path| Some((path.clone(), fs::read_link(&path).ok()?)))
        .map(|(path, to)| (path.file_name().unwrap().to_string_lossy().into(), to.to_string_lossy().into()))
        // Leaves out the folder that is read, and the process that the watcher watches once it has begun.
        .filter(|(_, to): &(String, String)| !to.contains("/fd") && !to.contains("pidfd"))
        .collect();
    all.sort();
    all
}

pub(crate) fn a_worker_has_no_descriptors_but_its_own() {
    // Some descriptors that are not closed on exec, below and above those that a worker uses.
    let _open: Vec<_> = (0..50).map(|_| sys::leaky_descriptor()).collect();
    let procs = pool(2);
    for _ in 0..10 {
        let found = procs.spawn(|(): ()| descriptors(), ()).join().unwrap();
        let numbers: Vec<_> = found.iter().map(|(number, _)| number.as_str()).collect();
        let expected = match Path::now() {
            Path::Ring => &WORKER_DESCRIPTORS[..],
            Path::Socket => &WORKER_DESCRIPTORS[..5],
        };
        assert_eq!(numbers, expected, "{found:?}");
        assert_eq!(found[0].1, "/dev/null");
    }
}

/// stdin, stdout, stderr, the channel, the leash, and with a ring the bell of the pool.
const WORKER_DESCRIPTORS: [&str; 6] = ["0", "1", "2", "3", "4", "5"];

pub(crate) fn a_worker_does_not_show_its_descent() {
    let procs = pool(1);
    let variable = |(): ()| std::env::var("BRIGADE_WORKER").ok();
    assert_eq!(procs.spawn(variable, ()).join().unwrap(), None);
}

pub(crate) fn ignored_signals_are_not_inherited() {
    sys::ignore_a_signal();
    let procs = pool(1);
    let ignored = |(): ()| {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
        u64::from_str_radix(mask.trim(), 16).unwrap()
    };
    // Signals 32 and 33 are the C library's own, and it refuses to reset them. If an ancestor that went
    // round the library has changed them, they stay so.
    let reserved = 1 << 31 | 1 << 32;
    // Every Rust program ignores SIGPIPE (13) from its start.
    assert_eq!(procs.spawn(ignored, ()).join().unwrap() & !reserved, 1 << 12);
}
