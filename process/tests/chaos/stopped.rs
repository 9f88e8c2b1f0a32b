//! A worker that is stopped, by SIGSTOP or a debugger, and may go on some day: the pool lets it, and gives
//! its other calls to other workers. The call that it runs waits until it goes on, or until the call's time
//! is over and the worker is killed.

use crate::{
    path::pool,
    sys::{self, Signal},
};
use brigade_process::{JoinError, JoinHandle};
use std::{fs, thread, time::Duration};

/// Stops a worker, and waits until it has stopped.
fn stop(pid: u32) {
    sys::send(pid, Signal::Stop);
    while !fs::read_to_string(format!("/proc/{pid}/stat")).unwrap().contains(") T ") {
        thread::yield_now();
    }
}

pub(crate) fn a_stopped_worker_hinders_one_call_at_most() {
    let procs = pool(2);
    assert!(procs.map(|n: u32| n, 0..100).into_iter().all(|result| result.is_ok()));
    let stopped = procs.worker_ids()[0];
    stop(stopped);
    let handles: Vec<_> = (0..200).map(|n| procs.spawn(|n: u32| n, n)).collect();
    while handles.iter().filter(|handle| handle.is_finished()).count() < 199 {
        thread::yield_now();
    }
    sys::send(stopped, Signal::Continue);
    assert!((0..200).zip(handles).all(|(n, handle)| handle.join().unwrap() == n));
    assert_eq!(procs.statistics().deaths, 0);
    procs.shutdown();
}

pub(crate) fn a_call_that_a_stopped_worker_has_not_begun_goes_to_another_when_its_time_is_over() {
    let procs = pool(1);
    procs.spawn(|n: u32| n, 1).join().unwrap();
    let stopped = procs.worker_ids()[0];
    stop(stopped);
    let limit = Duration::from_millis(20);
    let handle = procs.call(|n: u32| n, 1).timeout(limit).spawn();
    assert_eq!(handle.join().unwrap(), 1);
    assert!(!procs.worker_ids().contains(&stopped));
    assert_eq!(procs.statistics().deaths, 1);
    procs.shutdown();
}

pub(crate) fn a_pool_with_a_stopped_worker_can_be_dropped() {
    let procs = pool(2);
    procs.spawn(|n: u32| n, 1).join().unwrap();
    procs.worker_ids().into_iter().for_each(stop);
    let handles: Vec<JoinHandle<u32>> = (0..20).map(|n| procs.spawn(|n: u32| n, n)).collect();
    drop(procs);
    assert!(sys::has_no_child());
    assert!(handles.into_iter().all(|handle| matches!(handle.join(), Err(JoinError::Cancelled(_)))));
}
