//! Handles that are awaited: in our runtime, and in another one.

use crate::path::pool;
use brigade_process::{JoinError, Lost};

async fn sum(procs: &brigade_process::ProcessPool) -> u32 {
    let mut sum = 0;
    for handle in (0..100).map(|n| procs.spawn(|n: u32| n * 2, n)).collect::<Vec<_>>() {
        sum += handle.await.unwrap();
    }
    let mapped = procs.spawn_map(|n: u32| n, 0..1_000).await.unwrap();
    assert!((0..1_000).eq(mapped.into_iter().map(Result::unwrap)));
    let lost = procs.spawn(|n: i32| -> () { std::process::exit(n) }, 3).await;
    assert!(matches!(lost, Err(JoinError::Lost(Lost::Exited { code: 3 }, _))));
    sum
}

pub(crate) fn handles_are_awaited_in_our_runtime() {
    let procs = pool(2);
    assert_eq!(brigade_runtime::run(async move { sum(&procs).await }), 9_900);
}

pub(crate) fn handles_are_awaited_in_another_runtime() {
    let procs = pool(2);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(runtime.block_on(sum(&procs)), 9_900);
}
