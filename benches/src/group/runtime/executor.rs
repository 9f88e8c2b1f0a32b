//! Three runtimes behind one trait, so that each bench is written once and only the runtime differs.

use smol::io::{AsyncReadExt, AsyncWriteExt};
use std::{future::Future, io, net::TcpStream, sync::Arc, thread, time::Duration};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// How many threads a runtime has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Threads {
    /// Only the thread that calls `block_on`.
    Current,
    /// This many workers beside that thread.
    Workers(usize),
}

/// A runtime.
pub(crate) trait Runtime: Sized + Sync + 'static {
    type Spawner: Spawner;

    fn start(threads: Threads) -> Self;
    fn block_on<T>(&self, future: impl Future<Output = T>) -> T;
    /// Spawns from a thread that belongs to no runtime.
    fn spawn<T: Send + 'static>(&self, future: impl Task<T>) -> impl Task<T>;
    /// The part of the runtime that its tasks use.
    fn spawner(&self) -> Self::Spawner;
}

/// A runtime from the point of view of its tasks.
pub(crate) trait Spawner: Clone + Send + Sync + 'static {
    /// Spawns from inside the runtime. The future that it returns yields the result of the task. It must be
    /// awaited or given to [`detach`](Self::detach).
    fn spawn<T: Send + 'static>(&self, future: impl Task<T>) -> impl Task<T>;
    /// Spawns a task and detaches it.
    fn detach(&self, future: impl Task<()>);
    fn yield_now() -> impl Task<()>;
    /// A timer, which is set when it is polled for the first time.
    fn sleep(time: Duration) -> impl Task<()>;
}

/// A runtime whose tasks can use sockets.
pub(crate) trait Echo: Spawner {
    /// Sends each byte back, until the client goes away. The connection does not block.
    fn echo(connection: TcpStream) -> impl Task<()>;
}

/// A future that may move to any thread.
pub(crate) trait Task<T>: Future<Output = T> + Send + 'static {}
impl<T, F: Future<Output = T> + Send + 'static> Task<T> for F {}

/// Brigade's runtime.
pub(crate) struct Brigade(brigade_runtime::Runtime);
/// Brigade's free functions.
#[derive(Clone)]
pub(crate) struct BrigadeSpawner;

impl Runtime for Brigade {
    type Spawner = BrigadeSpawner;

    fn start(threads: Threads) -> Self {
        let started = match threads {
            Threads::Current => brigade_runtime::Runtime::current_thread(),
            Threads::Workers(workers) => brigade_runtime::Runtime::multi_thread(workers),
        };
        Self(started.expect("the machine lets us start a runtime"))
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.0.block_on(future)
    }

    fn spawn<T: Send + 'static>(&self, future: impl Task<T>) -> impl Task<T> {
        let handle = self.0.spawn(future);
        async { handle.await.expect("the task does not panic") }
    }

    fn spawner(&self) -> BrigadeSpawner {
        BrigadeSpawner
    }
}

impl Spawner for BrigadeSpawner {
    fn spawn<T: Send + 'static>(&self, future: impl Task<T>) -> impl Task<T> {
        let handle = brigade_runtime::spawn(future);
        async { handle.await.expect("the task does not panic") }
    }

    fn detach(&self, future: impl Task<()>) {
        drop(brigade_runtime::spawn(future));
    }

    fn yield_now() -> impl Task<()> {
        brigade_runtime::yield_now()
    }

    fn sleep(time: Duration) -> impl Task<()> {
        brigade_runtime::sleep(time)
    }
}

impl Echo for BrigadeSpawner {
    async fn echo(connection: TcpStream) {
        let mut stream =
            brigade_runtime::net::TcpStream::from_std(connection).expect("the connection is good");
        let mut byte = [0];
        while let Ok(1) = AsyncReadExt::read(&mut stream, &mut byte).await {
            AsyncWriteExt::write_all(&mut stream, &byte).await.expect("the client waits for its byte");
        }
    }
}

/// tokio, either flavour.
pub(crate) struct Tokio(tokio::runtime::Runtime);
/// tokio's free functions.
#[derive(Clone)]
pub(crate) struct TokioSpawner;

impl Runtime for Tokio {
    type Spawner = TokioSpawner;

    fn start(threads: Threads) -> Self {
        let mut builder = match threads {
            Threads::Current => tokio::runtime::Builder::new_current_thread(),
            Threads::Workers(_) => tokio::runtime::Builder::new_multi_thread(),
        };
        if let Threads::Workers(workers) = threads {
            builder.worker_threads(workers);
        }
        Self(builder.enable_all().build().expect("the machine lets us start a runtime"))
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.0.block_on(future)
    }

    fn spawn<T: Send + 'static>(&self, future: impl Task<T>) -> impl Task<T> {
        let handle = self.0.spawn(future);
        async { handle.await.expect("the task does not panic") }
    }

    fn spawner(&self) -> TokioSpawner {
        TokioSpawner
    }
}

impl Spawner for TokioSpawner {
    fn spawn<T: Send + 'static>(&self, future: impl Task<T>) -> impl Task<T> {
        let handle = tokio::spawn(future);
        async { handle.await.expect("the task does not panic") }
    }

    fn detach(&self, future: impl Task<()>) {
        drop(tokio::spawn(future));
    }

    fn yield_now() -> impl Task<()> {
        tokio::task::yield_now()
    }

    fn sleep(time: Duration) -> impl Task<()> {
        // tokio's constructor needs a runtime, unlike the others. So it is called when the runtime polls.
        async move { tokio::time::sleep(time).await }
    }
}

impl Echo for TokioSpawner {
    async fn echo(connection: TcpStream) {
        let mut stream = tokio::net::TcpStream::from_std(connection).expect("the connection is good");
        let mut byte = [0];
        while let Ok(1) = stream.read(&mut byte).await {
            stream.write_all(&byte).await.expect("the client waits for its byte");
        }
    }
}

/// smol: its executor, run by the same number of threads.
pub(crate) struct Smol {
    executor: Arc<smol::Executor<'static>>,
    /// Ends the workers when it is dropped.
    stop: Option<smol::channel::Sender<()>>,
    workers: Vec<thread::JoinHandle<()>>,
}

/// A reference to smol's executor.
#[derive(Clone)]
pub(crate) struct SmolSpawner(Arc<smol::Executor<'static>>);

impl Runtime for Smol {
    type Spawner = SmolSpawner;

    fn start(threads: Threads) -> Self {
        let executor = Arc::new(smol::Executor::new());
        let (stop, stopped) = smol::channel::bounded(1);
        let work = |_| -> io::Result<_> {
            let (executor, stopped) = (executor.clone(), stopped.clone());
            thread::Builder::new().spawn(move || _ = smol::block_on(executor.run(stopped.recv())))
        };
        let count = if let Threads::Workers(count) = threads { count } else { 0 };
        let workers = (0..count).map(work).collect::<io::Result<_>>();
        let workers = workers.expect("the machine lets us start a thread a core");
        Self { executor, stop: Some(stop), workers }
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        if self.workers.is_empty() {
            smol::block_on(self.executor.run(future))
        } else {
            smol::block_on(future)
        }
    }

    fn spawn<T: Send + 'static>(&self, future: impl Task<T>) -> impl Task<T> {
        self.executor.spawn(future)
    }

    fn spawner(&self) -> SmolSpawner {
        SmolSpawner(self.executor.clone())
    }
}

impl Drop for Smol {
    fn drop(&mut self) {
        drop(self.stop.take());
        for worker in self.workers.drain(..) {
            // An error means that the worker panicked, which it has reported.
            let _ = worker.join();
        }
    }
}

impl Spawner for SmolSpawner {
    fn spawn<T: Send + 'static>(&self, future: impl Task<T>) -> impl Task<T> {
        self.0.spawn(future)
    }

    fn detach(&self, future: impl Task<()>) {
        self.0.spawn(future).detach();
    }

    fn yield_now() -> impl Task<()> {
        smol::future::yield_now()
    }

    fn sleep(time: Duration) -> impl Task<()> {
        async move { _ = smol::Timer::after(time).await }
    }
}

impl Echo for SmolSpawner {
    async fn echo(connection: TcpStream) {
        let mut stream = smol::Async::new(connection).expect("the connection is good");
        let mut byte = [0];
        while let Ok(1) = AsyncReadExt::read(&mut stream, &mut byte).await {
            AsyncWriteExt::write_all(&mut stream, &byte).await.expect("the client waits for its byte");
        }
    }
}
