//! Workers that end in mid-call, in every way there is: one call is lost, and no other call notices.

use crate::{
    gate::{Gate, wait_at},
    path::{Path, pool, quiet_pool},
    sys,
};
use brigade_process::{JoinError, Lost, ProcessPool};
use std::sync::atomic::{AtomicBool, Ordering};

const FATAL: u32 = 50;

/// Runs a hundred calls, one of which is fatal for its worker, and returns that call's loss.
fn one_among_a_hundred(work: fn(&ProcessPool) -> Vec<Result<u32, JoinError>>) -> Lost {
    let procs = quiet_pool(2);
    let mut lost = None;
    for (n, result) in (0..).zip(work(&procs)) {
        match result {
            Ok(got) => assert_eq!(got, n),
            Err(JoinError::Lost(why, _)) if n == FATAL => lost = Some(why),
            Err(error) => panic!("call {n}: {error}"),
        }
    }
    assert_eq!(procs.spawn(|n: u32| n, 1).join().unwrap(), 1);
    procs.shutdown();
    lost.expect("the fatal call has no result")
}

macro_rules! fatal {
    ($end:expr) => {
        one_among_a_hundred(|procs| {
            procs.map(
                |n: u32| {
                    if n == FATAL {
                        $end
                    }
                    n
                },
                0..100,
            )
        })
    };
}

pub(crate) fn an_exit_fails_that_call_alone() {
    assert_eq!(fatal!(std::process::exit(7)), Lost::Exited { code: 7 });
}

pub(crate) fn a_kill_in_mid_call_fails_that_call_alone() {
    assert_eq!(fatal!(sys::kill(std::process::id())), Lost::Killed { signal: 9 });
}

pub(crate) fn an_abort_fails_that_call_alone() {
    assert_eq!(fatal!(std::process::abort()), Lost::Killed { signal: 6 });
}

pub(crate) fn a_panic_while_panicking_fails_that_call_alone() {
    struct Worse;
    impl Drop for Worse {
        fn drop(&mut self) {
            panic!("and then the oven caught fire");
        }
    }
    let lost = fatal!({
        let _worse = Worse;
        panic!("no flour")
    });
    assert_eq!(lost, Lost::Killed { signal: 6 });
}

/// Runs a call that closes its worker's channel, or everything beyond the usual three. Returns how it ends,
/// and whether its worker was replaced.
fn closing(first: i32, last: i32) -> (Result<u32, JoinError>, bool) {
    let procs = quiet_pool(1);
    let before = procs.worker_ids();
    let close = |(first, last): (i32, i32)| {
        sys::close(first, last);
        7_u32
    };
    let result = procs.spawn(close, (first, last)).join();
    // On the ring the answer needs no channel. The worker is replaced when it would sleep, and the pool
    // waits for that.
    while matches!(&procs.worker_ids()[..], ids if ids.is_empty() || ids == before) {
        std::thread::yield_now();
    }
    let works = procs.spawn(|n: u32| n + 1, 1).join().unwrap() == 2;
    procs.shutdown();
    (result, works && sys::has_no_child())
}

/// The descriptors to close: the channel, the bell that only a ring has, everything.
fn path_descriptors() -> Vec<(i32, i32)> {
    match Path::now() {
        Path::Ring => vec![(3, 3), (5, 5), (3, 1_000)],
        Path::Socket => vec![(3, 3), (3, 1_000)],
    }
}

pub(crate) fn a_worker_without_a_channel_is_replaced() {
    for (first, last) in path_descriptors() {
        let (result, well) = closing(first, last);
        match (Path::now(), result) {
            (Path::Ring, Ok(7)) | (_, Err(JoinError::Lost(Lost::Exited { code: 70 }, _))) => {}
            (path, result) => panic!("closing {first} to {last} on {path:?}: {result:?}"),
        }
        assert!(well);
    }
}

pub(crate) fn a_large_answer_needs_the_channel() {
    let procs = quiet_pool(1);
    let close = |n: usize| {
        sys::close(3, 3);
        vec![0_u8; n]
    };
    let result = procs.spawn(close, 1 << 20).join();
    assert!(matches!(&result, Err(JoinError::Lost(Lost::Exited { code: 70 }, _))), "{:?}", result.map(drop));
    assert_eq!(procs.spawn(|n: u32| n, 1).join().unwrap(), 1);
}

pub(crate) fn garbage_on_the_channel_fails_that_call_alone() {
    let lost = fatal!({
        sys::write_to_the_channel(b"two eggs, a cup of sugar, and whatever else is not a frame");
        loop {
            std::thread::park();
        }
    });
    assert!(matches!(&lost, Lost::Protocol(why) if why.contains("BRG1")), "{lost}");
}

pub(crate) fn a_worker_that_dies_idle_fails_nothing() {
    let procs = pool(1);
    for n in 0..50 {
        let before = procs.worker_ids();
        assert_eq!(procs.spawn(|n: u32| n, n).join().unwrap(), n);
        sys::kill(before[0]);
        while matches!(&procs.worker_ids()[..], ids if ids.is_empty() || ids == before) {
            std::thread::yield_now();
        }
    }
}

pub(crate) fn many_deaths_among_many_calls() {
    let procs = pool(3);
    let work = |n: u32| {
        if n % 20 == 7 {
            sys::kill(std::process::id());
        }
        n
    };
    for (n, result) in (0..).zip(procs.map(work, 0..1_000)) {
        match result {
            Ok(got) => assert_eq!(got, n),
            Err(JoinError::Lost(Lost::Killed { signal: 9 }, _)) => assert_eq!(n % 20, 7),
            Err(error) => panic!("call {n}: {error}"),
        }
    }
    procs.shutdown();
    assert!(sys::has_no_child());
}

pub(crate) fn a_worker_killed_with_a_large_argument_in_flight() {
    let procs = pool(1);
    let gate = Gate::new();
    let running = procs.spawn(wait_at, gate.port());
    let waiting = gate.arrival();
    let queued: Vec<_> =
        (0..3).map(|_| procs.spawn(|bytes: Vec<u16>| bytes.len(), vec![7; 1 << 20])).collect();
    sys::kill(procs.worker_ids()[0]);
    assert!(matches!(running.join(), Err(JoinError::Lost(Lost::Killed { signal: 9 }, _))));
    drop(waiting);
    for handle in queued {
        assert_eq!(handle.join().unwrap(), 1 << 20);
    }
}

pub(crate) fn every_call_completes_while_workers_are_killed_at_random() {
    let procs = pool(2);
    let over = AtomicBool::new(false);
    let mut lost = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                procs.worker_ids().into_iter().for_each(sys::kill);
                // A call on the way, so that workers die in every state.
                let _ = procs.spawn(|n: u64| n, 1).join();
            }
        });
        for (n, result) in (0..).zip(procs.map(|n: u64| n * 3, 0..20_000)) {
            match result {
                Ok(got) => assert_eq!(got, n * 3),
                Err(JoinError::Lost(Lost::Killed { signal: 9 }, _)) => lost += 1,
                Err(JoinError::Lost(Lost::NotStarted(_), _)) => lost += 1,
                Err(error) => panic!("call {n}: {error}"),
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    assert!(lost < 20_000);
    // Starts may have failed until now; a call that goes well shows that the pool has recovered.
    while procs.spawn(|n: u32| n, 1).join().is_err() {}
    procs.shutdown();
    assert!(sys::has_no_child());
}
