//! Five sums of squares: one after the other, on threads, in processes.

use super::{Mode, TASKS};
use brigade_pool::Pool;
use brigade_process::ProcessPool;
use std::hint::black_box;

/// The sum of i² for i < `n`. The optimiser knows a formula; the black box makes it do every addition.
fn sum_of_squares(n: u64) -> u128 {
    (0..n).map(u128::from).fold(0, |sum, i| black_box(sum + i * i))
}

/// Runs the experiment, from nothing to its results.
pub(crate) fn run(mode: Mode, n: u64) -> Vec<u128> {
    match mode {
        Mode::Sync => (0..TASKS).map(|_| sum_of_squares(n)).collect(),
        Mode::Threads => {
            let pool = Pool::builder().threads(TASKS).build().expect("the machine lets us start threads");
            let sums = pool.map(sum_of_squares, [n; TASKS]);
            pool.shutdown();
            sums.into_iter().flatten().collect()
        }
        Mode::Processes => {
            let procs = ProcessPool::new(TASKS).expect("the machine lets us start processes");
            let sums = procs.map(sum_of_squares, [n; TASKS]);
            procs.shutdown();
            sums.into_iter().flatten().collect()
        }
        Mode::Async => panic!("the document computes nothing on an event loop"),
    }
}
