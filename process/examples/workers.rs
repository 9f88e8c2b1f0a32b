//! Measures what a call costs against the number of workers: how much of its one thread the supervisor
//! needs for it. Workers do nothing here, and have no shared memory, as if each were on another machine.
//!
//! ```text
//! cargo run --release -p brigade-process --example workers -- 1 10 100 1000
//! ```
//!
//! It prints a table for `docs/cluster.md`. Linux only: the CPU time of a thread is read from `/proc`.
//!
//! * **start**: until every worker has answered a call, for each worker.
//! * **alone**: one call at a time, so that the supervisor wakes up for each.
//! * **flood**: all calls at once. There is always another answer.
//! * **batches**: the items of a map, many in a message.
//!
//! The most calls a second that a supervisor can serve are 1 s / its CPU time for one, whatever the machine
//! has of cores.

use brigade_process::{JoinHandle, Local, ProcessPool};
use brigade_trace::clock::timed;
use std::{fs, io, thread, time::Duration};

/// How many calls are made one at a time.
const LONE_CALLS: u64 = 2_000;
/// How many calls are made at once, and items mapped.
const CALLS_AT_ONCE: u64 = 50_000;

/// How long a call of the beginning keeps its worker.
const PAUSE: Duration = Duration::from_millis(200);

/// The CPU time that the supervisors' threads of this process have taken.
fn supervisor_time() -> Duration {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let is_supervisor = |name: &str| name.trim() == "brigade-process";
    let nanos = tasks.filter_map(|task| {
        // The kernel keeps the first 15 letters of a thread's name.
        fs::read_to_string(task.path().join("comm")).ok().filter(|name| is_supervisor(name))?;
        let times = fs::read_to_string(task.path().join("schedstat")).ok()?;
        times.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

/// How long the work takes, and how much CPU time the supervisor takes for it, for each of `count` calls.
fn measure(count: u64, work: impl FnOnce()) -> [Duration; 2] {
    let before = supervisor_time();
    let ((), wall) = timed(work);
    let own = supervisor_time().saturating_sub(before);
    [wall, own].map(|time| Duration::from_nanos(time.as_nanos() as u64 / count))
}

fn answers(calls: impl Iterator<Item = JoinHandle<u64>>) -> usize {
    calls.filter_map(|call| call.join().ok()).count()
}

/// Prints the row for this many workers.
fn row(workers: usize) -> io::Result<()> {
    let launcher = Local::default().without_shared_memory();
    let (procs, start) = timed(|| {
        let procs = ProcessPool::builder().workers(workers).launcher(launcher).build()?;
        // Calls go to the first workers that are free, so each call keeps its worker for a while.
        let pause = |n: u64| {
            thread::sleep(PAUSE);
            n
        };
        while procs.statistics().workers.iter().any(|worker| worker.calls == 0) {
            let calls: Vec<_> = (0..workers).map(|_| procs.spawn(pause, 0)).collect();
            answers(calls.into_iter());
        }
        io::Result::Ok(procs)
    });
    let procs = procs?;
    let one = |n| procs.spawn(|n: u64| n, n);
    let alone = measure(LONE_CALLS, || assert_eq!(answers((0..LONE_CALLS).map(one)), LONE_CALLS as usize));
    let flood = measure(CALLS_AT_ONCE, || {
        let calls: Vec<_> = (0..CALLS_AT_ONCE).map(one).collect();
        assert_eq!(answers(calls.into_iter()), CALLS_AT_ONCE as usize);
    });
    let batches = measure(CALLS_AT_ONCE, || {
        assert!(procs.map(|n: u64| n, 0..CALLS_AT_ONCE).into_iter().all(|answer| answer.is_ok()));
    });
    let per_worker = start / u32::try_from(workers).unwrap_or(u32::MAX);
    let most = |[_, own]: [Duration; 2]| (1.0 / own.as_secs_f64()).round();
    println!(
        "| {workers} | {per_worker:.1?} | {:.1?} | {:.1?} | {:.1?} | {:.1?} | {:.2?} | {:.2?} | {} |",
        alone[0],
        alone[1],
        flood[0],
        flood[1],
        batches[0],
        batches[1],
        most(flood)
    );
    procs.shutdown();
    Ok(())
}

fn main() -> io::Result<()> {
    brigade_process::init();
    // Each worker takes some descriptors. If there are not enough of them, the start of the pool says so.
    let _ = brigade_process::usage::raise_descriptor_limit(65_536);
    let numbers: Vec<usize> = std::env::args().skip(1).filter_map(|number| number.parse().ok()).collect();
    println!(
        "| workers | start each | alone | of it supervisor | flood | of it supervisor | batches, an item | of it supervisor \
         | calls a second at most |"
    );
    println!("|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    let numbers = if numbers.is_empty() { vec![1, 10, 100, 1000] } else { numbers };
    numbers.into_iter().try_for_each(row)
}
