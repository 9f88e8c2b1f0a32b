//! A storm: calls of every kind, while workers are killed, stopped, continued and aborted at random, in
//! every state.

use crate::{
    dice::Dice,
    is_long,
    ledger::Ledger,
    leftovers::Leftovers,
    orders::{Order, Outcomes},
    path::{Path, launcher, pool},
    seconds,
    sys::{self, Signal},
};
use brigade_process::{ProcessPool, Start};
use brigade_trace::clock;
use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

pub(crate) const WORKERS: usize = 3;
const CALLERS: u64 = 3;
/// The least number of calls of a long storm.
const CALLS: u64 = 100_000;

/// A count of the tormentor's actions.
#[derive(Debug, Default)]
struct Blows {
    kills: u64,
    aborts: u64,
    stops: u64,
}

/// Torments workers until told to stop, and leaves none stopped. Most blows wait until a call was answered
/// since the last one: workers that are always killed before they are ready would show one state alone.
fn torment(procs: &ProcessPool, over: &AtomicBool) -> Blows {
    let mut dice = Dice::new(99);
    let mut blows = Blows::default();
    let mut stopped: Vec<(u32, u64)> = Vec::new();
    let (mut answered, mut patience) = (0, 0);
    while !over.load(Ordering::Relaxed) {
        thread::park_timeout(Duration::from_micros(dice.below(6_000)));
        // The workers at this moment only: a process that was reaped may have a successor by its number.
        let workers = procs.worker_ids();
        stopped.retain_mut(|(pid, turns)| {
            *turns -= 1;
            if *turns == 0 && workers.contains(pid) {
                sys::send(*pid, Signal::Continue);
            }
            *turns > 0
        });
        let calls = procs.statistics().calls;
        if calls == answered && patience > 0 {
            patience -= 1;
            continue;
        }
        (answered, patience) = (calls, dice.below(100));
        let Some(&victim) = workers.get(dice.below(WORKERS as u64) as usize) else { continue };
        match dice.below(10) {
            0..5 => {
                sys::send(victim, Signal::Kill);
                blows.kills += 1;
            }
            5..7 => {
                sys::send(victim, Signal::Abort);
                blows.aborts += 1;
            }
            _ => {
                sys::send(victim, Signal::Stop);
                stopped.push((victim, 1 + dice.below(10)));
                blows.stops += 1;
            }
        }
    }
    let workers = procs.worker_ids();
    workers.into_iter().for_each(|pid| sys::send(pid, Signal::Continue));
    blows
}

/// Makes calls until the time is over. Returns their outcomes, and which of them must stand in the ledger.
fn call(
    procs: &ProcessPool,
    caller: u64,
    ledger: &str,
    is_over: &dyn Fn(u64) -> bool,
) -> (Outcomes, Vec<u64>) {
    let mut dice = Dice::new(caller);
    let mut outcomes = Outcomes::default();
    let mut entered = Vec::new();
    let first = caller << 32;
    let mut number = first;
    while !is_over((number - first) / 1_000) {
        let mut orders = Vec::new();
        for _ in 0..1 + dice.below(40) {
            // A map has a number for each of its inputs.
            number += 1_000;
            orders.push(Order::place(procs, &mut dice, ledger, number));
        }
        for order in orders {
            // Some handles are dropped.
            if dice.below(50) > 0 {
                entered.extend(order.collect(&mut outcomes));
            }
        }
    }
    (outcomes, entered)
}

fn check_the_ledger(ledger: &Ledger, entered: &[u64]) {
    let counts = ledger.counts();
    for (&number, &count) in &counts {
        // Even numbers are calls without retry.
        let most = if number % 2 == 0 { 1 } else { 4 };
        assert!(count <= most, "call {number} was started {count} times");
    }
    for number in entered {
        assert!(counts.contains_key(number), "call {number} has answered and was never started");
    }
}

/// Checks that the pool has all its workers again, and that they work.
fn is_at_full_strength(procs: &ProcessPool) {
    // Starts may have failed until now; a call makes the pool try again.
    while procs.spawn(|n: u32| n, 1).join().is_err() {}
    while procs.worker_ids().len() < WORKERS {
        thread::yield_now();
    }
    let results = procs.map(|n: u32| n, 0..1_000);
    assert!((0..1_000).zip(results).all(|(n, result)| result.unwrap() == n));
}

pub(crate) fn every_call_completes_in_a_storm() {
    storm(|| pool(WORKERS));
}

pub(crate) fn every_call_completes_in_a_storm_over_a_zygote() {
    storm(|| {
        ProcessPool::builder()
            .workers(WORKERS)
            .start_method(Start::Zygote)
            .launcher(launcher())
            .build()
            .unwrap()
    });
}

pub(crate) fn storm(build: fn() -> ProcessPool) {
    let before = Leftovers::now();
    let ledger = Ledger::new("storm");
    let procs = build();
    let (began, time) = (clock::now(), Duration::from_secs(seconds(1)));
    let least = if is_long() { CALLS / CALLERS } else { 0 };
    let over = AtomicBool::new(false);
    let running = AtomicU64::new(CALLERS);
    let mut total = Outcomes::default();
    let mut entered = Vec::new();
    let blows = thread::scope(|scope| {
        let path = ledger.path();
        let callers: Vec<_> = (1..=CALLERS)
            .map(|caller| {
                let (procs, path, over, running) = (&procs, path.clone(), &over, &running);
                scope.spawn(move || {
                    let is_over = |calls| calls >= least && began.elapsed() >= time;
                    let made = call(procs, caller, &path, &is_over);
                    // Relaxed: nothing is read but the flag.
                    if running.fetch_sub(1, Ordering::Relaxed) == 1 {
                        over.store(true, Ordering::Relaxed);
                    }
                    made
                })
            })
            .collect();
        let tormentor = scope.spawn(|| torment(&procs, &over));
        for caller in callers {
            let (outcomes, theirs) = caller.join().expect("a caller meets no wrong result");
            total.add(&outcomes);
            entered.extend(theirs);
        }
        tormentor.join().unwrap()
    });
    is_at_full_strength(&procs);
    let statistics = procs.statistics();
    procs.shutdown();
    check_the_ledger(&ledger, &entered);
    if is_long() {
        let deaths = statistics.deaths;
        eprintln!("{:?}: {blows:?}, {deaths} deaths, {} calls: {total:?}", Path::now(), total.sum());
    }
    assert!(total.right > total.lost && statistics.deaths > 0);
    before.wait_for();
}
