//! Workers that end in mid-call, in every way there is: one call is lost, and nobody else notices.

use crate::{
    gate::{Gate, wait_at},
    sys,
};
use brigade_process::{JoinError, Lost, ProcessPool};
use std::sync::atomic::{AtomicBool, Ordering};

const FATAL: u32 = 50;

/// Runs a hundred calls, one of which is fatal for its worker, and gives that one's loss.
fn one_among_a_hundred(work: fn(&ProcessPool) -> Vec<Result<u32, JoinError>>) -> Lost {
    let procs = ProcessPool::new(2).unwrap();
    let mut lost = None;
    for (n, result) in (0..).zip(work(&procs)) {
        match result {
            Ok(got) => assert_eq!(got, n),
            Err(JoinError::Lost(why)) if n == FATAL => lost = Some(why),
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
    let procs = ProcessPool::new(1).unwrap();
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
    let procs = ProcessPool::new(3).unwrap();
    let work = |n: u32| {
        if n % 20 == 7 {
            sys::kill(std::process::id());
        }
        n
    };
    for (n, result) in (0..).zip(procs.map(work, 0..1_000)) {
        match result {
            Ok(got) => assert_eq!(got, n),
            Err(JoinError::Lost(Lost::Killed { signal: 9 })) => assert_eq!(n % 20, 7),
            Err(error) => panic!("call {n}: {error}"),
        }
    }
    procs.shutdown();
    assert!(sys::has_no_child());
}

pub(crate) fn a_worker_killed_with_a_large_argument_in_flight() {
    let procs = ProcessPool::new(1).unwrap();
    let gate = Gate::new();
    let running = procs.spawn(wait_at, gate.port());
    let waiting = gate.arrival();
    let queued: Vec<_> =
        (0..3).map(|_| procs.spawn(|bytes: Vec<u16>| bytes.len(), vec![7; 1 << 20])).collect();
    sys::kill(procs.worker_ids()[0]);
    assert!(matches!(running.join(), Err(JoinError::Lost(Lost::Killed { signal: 9 }))));
    drop(waiting);
    for handle in queued {
        assert_eq!(handle.join().unwrap(), 1 << 20);
    }
}

pub(crate) fn every_call_completes_while_workers_are_killed_at_random() {
    let procs = ProcessPool::new(2).unwrap();
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
                Err(JoinError::Lost(Lost::Killed { signal: 9 })) => lost += 1,
                Err(JoinError::Lost(Lost::NotStarted(_))) => lost += 1,
                Err(error) => panic!("call {n}: {error}"),
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    assert!(lost < 20_000);
    // Starts may have failed until now; a call that goes well shows that the pool is itself again.
    while procs.spawn(|n: u32| n, 1).join().is_err() {}
    procs.shutdown();
    assert!(sys::has_no_child());
}
