//! Workers behind `mpirun`.

use crate::machine::pool;
use brigade_process::Argv;

pub(crate) fn workers_behind_mpirun_answer() {
    // The tests run as root, which mpirun wants to be told.
    let mpirun = ["mpirun", "--allow-run-as-root", "--oversubscribe", "-n", "1"];
    let procs = pool(2, Argv::new(mpirun));
    let squares = procs.map(|n: u64| n * n, 0..1_000);
    assert!(squares.into_iter().map(Result::unwrap).eq((0..1_000).map(|n| n * n)));
    let text = "soup".repeat(1 << 20);
    assert_eq!(procs.spawn(|text: String| text.len(), text).join().unwrap(), 4 << 20);
    procs.shutdown();
}
