//! The front of the pool: it has the methods of the process pool.

use super::{
    LATE, Reply, STALL, Script,
    call::{Call, Options, TypedWork},
    child::{PoolEnd, Shared, live},
};
use brigade_handle::{
    JoinError, JoinHandle,
    explore::thread::{self, ThreadHandle},
    pair_with,
};
use serde::{Serialize, de::DeserializeOwned};
use std::{fmt, io, marker::PhantomData, sync::Arc, time::Duration};

/// A pool of children that reply by a script.
///
/// Dropping it cancels the calls, as for the pool of processes. The folder's [page](super) has an example.
pub struct ProcessPool {
    shared: Arc<Shared>,
    children: Vec<ThreadHandle<()>>,
}

/// The settings of a pool.
///
/// ```
/// use brigade_explore::{Explore, children::{ProcessPool, Reply}};
///
/// Explore::new().schedules(50).check_threads(|| {
///     // The child dies under the first call, and its replacement answers the second.
///     let script = |number| if number == 0 { Reply::Die } else { Reply::Answer };
///     let procs = ProcessPool::builder().workers(1).script(script).build().unwrap();
///     assert!(procs.spawn(|n: u32| n + 1, 1).join().is_err());
///     assert_eq!(procs.spawn(|n: u32| n + 1, 1).join().unwrap(), 2);
/// });
/// ```
#[derive(Debug)]
pub struct Builder {
    workers: usize,
    script: Script,
}

impl Builder {
    /// Sets the number of children. The default is 2.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Lets children die: the oracle chooses before which calls, and after which. Replaces a script.
    #[must_use]
    pub fn deaths(self) -> Self {
        self.also(&[Reply::Die, Reply::DieAfterwards])
    }

    /// Lets answers be a minute late: the oracle chooses which. Replaces a script.
    #[must_use]
    pub fn stalls(self) -> Self {
        self.also(&[Reply::AnswerLate(STALL)])
    }

    fn also(mut self, replies: &[Reply]) -> Self {
        let mut ways = match self.script {
            Script::Chosen(ways) => ways,
            Script::Written(_) => vec![Reply::Answer],
        };
        ways.extend(replies.iter().filter(|reply| !ways.contains(reply)).copied().collect::<Vec<_>>());
        self.script = Script::Chosen(ways);
        self
    }

    /// Sets the reply to each call, by the number of the call, from 0.
    #[must_use]
    pub fn script(mut self, script: impl Fn(u64) -> Reply + Send + Sync + 'static) -> Self {
        self.script = Script::Written(Box::new(script));
        self
    }

    /// Starts the pool.
    ///
    /// # Errors
    ///
    /// Returns the operating system's error if it gives no thread.
    pub fn build(self) -> io::Result<ProcessPool> {
        let mut pool = ProcessPool { shared: Arc::new(Shared::new(self.script)), children: Vec::new() };
        for number in 0..self.workers.max(1) {
            let shared = pool.shared.clone();
            let child = thread::Builder::new().name(format!("child {number}"));
            pool.children.push(child.spawn(move || live(&shared))?);
        }
        Ok(pool)
    }
}

impl ProcessPool {
    /// Starts a pool of so many children, which answer at once or a little late.
    ///
    /// # Errors
    ///
    /// As for [`Builder::build`].
    pub fn new(workers: usize) -> io::Result<Self> {
        Self::builder().workers(workers).build()
    }

    /// Begins to configure a pool.
    #[must_use]
    pub fn builder() -> Builder {
        Builder { workers: 2, script: Script::Chosen(vec![Reply::Answer, Reply::AnswerLate(LATE)]) }
    }

    /// Has a child call `f(argument)`. `f` must capture nothing.
    ///
    /// # Errors
    ///
    /// The handle gives the errors of the process pool: `Panicked` if `f` panicked, `Lost` if the child has
    /// died or if argument or result cannot be encoded.
    ///
    /// # Cancellation
    ///
    /// Cancelling the handle removes a call that still waits for a child. A call that runs goes on, and its
    /// result stands.
    pub fn spawn<F, A, R>(&self, f: F, argument: A) -> JoinHandle<R>
    where
        F: Fn(A) -> R + Copy + Send + 'static,
        A: Serialize + DeserializeOwned + 'static,
        R: Serialize + DeserializeOwned + Send + 'static,
    {
        self.call(f, argument).spawn()
    }

    /// Begins a call with options.
    pub fn call<F, A, R>(&self, f: F, argument: A) -> CallBuilder<'_, F, A, R>
    where
        F: Fn(A) -> R,
    {
        CallBuilder { pool: self, f, argument, options: Options::default(), result: PhantomData }
    }

    /// Calls `f` for each input, and returns the results in the order of the inputs.
    ///
    /// # Errors
    ///
    /// Each result is an error for the reasons that [`spawn`](Self::spawn) names, for its input alone.
    ///
    /// # Panics
    ///
    /// Panics on a thread that must not block, such as a worker of an async executor.
    pub fn map<F, A, R>(&self, f: F, inputs: impl IntoIterator<Item = A>) -> Vec<Result<R, JoinError>>
    where
        F: Fn(A) -> R + Copy + Send + 'static,
        A: Serialize + DeserializeOwned + 'static,
        R: Serialize + DeserializeOwned + Send + 'static,
    {
        let handles: Vec<_> = inputs.into_iter().map(|input| self.spawn(f, input)).collect();
        handles.into_iter().map(JoinHandle::join).collect()
    }

    /// Takes no more calls: those that come are lost, because they were not started.
    pub fn close(&self) {
        self.shared.close();
    }

    /// Lets the children make all calls that were submitted, then ends them and returns.
    pub fn shutdown(mut self) {
        self.end(PoolEnd::Drains);
    }

    /// Does what [`shutdown`](Self::shutdown) does, by CPython's name.
    pub fn join(self) {
        self.shutdown();
    }

    /// Cancels the calls, ends the children and returns. Dropping the pool does the same.
    pub fn terminate(self) {
        drop(self);
    }

    fn end(&mut self, end: PoolEnd) {
        self.shared.end(end);
        let here = thread::current().id();
        for child in self.children.drain(..).filter(|child| child.thread().id() != here) {
            child.join().expect("a child catches the panics of its calls");
        }
    }
}

impl Drop for ProcessPool {
    fn drop(&mut self) {
        if !self.children.is_empty() {
            self.end(PoolEnd::Aborts);
        }
    }
}

impl fmt::Debug for ProcessPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessPool").field("workers", &self.children.len()).finish_non_exhaustive()
    }
}

/// A call with options that is not sent until [`spawn`](Self::spawn). Made by [`ProcessPool::call`].
#[must_use = "the call is sent by `spawn`"]
pub struct CallBuilder<'p, F, A, R> {
    pool: &'p ProcessPool,
    f: F,
    argument: A,
    options: Options,
    result: PhantomData<fn() -> R>,
}

impl<F, A, R> CallBuilder<'_, F, A, R> {
    /// Lets the call take `limit`, counted from when a child has it. Then the child is replaced, and the
    /// handle gives [`Lost::TimedOut`](brigade_handle::Lost::TimedOut).
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.options.timeout = Some(limit);
        self
    }

    /// Tries the call up to `times` more when its child dies. If the last try's child dies too, the handle
    /// gives [`Lost::Quarantined`](brigade_handle::Lost::Quarantined).
    pub fn retry(mut self, times: u32) -> Self {
        self.options.retries = times;
        self
    }

    /// Has a cancel kill the child if it has the call already.
    pub fn kill_on_cancel(mut self) -> Self {
        self.options.kills_on_cancel = true;
        self
    }

    /// Sends the call.
    ///
    /// # Errors
    ///
    /// The handle gives the errors of [`ProcessPool::spawn`] and those that the options name.
    pub fn spawn(self) -> JoinHandle<R>
    where
        F: Fn(A) -> R + Copy + Send + 'static,
        A: Serialize + DeserializeOwned + 'static,
        R: Serialize + DeserializeOwned + Send + 'static,
    {
        let Self { pool, f, argument, options, .. } = self;
        let (shared, number) = (pool.shared.clone(), pool.shared.number());
        let (completer, handle) = pair_with(move || shared.cancel(number, options.kills_on_cancel));
        match TypedWork::new(f, &argument, completer) {
            Ok(work) => pool.shared.submit(Call { number, options, deaths: 0, work: Box::new(work) }),
            Err((completer, lost)) => {
                completer.complete(Err(JoinError::lost(lost)));
            }
        }
        handle
    }
}

impl<F, A, R> fmt::Debug for CallBuilder<'_, F, A, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallBuilder").field("options", &self.options).finish_non_exhaustive()
    }
}
