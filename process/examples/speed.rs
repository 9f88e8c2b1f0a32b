//! Measures how many calls a second the pool makes, and how long a call and its answer take.
//!
//! `cargo run --release -p brigade-process --example speed`

use brigade_process::{JoinHandle, ProcessPool};
use brigade_trace::clock::timed;

/// How many calls are under way at once.
const CALLS: u64 = 200_000;
/// How many calls are made one after the other.
const ROUND_TRIPS: u32 = 2_000;

fn main() -> std::io::Result<()> {
    // A worker is this program, started again. Here it begins to answer calls, and does not return.
    brigade_process::init();

    // A pool is there before its workers are. Two answers say that they have started.
    let (procs, start) = timed(|| {
        let procs = ProcessPool::new(2)?;
        let results = procs.map(|n: u64| n, 0..2);
        assert!(results.iter().all(Result::is_ok));
        Ok::<_, std::io::Error>(procs)
    });
    let procs = procs?;
    println!("start and two results: {start:?}");

    // All calls are under way before the first result is asked for.
    let (sum, time) = timed(|| {
        let handles: Vec<_> = (0..CALLS).map(|n| procs.spawn(|n: u64| n + 1, n)).collect();
        handles.into_iter().map(JoinHandle::join).filter_map(Result::ok).sum::<u64>()
    });
    assert_eq!(sum, CALLS * (CALLS + 1) / 2);
    println!("{:.0} calls a second", CALLS as f64 / time.as_secs_f64());

    // Each call waits for the answer before it.
    let round_trip = |n| assert_eq!(procs.spawn(|n: u32| n, n).join().ok(), Some(n));
    let ((), time) = timed(|| (0..ROUND_TRIPS).for_each(round_trip));
    println!("call and answer: {:?}", time / ROUND_TRIPS);
    procs.shutdown();
    Ok(())
}
