//! Measures how many calls a second the pool makes, one a slot, and how long a call and its answer take.

use brigade_process::{JoinHandle, ProcessPool};
use brigade_trace::clock::timed;

fn main() -> std::io::Result<()> {
    brigade_process::init();
    let (procs, start) = timed(|| {
        let procs = ProcessPool::new(2)?;
        let results = procs.map(|n: u64| n, 0..2);
        assert!(results.iter().all(Result::is_ok));
        Ok::<_, std::io::Error>(procs)
    });
    let procs = procs?;
    println!("start and two results: {start:?}");
    const CALLS: u64 = 200_000;
    let (sum, time) = timed(|| {
        let handles: Vec<_> = (0..CALLS).map(|n| procs.spawn(|n: u64| n + 1, n)).collect();
        handles.into_iter().map(JoinHandle::join).filter_map(Result::ok).sum::<u64>()
    });
    assert_eq!(sum, CALLS * (CALLS + 1) / 2);
    println!("{:.0} calls a second", CALLS as f64 / time.as_secs_f64());
    let ((), time) = timed(|| (0..2_000).for_each(|n| drop(procs.spawn(|n: u64| n, n).join())));
    println!("call and answer: {:?}", time / 2_000);
    procs.shutdown();
    Ok(())
}
