//! Blocking work beside the tasks: a thread pool of the runtime's own, started when it is first needed.

use crate::{
    context,
    shim::{Mutex, lock},
};
use brigade_handle::{JoinError, JoinHandle};
use brigade_pool::Pool;
use std::{future::Future, io};

/// How many blocking calls may be under way at once. They wait more than they work, so more than there are cores.
const THREADS: usize = 64;

/// The pool of one executor.
pub(crate) struct Blocking {
    state: Mutex<State>,
}

enum State {
    NotStarted,
    Started(Pool),
    Closed,
}

impl Blocking {
    pub(crate) fn new() -> Self {
        Self { state: Mutex::new(State::NotStarted) }
    }

    fn spawn<T: Send + 'static>(&self, f: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        let mut state = lock(&self.state);
        if matches!(*state, State::NotStarted) {
            let pool = Pool::builder().threads(THREADS).name("brigade-blocking").build();
            *state = State::Started(pool.expect("the operating system has threads for blocking work"));
        }
        if let State::Started(pool) = &*state {
            return pool.spawn(f);
        }
        drop(state);
        // Where `f` is dropped no lock is held.
        let (completer, handle) = brigade_handle::pair();
        completer.complete(Err(JoinError::Cancelled));
        handle
    }

    /// Cancels what is queued, waits for what runs, ends the threads.
    pub(crate) fn close(&self) {
        let state = std::mem::replace(&mut *lock(&self.state), State::Closed);
        drop(state);
    }
}

/// Runs a closure that blocks on a thread beside the tasks.
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
    context::scheduler("spawn_blocking").blocking().spawn(f)
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
