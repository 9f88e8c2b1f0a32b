//! How calls are cancelled, how pools end, and pools that never begin.

use crate::{
    gate::{Gate, wait_at},
    path::{launcher, pool},
    sys,
};
use brigade_process::{Command, JoinError, JoinHandle, Launched, Launcher, Lost, ProcessPool};
use std::{
    fs, io,
    pin::Pin,
    sync::{Arc, Mutex, mpsc},
    task::{Wake, Waker},
};

pub(crate) fn a_queued_call_can_be_cancelled() {
    let procs = pool(1);
    let gate = Gate::new();
    let first = procs.spawn(wait_at, gate.port());
    let waiting = gate.arrival();
    let queued = procs.spawn(|n: u32| n, 1);
    let last = procs.spawn(|n: u32| n, 2);
    queued.cancel();
    first.cancel();
    drop(waiting);
    assert!(matches!(queued.join(), Err(JoinError::Cancelled(_))));
    assert_eq!(first.join().unwrap(), gate.port(), "a call that runs goes on");
    assert_eq!(last.join().unwrap(), 2);
}

pub(crate) fn a_shutdown_drains_what_is_queued() {
    let procs = pool(2);
    let handles: Vec<_> = (0..500).map(|n| procs.spawn(|n: u32| n + 1, n)).collect();
    procs.shutdown();
    for (n, handle) in (0..).zip(handles) {
        assert!(handle.is_finished());
        assert_eq!(handle.join().unwrap(), n + 1);
    }
    assert!(sys::has_no_child());
}

pub(crate) fn a_drop_cancels_what_is_queued_and_kills_what_runs() {
    let procs = pool(1);
    let gate = Gate::new();
    let running = procs.spawn(wait_at, gate.port());
    let _waiting = gate.arrival();
    let queued: Vec<_> = (0..100).map(|n| procs.spawn(|n: u32| n, n)).collect();
    drop(procs);
    assert!(sys::has_no_child());
    assert!(running.is_finished());
    assert!(matches!(running.join(), Err(JoinError::Cancelled(_))));
    assert!(queued.into_iter().all(|handle| matches!(handle.join(), Err(JoinError::Cancelled(_)))));
}

pub(crate) fn a_shutdown_meets_calls_that_were_cancelled() {
    for _ in 0..20 {
        let procs = pool(1);
        let first = procs.spawn(|n: u32| n, 1);
        let others: Vec<_> = (0..3).map(|n| procs.spawn(|n: u32| n, n)).collect();
        others.iter().for_each(JoinHandle::cancel);
        procs.shutdown();
        assert_eq!(first.join().unwrap(), 1);
        for (n, handle) in (0..).zip(others) {
            let result = handle.join();
            assert!(matches!(&result, Err(JoinError::Cancelled(_))) || result.unwrap() == n);
        }
    }
}

pub(crate) fn a_shutdown_meets_a_joiner_on_another_thread() {
    for _ in 0..20 {
        let procs = pool(1);
        procs.spawn(|n: u32| n, 0).join().unwrap();
        let handle = procs.spawn(|n: u32| n, 1);
        let joiner = std::thread::spawn(|| handle.join().unwrap());
        procs.shutdown();
        assert_eq!(joiner.join().unwrap(), 1);
    }
}

pub(crate) fn a_shutdown_meets_a_large_result() {
    for _ in 0..10 {
        let procs = pool(1);
        let handle = procs.spawn(|n: usize| vec![7_u8; n], 1 << 20);
        procs.shutdown();
        assert_eq!(handle.join().unwrap().len(), 1 << 20);
    }
}

/// Waits until there are as many descriptors and threads as before. Linux still lists a thread for a moment
/// when `join` has returned.
fn wait_for(before: (usize, usize)) {
    while descriptors_and_threads() != before {
        std::thread::yield_now();
    }
}

fn descriptors_and_threads() -> (usize, usize) {
    let count = |folder| fs::read_dir(folder).unwrap().count();
    (count("/proc/self/fd"), count("/proc/self/task"))
}

pub(crate) fn a_pool_leaves_nothing_behind() {
    let before = descriptors_and_threads();
    for round in 0..20 {
        let procs = pool(3);
        let handles: Vec<_> = (0..30).map(|n| procs.spawn(|n: u32| n, n)).collect();
        match round % 2 {
            0 => procs.shutdown(),
            _ => drop(procs),
        }
        assert!(handles.iter().all(JoinHandle::is_finished));
    }
    assert!(sys::has_no_child());
    wait_for(before);
}

/// Drops a pool when it is woken, and then reports.
struct DropsPool(Mutex<Option<ProcessPool>>, mpsc::Sender<()>);

impl Wake for DropsPool {
    fn wake(self: Arc<Self>) {
        let procs = self.0.lock().unwrap().take();
        drop(procs);
        let _ = self.1.send(());
    }
}

pub(crate) fn a_pool_may_be_dropped_by_a_waker() {
    let before = descriptors_and_threads();
    let procs = pool(1);
    let gate = Gate::new();
    let mut handle = procs.spawn(wait_at, gate.port());
    let waiting = gate.arrival();
    let (told, heard) = mpsc::channel();
    let waker = Waker::from(Arc::new(DropsPool(Mutex::new(Some(procs)), told)));
    assert!(Pin::new(&mut handle).poll_join(&waker).is_pending());
    drop(waiting);
    heard.recv().unwrap();
    assert_eq!(handle.join().unwrap(), gate.port());
    drop(gate);
    // The supervisor ends by itself; the next test must not meet its thread.
    wait_for(before);
}

/// Starts another program in the worker's place.
struct Instead(&'static str);

impl Launcher for Instead {
    fn start(&mut self, command: &Command) -> io::Result<Box<dyn Launched>> {
        let mut command = command.clone();
        command.argv = vec![self.0.into()];
        launcher().start(&command)
    }
}

pub(crate) fn workers_that_cannot_start_are_an_error() {
    let before = descriptors_and_threads();
    let error = ProcessPool::builder().workers(2).launcher(Instead("/no/such/program")).build().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert!(error.to_string().contains("exec"), "{error}");
    assert!(sys::has_no_child());
    wait_for(before);
}

pub(crate) fn workers_that_always_die_at_start_fail_the_calls() {
    for program in ["/bin/false", "/bin/pwd"] {
        let procs = ProcessPool::builder().workers(2).launcher(Instead(program)).build().unwrap();
        for _ in 0..2 {
            let error = procs.spawn(|n: u32| n, 1).join().unwrap_err();
            assert!(matches!(error, JoinError::Lost(Lost::NotStarted(_), _)), "{error}");
        }
        procs.shutdown();
        assert!(sys::has_no_child());
    }
}

pub(crate) fn a_pool_without_workers_is_refused() {
    assert_eq!(ProcessPool::new(0).unwrap_err().kind(), io::ErrorKind::InvalidInput);
}

pub(crate) fn a_forgotten_init_is_an_error() {
    let this = std::env::current_exe().unwrap();
    let output = std::process::Command::new(this).env("FORGET_INIT", "1").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("add `brigade_process::init();` as the first line of `main`"), "{said}");
}
