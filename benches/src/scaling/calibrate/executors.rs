//! The prices of the executors' own steps, each on one worker and one core without contention.

use super::{super::costs::Costs, CpuWatch, REPETITIONS, on_this_thread, quartile};
use crate::{
    run::Spread,
    scaling::real::{Countdown, connect, echo, outside},
    sys,
};
use brigade_pool::Pool;
use brigade_runtime::{Runtime, sleep, spawn, yield_now};
use brigade_trace::clock;
use std::{cell::Cell, io, sync::Arc, thread, time::Duration};

/// The tasks of a measurement: few enough for one ring.
const SPAWNED_TASKS: usize = 240;
const YIELDS_PER_TASK: usize = 2_000;
const YIELDING_TASKS: usize = 8;
const SCOPE_CHILDREN: usize = 1_000;
const TREE_LEAVES: usize = 2_048;
const SUBMITTED_JOBS: usize = 2_000;
/// The pairs of tasks that send messages at the same time, beside one pair alone.
const MESSAGING_PAIRS: usize = 16;
const MESSAGES_PER_PAIR: usize = 50;

/// The lower quartiles of several prices that are measured together.
async fn quartiles<const N: usize>(mut measure: impl AsyncFnMut() -> [f64; N]) -> [f64; N] {
    measure().await;
    let mut samples = [const { Vec::new() }; N];
    for _ in 0..REPETITIONS {
        let measured = measure().await;
        samples.iter_mut().zip(measured).for_each(|(sample, price)| sample.push(price));
    }
    samples.map(|sample| Spread::of(sample).low)
}

fn panicked(error: brigade_runtime::JoinError) -> io::Error {
    io::Error::other(error.to_string())
}

/// Runs `measure` on a thread that stays on one core, with all threads that it starts.
fn on_one_core<T: Send + 'static>(measure: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    let pinned = thread::Builder::new().spawn(move || {
        _ = sys::pin(0);
        measure()
    })?;
    pinned.join().unwrap_or_else(|_| Err(io::Error::other("a thread of the calibration has panicked")))
}

/// Spawning, running, joining, yielding, timers, messages, and spawning from outside.
pub(super) fn runtime(costs: &mut Costs) -> io::Result<()> {
    let known = *costs;
    *costs = on_one_core(move || {
        let mut costs = known;
        let runtime = Runtime::multi_thread(1)?;
        let steps = runtime.block_on(async { runtime.spawn(quartiles(tasks)).await });
        [costs.spawn, costs.run, costs.join, costs.requeue] = steps.map_err(panicked)?;
        let awaited = runtime.block_on(async { runtime.spawn(quartiles(awaits)).await });
        let [awaited] = awaited.map_err(panicked)?;
        costs.await_wake = (awaited - costs.spawn - costs.run - 2.0 * costs.join).max(0.0);
        let timer = runtime.block_on(async { runtime.spawn(quartiles(timers)).await });
        let [timer] = timer.map_err(panicked)?;
        costs.timer = (timer - costs.run - costs.join).max(0.0);
        (costs.inject, costs.run_injected) = injected(&runtime, &costs);
        let alone = messages(&runtime, 1)?;
        let among_others = messages(&runtime, MESSAGING_PAIRS)?;
        // A message alone takes a sleep of its own; among others it shares one.
        let sleep = (alone - among_others) / (1.0 - 1.0 / MESSAGING_PAIRS as f64);
        let message = alone - sleep;
        costs.driver_sleep = (sleep - costs.epoll - 3.0 * costs.clock).max(0.0);
        costs.message = (message - costs.write - costs.read - costs.epoll_event - costs.requeue).max(0.0);
        Ok(costs)
    })?;
    Ok(())
}

/// Spawning a task from outside, and running one. Before, a worker sleeps, and after the last task the thread
/// that spawned them.
fn injected(runtime: &Runtime, costs: &Costs) -> (f64, f64) {
    let mut ran = Vec::new();
    let inject = quartile(|| {
        let push = |end: Arc<Countdown>| drop(runtime.spawn(async move { end.end_one() }));
        let before = crate::cpu::own();
        let spawned = outside(SUBMITTED_JOBS, push).as_nanos() as f64;
        let both = crate::cpu::own().saturating_sub(before).as_nanos() as f64;
        // Two hand-overs: to the worker, and back.
        ran.push((both - spawned - 1.5 * costs.hand_over) / SUBMITTED_JOBS as f64);
        (spawned - costs.hand_over / 2.0) / SUBMITTED_JOBS as f64
    });
    // A quarter of a requeue is what the model takes for a task on its way from the injector.
    (inject, (Spread::of(ran).low - costs.requeue / 4.0).max(costs.run))
}

/// The CPU time of a message, with so many pairs of tasks that send messages to each other.
fn messages(runtime: &Runtime, pairs: usize) -> io::Result<f64> {
    let mut samples = Vec::new();
    for _ in 0..REPETITIONS {
        let streams = runtime.block_on(connect(pairs));
        let run = async move {
            // There is one worker, so all of this is done by its thread.
            let before = sys::cpu_time_of_this_thread();
            echo(streams, MESSAGES_PER_PAIR).await;
            sys::cpu_time_of_this_thread().saturating_sub(before)
        };
        let took = runtime.block_on(async { runtime.spawn(run).await }).map_err(panicked)?;
        samples.push(took.as_nanos() as f64 / (2 * pairs * MESSAGES_PER_PAIR) as f64);
    }
    Ok(Spread::of(samples).low)
}

async fn tasks() -> [f64; 4] {
    let watch = CpuWatch::start();
    let tasks: Vec<_> = (0..SPAWNED_TASKS).map(|_| spawn(async {})).collect();
    let spawned = watch.nanos();
    let watch = CpuWatch::start();
    // This comes behind them.
    yield_now().await;
    let ran = watch.nanos();
    let watch = CpuWatch::start();
    for task in tasks {
        task.await.expect("an empty task does not panic");
    }
    let joined = watch.nanos();
    let yielder = || async {
        for _ in 0..YIELDS_PER_TASK / YIELDING_TASKS {
            yield_now().await;
        }
    };
    let watch = CpuWatch::start();
    for task in (0..YIELDING_TASKS).map(|_| spawn(yielder())).collect::<Vec<_>>() {
        task.await.expect("a yield does not panic");
    }
    let yielded = watch.nanos();
    let tasks = SPAWNED_TASKS as f64;
    [spawned / tasks, ran / tasks, joined / tasks, yielded / YIELDS_PER_TASK as f64]
}

/// Spawns tasks one by one, and awaits each at once.
async fn awaits() -> [f64; 1] {
    let watch = CpuWatch::start();
    for _ in 0..SPAWNED_TASKS {
        spawn(async {}).await.expect("an empty task does not panic");
    }
    [watch.nanos() / SPAWNED_TASKS as f64]
}

/// Lets tasks set their timers, holds the worker until all are due, and awaits the tasks.
async fn timers() -> [f64; 1] {
    const AHEAD: Duration = Duration::from_micros(300);
    let tasks: Vec<_> = (0..SPAWNED_TASKS).map(|_| spawn(sleep(AHEAD))).collect();
    let begun = clock::now();
    let watch = CpuWatch::start();
    yield_now().await;
    let set = watch.nanos();
    while begun.elapsed() < 2 * AHEAD {
        std::hint::spin_loop();
    }
    let watch = CpuWatch::start();
    for task in tasks {
        task.await.expect("a sleep does not panic");
    }
    [(set + watch.nanos()) / SPAWNED_TASKS as f64]
}

/// Children of a scope, joins, and jobs from outside.
pub(super) fn pool(costs: &mut Costs) -> io::Result<()> {
    let known = *costs;
    *costs = on_one_core(move || {
        let mut costs = known;
        let pool = Pool::builder().threads(1).build()?;
        let mut ran = Vec::new();
        costs.child = pool.install(|| {
            quartile(|| {
                let begun = sys::cpu_time_of_this_thread();
                let spawned = brigade_pool::scope(|scope| {
                    (0..SCOPE_CHILDREN).for_each(|_| scope.spawn(|_| ()));
                    sys::cpu_time_of_this_thread()
                });
                ran.push(
                    (sys::cpu_time_of_this_thread() - spawned).as_nanos() as f64 / SCOPE_CHILDREN as f64,
                );
                (spawned - begun).as_nanos() as f64 / SCOPE_CHILDREN as f64
            })
        });
        costs.run_child = Spread::of(ran).low;
        costs.fork = pool.install(|| {
            let plain = quartile(|| on_this_thread(|| plain(TREE_LEAVES)));
            (quartile(|| on_this_thread(|| tree(TREE_LEAVES))) - plain).max(0.0) / TREE_LEAVES as f64
        });
        let all = Cell::new(Vec::new());
        costs.submit = quartile(|| {
            let push = |end: Arc<Countdown>| pool.spawn_detached(move || end.end_one());
            let before = crate::cpu::own();
            let submitted = outside(SUBMITTED_JOBS, push).as_nanos() as f64;
            let both = crate::cpu::own().saturating_sub(before).as_nanos() as f64;
            let mut sample = all.take();
            sample.push((both - submitted) / SUBMITTED_JOBS as f64);
            all.set(sample);
            submitted / SUBMITTED_JOBS as f64
        });
        costs.run_submitted = Spread::of(all.take()).low;
        Ok(costs)
    })?;
    Ok(())
}

#[inline(never)]
fn tree(leaves: usize) {
    if leaves > 1 {
        brigade_pool::join(|| tree(leaves / 2), || tree(leaves - leaves / 2));
    }
}

#[inline(never)]
fn plain(leaves: usize) {
    if leaves > 1 {
        plain(std::hint::black_box(leaves / 2));
        plain(leaves - leaves / 2);
    }
}
