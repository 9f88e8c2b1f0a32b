//! `run`: a runtime for one future.

use crate::executor::{block_on, runtime::Runtime};
use std::future::Future;

/// Runs a future to its end on this thread, together with all tasks that it spawns.
///
/// It corresponds to `asyncio.run` in Python. When the future is ready, the tasks that are left are
/// cancelled, and their destructors have run before this returns. Each call makes a fresh runtime, so a
/// second call works like the first.
///
/// # Panics
///
/// Panics in the caller:
///
/// * with the future's panic, if the future panics;
/// * if this thread is inside a runtime already. One thread cannot sleep in two runtimes: use `.await` there;
/// * if the operating system has no descriptors left.
///
/// # Example
///
/// ```
/// let answer = brigade_runtime::run(async {
///     let six = brigade_runtime::spawn(async { 6 });
///     six.await.unwrap() * 7
/// });
/// assert_eq!(answer, 42);
/// ```
#[doc(alias("block_on", "asyncio.run", "tokio::main"))]
#[track_caller]
pub fn run<F: Future>(future: F) -> F::Output {
    block_on::assert_outside("run");
    match Runtime::current_thread() {
        Ok(runtime) => runtime.block_on(future),
        Err(error) => panic!("a runtime needs descriptors for epoll: {error}"),
    }
}
