//! Workers that end by their own choice, however they were started: every answer that they gave stands,
//! with the blocks in it.

use crate::{path::launcher, sys};
use brigade_process::{Argv, Block, Builder, JoinError, Lost, ProcessPool, Start};
use std::net::Ipv4Addr;

/// Every way to a worker.
fn ways() -> [Builder; 4] {
    let builder = || ProcessPool::builder().workers(2);
    [
        builder().launcher(launcher()),
        builder().launcher(launcher()).start_method(Start::Zygote),
        builder().launcher(Argv::new(["env"])),
        builder().launcher(Argv::new(["env"]).dial_back(Ipv4Addr::LOCALHOST.into())),
    ]
}

/// Ends a pool whose workers have ended by their own choice alone.
fn end(procs: ProcessPool) {
    assert_eq!(procs.statistics().deaths, 0);
    procs.shutdown();
    assert!(sys::has_no_child());
}

pub(crate) fn large_answers_of_recycled_workers_stand() {
    for builder in ways() {
        let procs = builder.max_calls_per_worker(1).build().unwrap();
        let handles: Vec<_> = (0..12).map(|_| procs.spawn(|n: usize| "x".repeat(n), 2 << 20)).collect();
        handles.into_iter().for_each(|handle| assert_eq!(handle.join().unwrap().len(), 2 << 20));
        assert!(procs.statistics().recycled >= 10);
        end(procs);
    }
}

fn numbers(n: u64) -> Block<u64> {
    Block::copy_of(&vec![n; 20_000]).unwrap()
}

pub(crate) fn blocks_of_recycled_workers_stand() {
    for builder in ways() {
        let procs = builder.max_calls_per_worker(7).build().unwrap();
        let handles: Vec<_> = (0..60).map(|n| procs.spawn(numbers, n)).collect();
        for (n, handle) in (0..).zip(handles) {
            assert!(handle.join().unwrap().iter().all(|&number| number == n));
        }
        end(procs);
    }
}

pub(crate) fn answers_of_workers_that_have_grown_stand() {
    for builder in ways() {
        // Less than any worker has: each ends after one call.
        let procs = builder.memory_limit(1 << 20).build().unwrap();
        let handles: Vec<_> = (0..8).map(|n| procs.spawn(numbers, n)).collect();
        for (n, handle) in (0..).zip(handles) {
            match handle.join() {
                Ok(block) => assert!(block.iter().all(|&number| number == n)),
                // The pool has looked while the call ran.
                Err(JoinError::Lost(Lost::OverMemory { .. }, _)) => {}
                Err(error) => panic!("{error}"),
            }
        }
        assert!(procs.statistics().over_memory >= 6);
        procs.shutdown();
        assert!(sys::has_no_child());
    }
}

pub(crate) fn a_map_goes_on_with_the_successors_of_recycled_workers() {
    for builder in ways() {
        let procs = builder.max_calls_per_worker(5).build().unwrap();
        for chunk in [1, 3, 40] {
            let results = procs.map_chunked(|n: u64| n + 1, 0..80, chunk);
            assert!((1..81).eq(results.into_iter().map(Result::unwrap)), "chunks of {chunk}");
        }
        end(procs);
    }
}

pub(crate) fn blocks_stand_whose_worker_ends_of_the_next_call() {
    for builder in ways() {
        let procs = builder.workers(1).build().unwrap();
        for n in 0..20 {
            let made = procs.spawn(numbers, n);
            let deadly = procs.spawn(|(): ()| -> u32 { std::process::abort() }, ());
            // Mostly the pool looks at the answer only after the worker has ended.
            while !deadly.is_finished() {
                std::thread::yield_now();
            }
            assert!(made.join().unwrap().iter().all(|&number| number == n));
        }
        procs.shutdown();
        assert!(sys::has_no_child());
    }
}

pub(crate) fn blocks_stand_that_are_given_as_the_pool_ends() {
    for builder in ways() {
        let procs = builder.build().unwrap();
        let handles: Vec<_> = (0..20).map(|n| procs.spawn(numbers, n)).collect();
        procs.shutdown();
        for (n, handle) in (0..).zip(handles) {
            assert!(handle.join().unwrap().iter().all(|&number| number == n));
        }
        assert!(sys::has_no_child());
    }
}
