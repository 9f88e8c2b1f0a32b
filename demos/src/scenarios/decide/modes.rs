//! The same work in the four modes: one after the other, on threads, as tasks on one thread, in processes.
//!
//! Times are listed in this order: sync, threads, async, processes.

use crate::{interrupt::Interruptible, recorded::sleep, sums::sum_of_squares};
use brigade_handle::{JoinError, JoinHandle};
use brigade_pool::Pool;
use brigade_runtime::{gather, run, spawn_local};
use brigade_trace::clock;
use serde::{Serialize, de::DeserializeOwned};
use std::{hint::black_box, time::Duration};

/// How many waits there are at once.
pub(super) const WAIT_COUNT: usize = 5;

/// How long after the beginning of a sum the click comes.
const CLICK_DELAY: Duration = Duration::from_millis(5);

/// The pools of threads and processes, with enough workers for each mode.
pub(super) struct Executors {
    pub(super) threads: Pool,
    pub(super) processes: Interruptible,
}

/// How long each mode takes.
pub(super) type ModeTimes = Result<[Duration; 4], JoinError>;

/// Measures some waits at once.
pub(super) fn waits(executors: &Executors, pause: Duration) -> ModeTimes {
    each_mode(executors, WAIT_COUNT, sleep, pause, || brigade_runtime::sleep(pause))
}

/// Measures `count` sums, each up to `n`.
pub(super) fn sums(executors: &Executors, count: usize, n: u64) -> ModeTimes {
    // Threads that have only slept may all lie on one core. A moment of work for all of them at once spreads
    // them.
    drop(executors.threads.broadcast(move |_| sum(n / 4)));
    each_mode(executors, count, sum, n, || async move { sum(n) })
}

fn each_mode<T, F, U>(
    executors: &Executors,
    count: usize,
    work: F,
    input: T,
    task: impl Fn() -> U,
) -> ModeTimes
where
    T: Serialize + DeserializeOwned + Copy + Send + 'static,
    F: Fn(T) + Copy + Send + Sync + 'static,
    U: Future<Output = ()>,
{
    let jobs = || (0..count).map(|_| executors.threads.spawn(move || work(input))).collect();
    let calls = || executors.processes.with(|procs| (0..count).map(|_| procs.spawn(work, input)).collect());
    let tasks = || drop(run(async { gather((0..count).map(|_| task())).await }));
    let sync = clock::timed(|| (0..count).for_each(|_| work(input))).1;
    let (joined, threads) = clock::timed(|| join(jobs()));
    joined?;
    let tasks = clock::timed(tasks).1;
    let (joined, processes) = clock::timed(|| join(calls()));
    joined?;
    Ok([sync, threads, tasks, processes])
}

/// Measures how late a click is noticed that comes while a sum up to `n` is computed: by the thread that
/// computes, or by a thread that has nothing else to do.
pub(super) fn clicks(executors: &Executors, n: u64) -> ModeTimes {
    let late = |(_, took): ((), Duration)| took.saturating_sub(CLICK_DELAY);
    let sync = late(clock::timed(|| sum(n)));
    let busy = executors.threads.spawn(move || sum(n));
    let threads = late(clock::timed(|| sleep(CLICK_DELAY)));
    busy.join()?;
    let tasks = late(clock::timed(|| {
        run(async move {
            // This task is polled as soon as the other one waits for the click, and nothing interrupts it.
            let _busy = spawn_local(async move { sum(n) });
            brigade_runtime::sleep(CLICK_DELAY).await;
        });
    }));
    let busy = executors.processes.with(|procs| procs.spawn(sum, n));
    let processes = late(clock::timed(|| sleep(CLICK_DELAY)));
    busy.join()?;
    Ok([sync, threads, tasks, processes])
}

fn sum(n: u64) {
    black_box(sum_of_squares(0..n));
}

fn join(handles: Vec<JoinHandle<()>>) -> Result<(), JoinError> {
    // Joins all of them, also after a failure.
    let results: Vec<_> = handles.into_iter().map(JoinHandle::join).collect();
    results.into_iter().collect()
}
