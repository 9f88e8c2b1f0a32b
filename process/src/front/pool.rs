//! The pool's front: how it starts, how calls are submitted, how it ends.
//!
//! Long: half of the lines are documentation of the methods.

use crate::{
    call::{
        Call, CallOptions, Content,
        block::{Keeper, attachments},
        codec, entry,
    },
    front::{
        builder::Builder,
        call_builder::CallBuilder,
        pending::{self, OnCancel},
    },
    parent::{
        launcher::{Command, Launcher},
        output::Output,
        shared::{Orders, Shared, statistics::Statistics},
        starter::{StartQueue, Starter},
        supervisor::{self, Rules, supervise},
    },
    system::poller::Poller,
    wire::setup::Setup,
};
use brigade_handle::{JoinError, JoinHandle, Lost};
use brigade_trace::live::{self, helper_thread};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fmt, io, mem,
    sync::{Arc, mpsc},
    thread::{self, ThreadId},
};

/// A pool of worker processes that run calls.
///
/// The workers are this same executable, started anew; the first line of `main` must be
/// [`init`](crate::init). Dropping the pool cancels queued calls, kills the workers and reaps them.
/// [`shutdown`](Self::shutdown) lets them finish first.
///
/// A call completes exactly once: with its result, with its panic, or with the reason for which there is
/// neither. It starts at most once. A call with [`retry`](CallBuilder::retry) starts at least once, and if
/// it ends every worker that it is given to, the pool gives it up and says so. The end of a worker ends the
/// one call that it ran, and no other call. A worker that is stopped (by SIGSTOP, or a debugger) may go on
/// later: the call that it runs waits, and its other calls go to other workers. A
/// [`timeout`](CallBuilder::timeout) ends the wait.
///
/// ```
/// brigade_process::init();
/// let procs = brigade_process::ProcessPool::new(2).unwrap();
/// let crash = procs.spawn(|(): ()| -> u8 { std::process::abort() }, ());
/// assert!(crash.join().is_err(), "the worker is gone, and this program goes on");
/// assert_eq!(procs.spawn(|n: u64| n + 1, 1).join().unwrap(), 2);
/// procs.shutdown();
/// ```
///
/// # Functions that can be called
///
/// A worker makes the function from its type alone. So it must be a `fn` item, or a closure that captures
/// nothing: all that it needs comes in its argument. The compiler refuses a capture that has a size, and a
/// `fn` pointer:
///
/// ```compile_fail
/// let (procs, spoons) = (brigade_process::ProcessPool::new(2).unwrap(), 3);
/// procs.spawn(move |n: u64| n + spoons, 1);
/// ```
///
/// ```compile_fail
/// let procs = brigade_process::ProcessPool::new(2).unwrap();
/// procs.spawn(u64::count_ones as fn(u64) -> u32, 1);
/// ```
///
/// The compiler cannot see a value without a size that is moved into the closure. That is not allowed
/// either: the worker would have a value that nobody has made there. If the existence of such a value
/// proves something about its process to unsafe code, it would prove it in a process where it is not so.
///
/// # In a forked child
///
/// The workers stay with the parent, which notices nothing of what the child does with its copy of the
/// pool. In the child, calls give [`Lost::Forked`], and so does a handle from before the fork that would
/// have to wait. A cancel and a drop do nothing; the other methods panic. A pool that is made in the child
/// works.
///
/// # Pools in workers
///
/// A call may have a pool of its own: a worker has called [`init`](crate::init) as every process of this
/// program has. The workers of that pool end with the worker that made it.
#[doc(alias("multiprocessing.Pool", "ProcessPoolExecutor"))]
pub struct ProcessPool {
    shared: Arc<Shared>,
    threads: Option<Threads>,
    /// None once the pool was left alone in a forked child.
    blocks: Option<Keeper>,
    /// Reports what is stuck, if the variable asks for it.
    _watching: Option<live::Watching>,
}

// The state that the pool shares with its supervisor changes under locks, and no foreign code runs there.
impl std::panic::UnwindSafe for ProcessPool {}
impl std::panic::RefUnwindSafe for ProcessPool {}

/// The pool's threads.
struct Threads {
    supervisor: thread::JoinHandle<()>,
    starter: thread::JoinHandle<()>,
    start_queue: Arc<StartQueue>,
    /// The thread that calls the sink of the workers' output.
    sink: Option<ThreadId>,
}

impl ProcessPool {
    /// Starts a pool of `workers` processes, with everything else at its default.
    ///
    /// ```
    /// brigade_process::init();
    /// let procs = brigade_process::ProcessPool::new(2).unwrap();
    /// assert_eq!(procs.worker_ids().len(), 2);
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`Builder::build`].
    pub fn new(workers: usize) -> io::Result<Self> {
        Self::builder().workers(workers).build()
    }

    /// Begins to configure a pool; [`Builder::build`] starts it.
    ///
    /// ```
    /// brigade_process::init();
    /// let builder = brigade_process::ProcessPool::builder().workers(3).max_calls_per_worker(1_000);
    /// let procs = builder.build().unwrap();
    /// assert_eq!(procs.worker_ids().len(), 3);
    /// ```
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn start(
        workers: usize,
        launcher: Box<dyn Launcher>,
        command: Command,
        setup: Setup,
        output: Option<Output>,
        watching: Option<live::Watching>,
    ) -> io::Result<Self> {
        let told = |error: io::Error, what| {
            io::Error::new(error.kind(), format!("starting the pool: {what}: {error}"))
        };
        live::attachable_if_wanted();
        let shared = Shared::new(workers, setup.busy_poll).map_err(|error| told(error, "eventfd"))?;
        let shared = Arc::new(shared);
        let poller = Poller::new().map_err(|error| told(error, "epoll_create1"))?;
        let rules = Rules { workers, memory: setup.limits.memory, setup_limit: command.setup_limit };
        let start_queue = Arc::new(StartQueue::new(command.stop.clone()));
        let starter = Starter::new(shared.clone(), launcher, command, setup)?;
        let (theirs, their_start_queue) = (shared.clone(), start_queue.clone());
        let sink = output.as_ref().and_then(Output::thread);
        let run = move || supervise(&theirs, &their_start_queue, &rules, poller, output);
        let supervisor = supervisor::spawn(run).map_err(|error| told(error, "its supervisor's thread"))?;
        let (tell, hear) = mpsc::sync_channel(1);
        let their_start_queue = start_queue.clone();
        // The receiver waits for just this, so sending does not fail.
        let run = move || {
            helper_thread();
            starter.run(&their_start_queue, workers, move |started| _ = tell.send(started));
        };
        let starter = thread::Builder::new().name("brigade-starter".into()).spawn(run);
        let starter = match starter {
            Ok(starter) => starter,
            Err(error) => {
                shared.tell(|state| (state.orders, state.opening) = (Orders::Abort, false));
                let _ = supervisor.join();
                return Err(told(error, "its starter's thread"));
            }
        };
        let threads = Some(Threads { supervisor, starter, start_queue, sink });
        // If there is an error, the drop of the pool ends everything.
        let pool = Self { shared, threads, blocks: Some(Keeper::new()), _watching: watching };
        hear.recv().map_err(|_| io::Error::other("the process pool's starter died"))??;
        Ok(pool)
    }

    /// Has a worker call `f(argument)`.
    ///
    /// `f` must [capture nothing](Self#functions-that-can-be-called), not even a value without a size: it
    /// is a `fn` item or such a closure. All that it needs comes in its argument. Argument and result cross
    /// the process boundary by serde.
    ///
    /// ```
    /// brigade_process::init();
    /// let procs = brigade_process::ProcessPool::new(2).unwrap();
    /// let handle = procs.spawn(|word: String| word.len(), "parsley".to_owned());
    /// assert_eq!(handle.join().unwrap(), 7);
    /// ```
    ///
    /// # Errors
    ///
    /// The handle gives [`JoinError::Panicked`] with a [`RemotePanic`](brigade_handle::RemotePanic) if `f`
    /// panicked. It gives [`JoinError::Lost`] if the worker ended, or if argument or result could not be
    /// encoded or decoded. Neither may have more bytes than a message carries, which is 2 GiB less 1 MiB: a
    /// longer one is refused before it is sent, and the worker goes on. A [`Block`](crate::Block) may be
    /// longer.
    ///
    /// # Cancellation
    ///
    /// Cancelling the handle removes a call that still waits for a worker. A call that runs goes on, and
    /// its result stands.
    #[doc(alias("apply_async", "submit"))]
    #[track_caller]
    pub fn spawn<F, A, R>(&self, f: F, argument: A) -> JoinHandle<R>
    where
        F: Fn(A) -> R + Copy + Send + 'static,
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned + Send + 'static,
    {
        self.send(f, &argument, OnCancel::LetRun, None)
    }

    /// Begins a call with options: a time limit, retries, what a cancel does. [`CallBuilder::spawn`] sends
    /// it. `f` must [capture nothing](Self#functions-that-can-be-called).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// brigade_process::init();
    /// let procs = brigade_process::ProcessPool::new(2).unwrap();
    /// let handle = procs.call(|n: u64| n + 1, 1).timeout(Duration::from_secs(5)).retry(2).spawn();
    /// assert_eq!(handle.join().unwrap(), 2);
    /// ```
    #[doc(alias = "apply_async")]
    pub fn call<F, A, R>(&self, f: F, argument: A) -> CallBuilder<'_, F, A, R>
    where
        F: Fn(A) -> R,
    {
        CallBuilder::new(self, f, argument)
    }

    #[track_caller]
    pub(crate) fn send<F, A, R>(
        &self,
        f: F,
        argument: &A,
        on_cancel: OnCancel,
        options: Option<Box<CallOptions>>,
    ) -> JoinHandle<R>
    where
        F: Fn(A) -> R + Copy + Send + 'static,
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned + Send + 'static,
    {
        if self.shared.is_forked() {
            return failed(JoinError::lost(Lost::Forked));
        }
        let mut bytes = Vec::new();
        let (encoded, attachments) =
            attachments::packing(self.shared.blocks(), || codec::encode_argument(argument, &mut bytes));
        let encoded =
            encoded.and_then(|()| entry::name(f).map_err(|why| JoinError::lost(Lost::Codec(why.into()))));
        match encoded {
            Ok(entry::Name(name)) => {
                let (caller, handle) = pending::new(self.shared.clone(), on_cancel);
                let mut call = Call::new(name, Content::One(bytes), caller);
                (call.attachments, call.options) = (attachments, options);
                self.shared.submit(call);
                handle
            }
            Err(error) => failed(error),
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Returns the process ids of the workers that are alive now.
    ///
    /// # Panics
    ///
    /// Panics on the calling thread in a forked child.
    #[doc(alias = "active_children")]
    #[track_caller]
    pub fn worker_ids(&self) -> Vec<u32> {
        self.shared.assert_not_forked();
        self.shared.lock().worker_ids()
    }

    /// Returns what the pool has done so far, and what it has still to do.
    ///
    /// # Panics
    ///
    /// Panics on the calling thread in a forked child.
    ///
    /// ```
    /// brigade_process::init();
    /// let procs = brigade_process::ProcessPool::new(2).unwrap();
    /// procs.spawn(|n: u64| n + 1, 1).join().unwrap();
    /// assert_eq!(procs.statistics().calls, 1);
    /// ```
    #[track_caller]
    pub fn statistics(&self) -> Statistics {
        self.shared.assert_not_forked();
        self.shared.lock().statistics()
    }

    /// Takes no more calls: those that come give [`Lost::NotStarted`]. Calls that were submitted before are
    /// done. This is CPython's `close`.
    ///
    /// # Panics
    ///
    /// Panics on the calling thread in a forked child.
    ///
    /// ```
    /// brigade_process::init();
    /// let procs = brigade_process::ProcessPool::new(2).unwrap();
    /// let early = procs.spawn(|n: u64| n + 1, 1);
    /// procs.close();
    /// assert!(procs.spawn(|n: u64| n + 1, 1).join().is_err());
    /// assert_eq!(early.join().unwrap(), 2);
    /// ```
    #[track_caller]
    pub fn close(&self) {
        self.shared.assert_not_forked();
        self.shared.refuse(Lost::NotStarted("the pool is closed".into()));
    }

    /// Lets the workers finish all calls that were submitted, then ends them, reaps them and returns.
    ///
    /// # Panics
    ///
    /// Panics on the calling thread in a forked child.
    ///
    /// ```
    /// brigade_process::init();
    /// let procs = brigade_process::ProcessPool::new(2).unwrap();
    /// let handle = procs.spawn(|n: u64| n + 1, 1);
    /// procs.shutdown();
    /// assert_eq!(handle.join().unwrap(), 2);
    /// ```
    #[track_caller]
    pub fn shutdown(mut self) {
        self.shared.assert_not_forked();
        self.end(Orders::Drain);
    }

    /// Does what [`shutdown`](Self::shutdown) does, by CPython's name. CPython wants a `close` first; here
    /// nobody else can submit any more.
    ///
    /// # Panics
    ///
    /// Panics on the calling thread in a forked child.
    #[track_caller]
    pub fn join(self) {
        self.shutdown();
    }

    /// Cancels queued calls, kills the workers, reaps them and returns. Dropping the pool does the same;
    /// this is CPython's name for it.
    pub fn terminate(self) {
        drop(self);
    }

    /// Leaves everything as it is, in a forked child: the supervisor's thread is not there, and neither is
    /// a thread that may have held the blocks' lock.
    fn forget(&mut self) {
        mem::forget(self.threads.take());
        mem::forget(self.blocks.take());
    }

    fn end(&mut self, orders: Orders) {
        let Some(Threads { supervisor, starter, start_queue, sink }) = self.threads.take() else { return };
        self.shared.tell(|state| state.orders = orders);
        // A waker that drops the pool runs on the supervisor itself, which cannot wait for its own end. The
        // supervisor also waits for the sink, so the sink's thread cannot wait for the supervisor.
        let here = thread::current().id();
        if supervisor.thread().id() == here || sink == Some(here) {
            return;
        }
        // An error would be a panic, which the hook has shown. A destructor has nobody to tell.
        let _ = supervisor.join();
        // A launcher of the user's that hangs keeps its thread, and nobody else.
        if start_queue.wait_for_the_end() {
            let _ = starter.join();
        }
    }
}

impl Drop for ProcessPool {
    fn drop(&mut self) {
        if self.shared.is_forked() {
            return self.forget();
        }
        self.end(Orders::Abort);
    }
}

impl fmt::Debug for ProcessPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("ProcessPool");
        if !self.shared.is_forked() {
            shown.field("workers", &self.worker_ids());
        }
        shown.finish_non_exhaustive()
    }
}

/// A handle for a call that was refused before it was made.
fn failed<R: Send + 'static>(error: JoinError) -> JoinHandle<R> {
    let (completer, handle) = brigade_handle::pair();
    completer.complete(Err(error));
    handle
}
