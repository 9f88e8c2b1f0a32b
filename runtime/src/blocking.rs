//! Blocking work beside the tasks: a thread pool of the runtime's own, started when it is first needed, which grows while calls block.

use crate::{
    context,
    scheduler::Scheduler,
    shim::{AtomicUsize, Mutex, Ordering, lock},
};
use brigade_handle::{JoinError, JoinHandle, contain};
use brigade_pool::Pool;
use std::{
    future::Future,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// How many threads there are at most as long as nothing blocks. One that does makes room for a spare one.
const THREADS: usize = 2;
/// How many calls are under way at once, unless the runtime's builder says otherwise.
pub(crate) const USUAL_MOST: usize = 256;

/// The pool of one executor.
pub(crate) struct Blocking {
    /// How many calls are under way at once: at least 1.
    most: usize,
    state: Mutex<State>,
    /// Calls that have not ended. Counted only for a clock that is paused, which must not jump meanwhile.
    under_way: AtomicUsize,
}

enum State {
    NotStarted,
    Started(Pool),
    Closed,
}

impl Blocking {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, state: Mutex::new(State::NotStarted), under_way: AtomicUsize::new(0) }
    }

    fn spawn<T: Send + 'static>(&self, f: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        let mut state = lock(&self.state);
        if matches!(*state, State::NotStarted) {
            let threads = self.most.min(THREADS);
            let builder = Pool::builder().threads(threads).spares(self.most - threads);
            let pool = builder.name("brigade-blocking").build();
            *state = State::Started(pool.expect("the operating system has threads for blocking work"));
        }
        if let State::Started(pool) = &*state {
            return pool.spawn_blocking(f);
        }
        drop(state);
        // Where `f` is dropped no lock is held.
        let (completer, handle) = brigade_handle::pair();
        completer.complete(Err(JoinError::Cancelled));
        handle
    }

    /// Whether this thread is one of those that make the calls.
    pub(crate) fn is_own_thread(&self) -> bool {
        matches!(&*lock(&self.state), State::Started(pool) if pool.current_thread_index().is_some())
    }

    /// Whether no call is under way, as far as is counted.
    pub(crate) fn is_idle(&self) -> bool {
        // SeqCst, as in `UnderWay::drop`: who sees the zero sees the task that the end of the call woke.
        self.under_way.load(Ordering::SeqCst) == 0
    }

    /// Cancels what is queued, waits for what runs, ends the threads.
    pub(crate) fn close(&self) {
        let state = std::mem::replace(&mut *lock(&self.state), State::Closed);
        drop(state);
    }

    /// Runs what is queued, and ends the threads.
    pub(crate) fn drain(&self) {
        let state = std::mem::replace(&mut *lock(&self.state), State::Closed);
        if let State::Started(pool) = state {
            pool.shutdown();
        }
    }
}

/// Runs a closure that blocks on a thread beside the tasks.
///
/// Up to [`max_blocking_threads`](crate::Builder::max_blocking_threads) such calls are under way at once, 256 unless the builder says otherwise;
/// others wait in a queue, in no particular order. So calls that wait for one another, or without an end, must not be that many.
///
/// [`Runtime::shutdown`](crate::Runtime::shutdown) runs all calls that are queued, also those whose handle was dropped. Dropping the runtime
/// and [`shutdown_timeout`](crate::Runtime::shutdown_timeout) cancel those that are still queued when the tasks have ended.
///
/// # Panics
///
/// Outside of a runtime, or if the operating system has no thread left.
///
/// # Cancellation
///
/// [`JoinHandle::cancel`] takes the closure out of the queue; one that runs runs to its end. The end of the runtime
/// waits for it.
///
/// ```
/// # brigade_runtime::run(async {
/// let text = brigade_runtime::spawn_blocking(|| std::fs::read_to_string("Cargo.toml")).await.unwrap();
/// # text.unwrap();
/// # });
/// ```
#[track_caller]
pub fn spawn_blocking<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let scheduler = context::scheduler("spawn_blocking");
    if scheduler.driver().timers.clock.is_paused() {
        return spawn_counted(scheduler, f);
    }
    scheduler.blocking().spawn(f)
}

/// Holds up a clock that is paused.
struct UnderWay(Scheduler);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.blocking().under_way.fetch_sub(1, Ordering::SeqCst);
        self.0.driver().reactor.wake();
    }
}

/// Runs a closure, and counts it until the one who waits for it has been woken.
#[cold]
fn spawn_counted<F, T>(scheduler: Scheduler, f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    scheduler.blocking().under_way.fetch_add(1, Ordering::SeqCst);
    let under_way = UnderWay(scheduler.clone());
    let (completer, handle) = brigade_handle::pair();
    let counted = move || {
        let _under_way = under_way;
        let completer = completer;
        if completer.is_finished() {
            return;
        }
        let result = catch_unwind(AssertUnwindSafe(f));
        contain(|| {
            completer.complete(result.map_err(JoinError::Panicked));
        });
    };
    drop(scheduler.blocking().spawn(counted));
    handle
}

/// Makes a blocking call of the operating system beside the tasks.
#[track_caller]
pub(crate) fn unblock<T: Send + 'static>(
    call: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> impl Future<Output = io::Result<T>> + Send {
    let handle = spawn_blocking(call);
    // Only the end of the runtime fails it: the calls of this crate do not panic.
    async move { handle.await.unwrap_or_else(|error| Err(io::Error::other(error.to_string()))) }
}
