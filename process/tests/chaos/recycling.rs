//! Workers that are recycled all the time, by calls and by memory, however they were started: in calm
//! nothing is lost, and in a storm every call completes.

use crate::{
    dice::Dice,
    is_long,
    ledger::Ledger,
    leftovers::Leftovers,
    orders::{Order, Outcomes},
    path::launcher,
    seconds,
    storm::{self, WORKERS},
};
use brigade_process::{Argv, Block, Builder, JoinError, Lost, ProcessPool, Start};
use brigade_trace::clock;
use std::{net::Ipv4Addr, thread, time::Duration};

const CALLERS: u64 = 3;

fn local() -> Builder {
    ProcessPool::builder().workers(WORKERS).launcher(launcher())
}

fn zygote() -> Builder {
    local().start_method(Start::Zygote)
}

fn behind_a_command() -> Builder {
    ProcessPool::builder().workers(WORKERS).launcher(Argv::new(["env"]))
}

fn dials_back() -> Builder {
    let launcher = Argv::new(["env"]).dial_back(Ipv4Addr::LOCALHOST.into());
    ProcessPool::builder().workers(WORKERS).launcher(launcher)
}

const WAYS: [fn() -> Builder; 4] = [local, zygote, behind_a_command, dials_back];

/// Makes a function that says whether `time` is over.
fn timer(time: Duration) -> impl Fn() -> bool + Sync {
    let began = clock::now();
    move || began.elapsed() >= time
}

/// A quarter of a storm's time for each way.
fn share() -> Duration {
    Duration::from_secs(seconds(1)) / WAYS.len() as u32
}

pub(crate) fn nothing_is_lost_when_workers_are_recycled_by_calls() {
    for (way, build) in (0..).zip(WAYS) {
        let before = Leftovers::now();
        let ledger = Ledger::new("recycled");
        let procs = build().max_calls_per_worker(1 + Dice::new(way).below(10)).build().unwrap();
        let is_over = timer(share());
        let mut total = Outcomes::default();
        thread::scope(|scope| {
            let call = |caller: u64| {
                let mut dice = Dice::new(way << 8 | caller);
                let (mut outcomes, mut number) = (Outcomes::default(), caller << 32);
                while !is_over() {
                    let mut order = || {
                        number += 1_000;
                        Order::place_gently(&procs, &mut dice, &ledger.path(), number)
                    };
                    let orders: Vec<_> = (0..20).map(|_| order()).collect();
                    orders.into_iter().for_each(|order| _ = order.collect(&mut outcomes));
                }
                outcomes
            };
            let callers: Vec<_> = (1..=CALLERS).map(|caller| scope.spawn(move || call(caller))).collect();
            callers.into_iter().for_each(|caller| total.add(&caller.join().unwrap()));
        });
        assert_eq!(total.right, total.sum(), "way {way}: {total:?}");
        let statistics = procs.statistics();
        assert!(statistics.deaths == 0 && statistics.recycled > 0, "way {way}: {statistics:?}");
        procs.shutdown();
        if is_long() {
            eprintln!("way {way}: {} calls, {} workers recycled", total.sum(), statistics.recycled);
        }
        before.wait_for();
    }
}

const LIMIT: u64 = 40 << 20;

/// Keeps two MiB, and answers with a block.
fn grow(n: u64) -> Block<u64> {
    std::mem::forget(std::hint::black_box(vec![1_u8; 2 << 20]));
    Block::copy_of(&vec![n; 10_000]).unwrap()
}

pub(crate) fn nothing_is_lost_when_workers_are_recycled_by_memory() {
    for (way, build) in WAYS.iter().enumerate() {
        let before = Leftovers::now();
        let procs = build().memory_limit(LIMIT).build().unwrap();
        let is_over = timer(share());
        let (mut right, mut over) = (0, 0);
        // A slow machine may not recycle a worker in its share of the time, so this goes on until one is.
        let mut rounds = 0;
        while !is_over() || (procs.statistics().over_memory == 0 && rounds < 1_000) {
            rounds += 1;
            let handles: Vec<_> = (0..50).map(|n| procs.spawn(grow, n)).collect();
            for (n, handle) in (0..).zip(handles) {
                match handle.join() {
                    Ok(block) if block.iter().all(|&number| number == n) => right += 1,
                    // The pool looked at its memory while it ran the call.
                    Err(JoinError::Lost(Lost::OverMemory { limit: LIMIT }, _)) => over += 1,
                    other => panic!("way {way}: {:?}", other.map(|block| block[0])),
                }
            }
        }
        let statistics = procs.statistics();
        assert!(
            statistics.over_memory > 0 && right > over,
            "way {way}: {right} right, {over} over, {statistics:?}"
        );
        procs.shutdown();
        before.wait_for();
    }
}

pub(crate) fn every_call_completes_in_a_storm_of_recycling() {
    storm::storm(|| local().max_calls_per_worker(9).build().unwrap());
    storm::storm(|| zygote().max_calls_per_worker(4).build().unwrap());
}

pub(crate) fn every_call_completes_in_a_storm_over_connections() {
    storm::storm(|| dials_back().max_calls_per_worker(30).build().unwrap());
}
