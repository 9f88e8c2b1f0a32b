//! The trait of the three executors: what they have in common.

use brigade_handle::{JoinError, JoinHandle};
use brigade_process::ProcessPool;
use serde::{Serialize, de::DeserializeOwned};

/// A value that may go to any executor, and so across a process boundary, too.
pub(crate) trait Value: Serialize + DeserializeOwned + Send + 'static {}
impl<T: Serialize + DeserializeOwned + Send + 'static> Value for T {}

/// A unit of work that may go to any executor: a function that captures nothing.
pub(crate) trait Work<A, R>: Fn(A) -> R + Copy + Send + Sync + 'static {}
impl<A, R, F: Fn(A) -> R + Copy + Send + Sync + 'static> Work<A, R> for F {}

pub(crate) trait Executor: Sized + 'static {
    const NAME: &'static str;
    fn start(workers: usize) -> Self;
    fn spawn<A: Value, R: Value>(&self, f: impl Work<A, R>, argument: A) -> JoinHandle<R>;
    fn map<A: Value, R: Value>(&self, f: impl Work<A, R>, inputs: Vec<A>) -> Vec<Result<R, JoinError>>;
    fn shutdown(self);
    /// Runs inside a unit of work: spawns another unit on the same executor, and returns its result.
    fn nested(n: u64) -> u64;
}

pub(crate) struct Pool(brigade_pool::Pool);
pub(crate) struct Runtime(brigade_runtime::Runtime);
pub(crate) struct Processes(ProcessPool);

impl Executor for Pool {
    const NAME: &'static str = "pool";

    fn start(workers: usize) -> Self {
        Self(brigade_pool::Pool::builder().threads(workers).build().unwrap())
    }

    fn spawn<A: Value, R: Value>(&self, f: impl Work<A, R>, argument: A) -> JoinHandle<R> {
        self.0.spawn(move || f(argument))
    }

    fn map<A: Value, R: Value>(&self, f: impl Work<A, R>, inputs: Vec<A>) -> Vec<Result<R, JoinError>> {
        self.0.map(f, inputs)
    }

    fn shutdown(self) {
        self.0.shutdown();
    }

    fn nested(n: u64) -> u64 {
        brigade_pool::spawn(move || n + 1).join().unwrap()
    }
}

impl Executor for Runtime {
    const NAME: &'static str = "runtime";

    fn start(workers: usize) -> Self {
        Self(brigade_runtime::Runtime::multi_thread(workers).unwrap())
    }

    fn spawn<A: Value, R: Value>(&self, f: impl Work<A, R>, argument: A) -> JoinHandle<R> {
        self.0.spawn(async move { f(argument) })
    }

    fn map<A: Value, R: Value>(&self, f: impl Work<A, R>, inputs: Vec<A>) -> Vec<Result<R, JoinError>> {
        self.0.map(move |input| async move { f(input) }, inputs)
    }

    fn shutdown(self) {
        self.0.shutdown();
    }

    fn nested(n: u64) -> u64 {
        // A task would await the result. A plain function on an async worker can only spawn and detach.
        drop(brigade_runtime::spawn(async move { n + 1 }));
        n + 1
    }
}

impl Executor for Processes {
    const NAME: &'static str = "process";

    fn start(workers: usize) -> Self {
        Self(ProcessPool::new(workers).unwrap())
    }

    fn spawn<A: Value, R: Value>(&self, f: impl Work<A, R>, argument: A) -> JoinHandle<R> {
        self.0.spawn(f, argument)
    }

    fn map<A: Value, R: Value>(&self, f: impl Work<A, R>, inputs: Vec<A>) -> Vec<Result<R, JoinError>> {
        self.0.map(f, inputs)
    }

    fn shutdown(self) {
        self.0.shutdown();
    }

    fn nested(n: u64) -> u64 {
        let inner = ProcessPool::new(1).unwrap();
        let result = inner.spawn(|n: u64| n + 1, n).join().unwrap();
        inner.shutdown();
        result
    }
}
