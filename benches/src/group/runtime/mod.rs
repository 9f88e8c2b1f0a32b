//! Group `runtime`: the async runtime against tokio and smol.
//!
//! The peers `tokio` and `smol` have one worker for each core, and so has Brigade against them. The peers
//! `tokio ct` and `smol ct` run on one thread, and so does Brigade against them.

mod blocking;
mod copying;
mod executor;
mod fan_out;
// Unsafe: wakers that count nothing.
#[allow(unsafe_code)]
mod floor;
mod gate;
mod lateness;
pub(crate) mod memory;
mod net;
mod servers;
mod sync;
mod tasks;
mod timers;

use crate::bench::{Bench, Metric, Side, limit, sides, workers};
use executor::{Brigade, Smol, Threads, Tokio};
use memory::{Measured, RuntimeName};

/// The group.
pub(crate) fn benches() -> Vec<Bench> {
    let mut benches = task_benches();
    benches.extend(sync_benches());
    benches.extend(fan_out::benches());
    benches.extend(blocking::benches());
    benches.extend(copying::benches());
    benches.extend(timers::late_benches());
    benches.extend(timer_benches());
    benches.extend(lateness::benches());
    benches.extend(net::benches());
    benches.extend(servers::benches());
    benches.extend(floor::benches());
    benches.extend(memory_benches());
    benches
}

/// Takes a function that makes a side on any runtime, and makes the sides on all three of it.
macro_rules! on_each {
    ($($side:ident)::+) => {
        OnEach {
            brigade: $($side)::+::<Brigade>,
            tokio: $($side)::+::<Tokio>,
            smol: $($side)::+::<Smol>,
        }
    };
}

/// The side of a bench on each runtime.
#[derive(Clone, Copy)]
struct OnEach {
    brigade: fn(Threads) -> Side,
    tokio: fn(Threads) -> Side,
    smol: fn(Threads) -> Side,
}

impl OnEach {
    /// Makes the benches against both peers, with this choice of threads.
    fn against(
        self,
        name: &'static str,
        peers: [&'static str; 2],
        threads: Threads,
        goal: f64,
    ) -> [Bench; 2] {
        let Self { brigade, tokio, smol } = self;
        [
            Bench::new(name, peers[0], move || sides(brigade(threads), tokio(threads))).goal(goal),
            Bench::new(name, peers[1], move || sides(brigade(threads), smol(threads))).goal(1.0),
        ]
    }
}

const MULTI: [&str; 2] = ["tokio", "smol"];
const SINGLE: [&str; 2] = ["tokio ct", "smol ct"];

fn task_benches() -> Vec<Bench> {
    let (multi, single) = (Threads::Workers(workers()), Threads::Current);
    let spawn_join = on_each!(tasks::spawn_join);
    let from_worker = on_each!(tasks::spawn_join_worker);
    let remote = on_each!(tasks::spawn_join_remote);
    let chain = on_each!(tasks::chain);
    let ping_pong = on_each!(tasks::ping_pong);
    let ring = on_each!(tasks::ring);
    let yields = on_each!(tasks::yields);
    let groups = [
        spawn_join.against("spawn_join", MULTI, multi, 0.55),
        spawn_join.against("spawn_join_ct", SINGLE, single, 0.45),
        from_worker.against("spawn_join_worker", MULTI, multi, 0.55),
        from_worker.against("spawn_join_worker_ct", SINGLE, single, 0.45),
        remote.against("spawn_join_remote", MULTI, multi, 0.55),
        chain.against("chain", MULTI, multi, 0.5),
        chain.against("chain_ct", SINGLE, single, 0.5),
        ping_pong.against("ping_pong", MULTI, multi, 0.65),
        ping_pong.against("ping_pong_ct", SINGLE, single, 0.65),
        ring.against("ring", MULTI, multi, 0.65),
        ring.against("ring_ct", SINGLE, single, 0.65),
        yields.against("yield", MULTI, multi, 0.7),
        yields.against("yield_ct", SINGLE, single, 0.5),
    ];
    groups.into_iter().flatten().collect()
}

fn sync_benches() -> Vec<Bench> {
    let (multi, single) = (Threads::Workers(workers()), Threads::Current);
    let mpsc = on_each!(sync::mpsc);
    let request_reply = on_each!(sync::request_reply);
    let mutex = on_each!(sync::mutex);
    let mutex_contended = on_each!(sync::mutex_contended);
    let semaphore = on_each!(sync::semaphore);
    let semaphore_contended = on_each!(sync::semaphore_contended);
    let notify = on_each!(sync::notify);
    let groups = [
        mpsc.against("mpsc", MULTI, multi, 0.7),
        mpsc.against("mpsc_ct", SINGLE, single, 0.7),
        request_reply.against("request_reply", MULTI, multi, 0.7),
        request_reply.against("request_reply_ct", SINGLE, single, 0.7),
        mutex.against("mutex", MULTI, multi, 0.9),
        mutex.against("mutex_ct", SINGLE, single, 0.9),
        mutex_contended.against("mutex_contended", MULTI, multi, 0.9),
        mutex_contended.against("mutex_contended_ct", SINGLE, single, 0.9),
        semaphore.against("semaphore", MULTI, multi, 0.9),
        semaphore.against("semaphore_ct", SINGLE, single, 0.9),
        semaphore_contended.against("semaphore_contended", MULTI, multi, 0.9),
        semaphore_contended.against("semaphore_contended_ct", SINGLE, single, 0.9),
        notify.against("notify_500", MULTI, multi, 0.9),
        notify.against("notify_500_ct", SINGLE, single, 0.9),
    ];
    groups.into_iter().flatten().collect()
}

fn timer_benches() -> Vec<Bench> {
    let (multi, single) = (Threads::Workers(workers()), Threads::Current);
    let create_and_drop = on_each!(timers::create_and_drop);
    let sleeps = on_each!(timers::sleeps);
    // The longest of the sleeps is 50 ms.
    const LONGEST_SLEEP_NANOS: u64 = 50_000_000;
    let mut benches = Vec::new();
    benches.extend(create_and_drop.against("timer_drop", MULTI, multi, 0.6));
    benches.extend(create_and_drop.against("timer_drop_ct", SINGLE, single, 0.6));
    benches.push(
        Bench::new("sleeps_100k", "limit", move || {
            sides((sleeps.brigade)(multi), limit(LONGEST_SLEEP_NANOS))
        })
        .goal(1.25),
    );
    benches.extend(sleeps.against("sleeps_100k", MULTI, multi, 1.0));
    // Here Brigade is its own peer: does the price of a timer depend on how many there are?
    benches.push(
        Bench::new("timers_1m", "1k timers", || sides(timers::among(1_000_000), timers::among(1000)))
            .goal(2.0),
    );
    benches
}

fn memory_benches() -> Vec<Bench> {
    let mut benches = Vec::new();
    for (peer, runtime_name) in [("tokio", RuntimeName::Tokio), ("smol", RuntimeName::Smol)] {
        let both = move |measured| {
            move || sides(memory::side(measured, RuntimeName::Brigade), memory::side(measured, runtime_name))
        };
        let bytes = Metric::ExtraBytes(0);
        let million_goal = if runtime_name == RuntimeName::Tokio { 0.8 } else { 1.0 };
        benches.push(Bench::new("memory_task", peer, both(Measured::Task)).reads(bytes).goal(1.0));
        benches
            .push(Bench::new("memory_connection", peer, both(Measured::Connection)).reads(bytes).goal(1.0));
        benches.push(
            Bench::new("million_tasks", peer, both(Measured::Million))
                .goal(million_goal)
                .row("million_tasks_memory", bytes)
                .goal(1.0),
        );
    }
    benches.sort_by_key(Bench::name);
    benches
}
