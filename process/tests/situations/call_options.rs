//! Calls with options: time limits, retries, cancels that kill; and the promise about how often a call is
//! started.

use crate::{
    gate::{Gate, wait_at},
    path::pool,
    sys,
};
use brigade_process::{JoinError, Lost};
use std::{
    fs::OpenOptions,
    io::Write,
    path::PathBuf,
    process,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

const LONG: Duration = Duration::from_secs(600);
const SHORT: Duration = Duration::from_millis(20);

pub(crate) fn a_call_over_its_time_is_killed_alone() {
    let procs = pool(2);
    let gate = Gate::new();
    let other = procs.spawn(wait_at, gate.port());
    let waiting = gate.arrival();
    let endless = procs.call(wait_at, gate.port()).timeout(SHORT).retry(3).spawn();
    let behind: Vec<_> = (0..20).map(|n| procs.spawn(|n: u32| n, n)).collect();
    let _stuck = gate.arrival();
    assert!(matches!(endless.join(), Err(JoinError::Lost(Lost::TimedOut { limit: SHORT }, _))));
    assert!((0..).zip(behind).all(|(n, handle)| handle.join().unwrap() == n));
    assert!(!other.is_finished());
    drop(waiting);
    assert_eq!(other.join().unwrap(), gate.port());
    let told = procs.statistics();
    assert_eq!((told.timed_out, told.deaths), (1, 1));
}

pub(crate) fn a_call_in_time_gives_its_result() {
    let procs = pool(2);
    let handles: Vec<_> = (0..200).map(|n| procs.call(|n: u32| n, n).timeout(LONG).spawn()).collect();
    assert!((0..).zip(handles).all(|(n, handle)| handle.join().unwrap() == n));
    assert_eq!(procs.statistics().deaths, 0);
}

pub(crate) fn a_join_over_its_time_leaves_the_call_alone() {
    let procs = pool(1);
    let gate = Gate::new();
    let handle = procs.spawn(wait_at, gate.port());
    let waiting = gate.arrival();
    let handle = handle.join_timeout(SHORT).expect_err("the gate is shut");
    drop(waiting);
    assert_eq!(handle.join_timeout(LONG).expect("the gate is open").unwrap(), gate.port());
    assert_eq!(procs.statistics().deaths, 0);
}

pub(crate) fn a_time_limit_may_be_for_ever() {
    let procs = pool(1);
    let gate = Gate::new();
    // The caller's thread gives a call to an idle worker; the supervisor gives it to a busy one.
    assert_eq!(procs.call(|n: u32| n, 1).timeout(Duration::MAX).spawn().join().unwrap(), 1);
    let running = procs.spawn(wait_at, gate.port());
    let waiting = gate.arrival();
    let handle = procs.call(|n: u32| n, 2).timeout(Duration::MAX).retry(1).spawn();
    drop(waiting);
    assert_eq!(running.join().unwrap(), gate.port());
    assert_eq!(handle.join().unwrap(), 2);
    assert_eq!(procs.spawn(|n: u32| n, 3).join().unwrap(), 3);
    assert_eq!(procs.statistics().deaths, 0);
    procs.shutdown();
}

pub(crate) fn a_cancel_may_kill() {
    let procs = pool(1);
    let gate = Gate::new();
    let running = procs.call(wait_at, gate.port()).kill_on_cancel().spawn();
    let queued = procs.call(wait_at, gate.port()).kill_on_cancel().spawn();
    let _waiting = gate.arrival();
    let before = procs.worker_ids();
    queued.cancel();
    assert!(matches!(queued.join(), Err(JoinError::Cancelled(_))));
    assert_eq!(procs.worker_ids(), before, "a queued call is removed, and nobody is killed");
    running.cancel();
    assert!(matches!(running.join(), Err(JoinError::Cancelled(_))));
    assert_eq!(procs.spawn(|n: u32| n, 1).join().unwrap(), 1);
    assert_ne!(procs.worker_ids(), before);
}

/// Counts a start in a file, and returns how many there were.
fn starts(path: &PathBuf) -> u64 {
    let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(b".").unwrap();
    file.metadata().unwrap().len()
}

fn counter() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("brigade-starts-{}-{number}", process::id()))
}

fn take_count(path: &PathBuf) -> u64 {
    let count = std::fs::metadata(path).unwrap().len();
    std::fs::remove_file(path).unwrap();
    count
}

/// Kills its worker the first `deaths` times.
fn dies((path, deaths): (PathBuf, u64)) -> u64 {
    let count = starts(&path);
    if count <= deaths {
        sys::kill(process::id());
    }
    count
}

pub(crate) fn without_retry_a_call_is_started_once() {
    let procs = pool(2);
    let path = counter();
    let lost = procs.spawn(dies, (path.clone(), 5)).join();
    assert!(matches!(lost, Err(JoinError::Lost(Lost::Killed { signal: 9 }, _))));
    assert_eq!(take_count(&path), 1);
}

pub(crate) fn with_retry_a_call_is_started_until_it_answers() {
    let procs = pool(2);
    let path = counter();
    assert_eq!(procs.call(dies, (path.clone(), 2)).retry(5).spawn().join().unwrap(), 3);
    assert_eq!(take_count(&path), 3);
}

pub(crate) fn a_call_that_always_kills_is_quarantined() {
    let procs = pool(2);
    let path = counter();
    let deadly = procs.call(dies, (path.clone(), u64::MAX)).retry(2).spawn();
    let others: Vec<_> = (0..100).map(|n| procs.spawn(|n: u32| n, n)).collect();
    let Err(JoinError::Lost(Lost::Quarantined { workers: 3, last }, _)) = deadly.join() else { panic!() };
    assert_eq!(*last, Lost::Killed { signal: 9 });
    assert_eq!(take_count(&path), 3);
    assert!((0..).zip(others).all(|(n, handle)| handle.join().unwrap() == n));
}

pub(crate) fn a_cancelled_call_is_not_tried_again() {
    let procs = pool(2);
    let (path, gate) = (counter(), Gate::new());
    let dies_at = |(path, port): (PathBuf, u16)| {
        starts(&path);
        wait_at(port);
        sys::kill(process::id());
    };
    let running = procs.call(dies_at, (path.clone(), gate.port())).retry(9).spawn();
    let waiting = gate.arrival();
    running.cancel();
    drop(waiting);
    assert!(matches!(running.join(), Err(JoinError::Cancelled(_))));
    assert_eq!(take_count(&path), 1);
    // A call that answers after its cancel has its result.
    let running = procs.call(wait_at, gate.port()).retry(9).spawn();
    let waiting = gate.arrival();
    running.cancel();
    drop(waiting);
    assert_eq!(running.join().unwrap(), gate.port());
}

pub(crate) fn a_panic_is_an_answer_and_not_tried_again() {
    let procs = pool(1);
    let path = counter();
    let panics = |path: PathBuf| {
        starts(&path);
        panic!("no flour")
    };
    let error = procs.call(panics, path.clone()).retry(5).spawn().join().map(|(): ()| ()).unwrap_err();
    assert_eq!(error.panic_message(), Some("no flour"));
    assert_eq!(take_count(&path), 1);
}

pub(crate) fn options_survive_the_pools_end() {
    let procs = pool(1);
    let gate = Gate::new();
    let handles: Vec<_> =
        (0..5).map(|_| procs.call(wait_at, gate.port()).timeout(LONG).retry(3).spawn()).collect();
    let _waiting = gate.arrival();
    drop(procs);
    assert!(handles.into_iter().all(|handle| matches!(handle.join(), Err(JoinError::Cancelled(_)))));
    assert!(sys::has_no_child());
}
