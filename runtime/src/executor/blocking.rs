//! Blocking work beside the tasks: a thread pool of the runtime's own. It is started when it is first
//! needed, and grows while calls block.
//!
//! There are two kinds of calls. A **cancellable** call that is still queued when the runtime ends is
//! dropped: `spawn_blocking`, a read. An **accepted** call was acknowledged to the program, such as a write
//! for which a future said `Ok`. It is made whichever way the runtime ends: the pool drops what is queued,
//! and an accepted call that is dropped makes itself ([`Accepted`]).
//!
//! Long: both kinds of calls go the same way, which is told here once.

use crate::{
    executor::{
        context,
        reference::ExecutorHandle,
        running_call::{RunningCall, RunningCount},
    },
    shim::{AtomicUsize, Mutex, Ordering, lock},
    time::elapsed::Elapsed,
};
use brigade_handle::{Completer, JoinError, JoinHandle, Lost, contain, wait};
use brigade_pool::Pool;
use brigade_trace::{Site, clock};
use std::{
    future::{Future, poll_fn},
    io,
    panic::{AssertUnwindSafe, Location, catch_unwind},
    sync::{Arc, Condvar, PoisonError},
    time::{Duration, Instant},
};

/// The most threads while nothing blocks. A thread that blocks makes room for a spare one.
const MAX_CORE_THREADS: usize = 2;
/// The most calls that run at once, unless the builder of the runtime says otherwise.
pub(crate) const DEFAULT_MAX_BLOCKING_CALLS: usize = 256;
/// The time for which a shutdown that has run out of time still waits for accepted calls.
const ACCEPTED_GRACE_PERIOD: Duration = Duration::from_millis(500);

/// The pool of one executor.
pub(crate) struct Blocking {
    /// The most calls that run at once, at least 1.
    most: usize,
    state: Mutex<State>,
    /// The number of calls that run. It is kept only for a paused clock, which must not jump meanwhile.
    running: RunningCount,
    /// The accepted calls that have not been made.
    accepted: Arc<AcceptedCount>,
}

enum State {
    NotStarted,
    Started(Pool),
    Closed,
}

/// Why a call was not taken in.
#[derive(Debug)]
enum Refused {
    /// The runtime ends.
    Closed,
    /// The operating system has no thread for the pool. The next call asks again.
    NoThread(io::Error),
}

impl Refused {
    fn into_join_error(self) -> JoinError {
        match self {
            Self::Closed => JoinError::cancelled(),
            Self::NoThread(error) => JoinError::lost(Lost::NotStarted(error.to_string().into())),
        }
    }
}

/// The fate of a call that is queued when the runtime ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is cancelled.
    Cancellable,
    /// It runs all the same.
    Accepted,
}

impl Blocking {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            state: Mutex::new(State::NotStarted),
            running: Arc::new(AtomicUsize::new(0)),
            accepted: Arc::default(),
        }
    }

    /// Hands a call to the pool, which is started if it has not been.
    fn with_pool<R>(&self, submit: impl FnOnce(&Pool) -> R) -> Result<R, Refused> {
        let mut state = lock(&self.state);
        if matches!(*state, State::NotStarted) {
            *state = State::Started(self.start().map_err(Refused::NoThread)?);
        }
        match &*state {
            State::Started(pool) => Ok(submit(pool)),
            _ => Err(Refused::Closed),
        }
    }

    /// Starts the pool. One thread is enough: a call that finds no other is queued behind it.
    fn start(&self) -> io::Result<Pool> {
        let start = |threads: usize| {
            let builder = Pool::builder().for_blocking_calls().name("brigade-blocking");
            builder.threads(threads).spares(self.most - threads).build()
        };
        start(self.most.min(MAX_CORE_THREADS)).or_else(|_| start(1))
    }

    /// Tells whether this thread is one of those that make the calls.
    pub(crate) fn is_own_thread(&self) -> bool {
        matches!(&*lock(&self.state), State::Started(pool) if pool.current_thread_index().is_some())
    }

    /// Tells whether no call runs, as far as calls are counted.
    pub(crate) fn is_idle(&self) -> bool {
        // SeqCst, as in `RunningCall::drop`: a thread that sees the zero sees the task that the end of the
        // call woke.
        self.running.load(Ordering::SeqCst) == 0
    }

    pub(super) fn running(&self) -> &RunningCount {
        &self.running
    }

    /// Cancels queued calls that were not accepted, waits for those that run, and ends the threads.
    pub(crate) fn close(&self) {
        drop(self.take());
    }

    /// Takes the pool, if there is one. No call is taken in from now on.
    fn take(&self) -> State {
        std::mem::replace(&mut *lock(&self.state), State::Closed)
    }

    /// Cancels queued calls that were not accepted, waits until the deadline for calls that run, and ends
    /// the threads. Returns `Elapsed` if some threads have not ended by the deadline: they are left behind.
    /// It then waits for accepted calls, for at most [`ACCEPTED_GRACE_PERIOD`]; those that take longer are
    /// left behind as well.
    pub(crate) fn close_by(&self, deadline: Option<Instant>) -> Result<(), Elapsed> {
        let State::Started(pool) = self.take() else { return Ok(()) };
        let left = deadline.map(|deadline| deadline.saturating_duration_since(clock::now()));
        if pool.shutdown_timeout(left.unwrap_or(Duration::MAX)) {
            return Ok(());
        }
        self.accepted.wait_until_none(clock::now() + ACCEPTED_GRACE_PERIOD);
        Err(Elapsed)
    }

    /// Cancels queued calls that were not accepted, and waits for nothing. Calls that run are left behind.
    pub(crate) fn close_without_waiting(&self) {
        if let State::Started(pool) = self.take() {
            pool.shutdown_timeout(Duration::ZERO);
        }
    }

    /// Runs what is queued, and ends the threads.
    pub(crate) fn drain(&self) {
        if let State::Started(pool) = self.take() {
            pool.shutdown();
        }
    }
}

/// Runs a blocking closure on a thread beside the tasks.
///
/// Up to [`max_blocking_threads`](crate::Builder::max_blocking_threads) such calls run at once (256 by
/// default). More calls wait in a queue, in no particular order. So the number of calls that wait for one
/// another, or that never end, must stay below this bound.
///
/// [`Runtime::shutdown`](crate::Runtime::shutdown) runs all queued calls, also those whose handle was
/// dropped. Every other end of the runtime cancels the calls that are still queued when the tasks have
/// ended: see [`Runtime`](crate::Runtime#how-it-ends).
///
/// The closure is inside of the runtime: by [`Handle::current`](crate::Handle::current) it may await sleeps,
/// on a [paused clock](crate::Builder::paused_clock), too. The last calls of a current-thread runtime have no
/// timers: sleeps panic there.
///
/// If the operating system refuses a thread, the call waits for one of the runtime's threads that make such
/// calls. If there is no such thread either, the handle returns [`Lost`](JoinError::Lost) with the reason.
/// A later call tries again.
///
/// # Panics
///
/// Panics outside of a runtime. A panic of the closure goes to the handle.
///
/// # Cancellation
///
/// [`JoinHandle::cancel`] takes the closure out of the queue. A closure that runs already runs to its end.
/// The end of the runtime waits for it, unless that end has a deadline or waits for nobody.
///
/// ```
/// # brigade_runtime::run(async {
/// let text = brigade_runtime::spawn_blocking(|| std::fs::read_to_string("Cargo.toml")).await.unwrap();
/// # text.unwrap();
/// # });
/// ```
#[doc(alias("to_thread", "run_in_executor", "unblock", "block_in_place"))]
#[track_caller]
pub fn spawn_blocking<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    spawn_blocking_on(&context::executor("spawn_blocking"), f, Location::caller())
}

/// Runs a closure of the program, inside of the runtime. It is spawned at this place.
pub(crate) fn spawn_blocking_on<F, T>(
    executor: &ExecutorHandle,
    f: F,
    at: &'static Location<'static>,
) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let inside = executor.clone();
    let call = move || {
        let _entered = context::enter_as_guest(&inside);
        f()
    };
    call_or_error(executor, call, at)
}

fn call_or_error<F, T>(executor: &ExecutorHandle, call: F, at: &'static Location<'static>) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    submit(executor, Fate::Cancellable, || call, at).unwrap_or_else(|refused| {
        let (completer, handle) = brigade_handle::pair();
        completer.complete(Err(refused.into_join_error()));
        handle
    })
}

/// Begins a blocking call. `make` makes the closure, if there is a thread for it; `what` names the
/// operation in an error. Panics outside of a runtime.
#[track_caller]
pub(crate) fn begin<F, T>(what: &str, fate: Fate, make: impl FnOnce() -> F) -> io::Result<JoinHandle<T>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let executor = context::executor(what);
    submit(&executor, fate, make, place()).map_err(|refused| io_error(what, &refused.into_join_error()))
}

/// Makes a blocking call of the operating system beside the tasks. `what` names it in an error.
#[track_caller]
pub(crate) fn unblock<T: Send + 'static>(
    what: &'static str,
    call: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> impl Future<Output = io::Result<T>> + Send {
    let at = place();
    let mut handle = call_or_error(&context::executor("spawn_blocking"), call, at);
    async move {
        let joined = poll_fn(|cx| handle.poll_at(cx, at)).await;
        joined.unwrap_or_else(|error| Err(io_error(what, &error)))
    }
}

/// The place of a call or a wait that this crate makes for the program: the line that spawned the task,
/// because an async function does not know its caller.
#[track_caller]
pub(crate) fn place() -> &'static Location<'static> {
    Site::of_current().location().unwrap_or(Location::caller())
}

/// Turns the reason why a blocking call was not made into an I/O error.
///
/// The error does not have the kind of the operating system's reason. With too many threads that would be
/// `WouldBlock`, which tells callers to wait for readiness.
pub(crate) fn io_error(what: &str, error: &JoinError) -> io::Error {
    match error {
        JoinError::Lost(Lost::NotStarted(reason), _) => {
            io::Error::new(io::ErrorKind::QuotaExceeded, format!("{what}: {reason}"))
        }
        JoinError::Cancelled(_) => io::Error::other(format!("{what}: the runtime has ended")),
        other => io::Error::other(format!("{what}: {other}")),
    }
}

fn submit<F, T>(
    executor: &ExecutorHandle,
    fate: Fate,
    make: impl FnOnce() -> F,
    at: &'static Location<'static>,
) -> Result<JoinHandle<T>, Refused>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let is_counted = executor.driver().timers.clock.is_paused();
    executor.blocking().with_pool(|pool| {
        if fate == Fate::Cancellable && !is_counted {
            return pool.spawn_blocking_at(make(), at);
        }
        let (call, handle) = BlockingCall::new(make(), is_counted.then(|| RunningCall::begin(executor)));
        match fate {
            Fate::Cancellable => pool.spawn_detached_at(move || call.make(), at),
            Fate::Accepted => {
                let accepted = Accepted {
                    call: Some(call),
                    _pending: PendingAccepted::begin(&executor.blocking().accepted),
                };
                pool.spawn_detached_at(move || drop(accepted), at);
            }
        }
        handle
    })
}

/// A closure, and the way to tell its result. If it is dropped, the handle says that the call was
/// cancelled.
struct BlockingCall<F, T> {
    closure: Option<F>,
    /// None once it is completed.
    completer: Option<Completer<T>>,
    running: Option<RunningCall>,
}

impl<F: FnOnce() -> T, T: Send + 'static> BlockingCall<F, T> {
    fn new(closure: F, running: Option<RunningCall>) -> (Self, JoinHandle<T>) {
        let (completer, handle) = brigade_handle::pair();
        (Self { closure: Some(closure), completer: Some(completer), running }, handle)
    }

    fn make(mut self) {
        if self.completer.as_ref().is_some_and(Completer::is_finished) {
            return;
        }
        let closure = self.closure.take().expect("it is called once");
        let marked = self.running.as_ref().map(RunningCall::mark_thread);
        let result = brigade_pool::blocking(|| catch_unwind(AssertUnwindSafe(closure)));
        drop(marked);
        // This comes after the block ends: the task that is woken may bring the next call, and this thread
        // is free for it then.
        self.complete(result.map_err(JoinError::panicked));
    }
}

impl<F, T> BlockingCall<F, T> {
    fn complete(&mut self, result: Result<T, JoinError>) {
        let completer = self.completer.take();
        contain(|| _ = completer.map(|completer| completer.complete(result)));
    }
}

impl<F, T> Drop for BlockingCall<F, T> {
    fn drop(&mut self) {
        if self.completer.is_some() {
            self.complete(Err(JoinError::cancelled()));
        }
    }
}

/// The number of accepted calls that have not been made.
#[derive(Default)]
struct AcceptedCount {
    calls: std::sync::Mutex<usize>,
    none_left: Condvar,
}

impl AcceptedCount {
    fn calls(&self) -> std::sync::MutexGuard<'_, usize> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_until_none(&self, deadline: Instant) {
        let _away = wait::away();
        // A condition variable is no choice point.
        #[cfg(feature = "explore")]
        while brigade_handle::explore::is_managed() && *self.calls() > 0 && clock::now() < deadline {
            crate::shim::os_thread::sleep(Duration::from_millis(1));
        }
        let left = deadline.saturating_duration_since(clock::now());
        let timed_out = self.none_left.wait_timeout_while(self.calls(), left, |calls| *calls > 0);
        drop(timed_out);
    }
}

/// One accepted call, counted until it has been made.
struct PendingAccepted(Arc<AcceptedCount>);

impl PendingAccepted {
    fn begin(accepted: &Arc<AcceptedCount>) -> Self {
        *accepted.calls() += 1;
        Self(accepted.clone())
    }
}

impl Drop for PendingAccepted {
    fn drop(&mut self) {
        let mut calls = self.0.calls();
        *calls -= 1;
        if *calls == 0 {
            self.0.none_left.notify_all();
        }
    }
}

/// An accepted call. Dropping it makes the call. So any thread that takes it out of the queue of the pool
/// makes it, whether to run it or to cancel it.
struct Accepted<F: FnOnce() -> T, T: Send + 'static> {
    call: Option<BlockingCall<F, T>>,
    /// Dropped after the call has been made.
    _pending: PendingAccepted,
}

impl<F: FnOnce() -> T, T: Send + 'static> Drop for Accepted<F, T> {
    fn drop(&mut self) {
        self.call.take().expect("it is dropped once").make();
    }
}
