//! Retrying refused thread starts: the operating system has refused a spare thread, and may grant one
//! later.
//!
//! A spare thread is wanted when workers are blocked inside their jobs. So it may be that no thread of
//! the pool can retry, and that no producer comes any more. One thread of the process does it, for all
//! its pools. It exists as long as one of them does, because it could be refused as well when it is
//! needed. It sleeps until a pool reports a refusal. Then it retries after pauses that grow.

use crate::registry::Registry;
use brigade_handle::fork::PerProcess;
use std::{
    io, mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak},
    thread,
    time::Duration,
};

/// The first pause. Each pause is twice as long as the one before, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// The stack of the retry thread, in bytes. It only starts threads; and where memory is short, a large
/// stack would be refused first.
const STACK_SIZE: usize = 128 << 10;

/// The thread that retries. It exists as long as this does.
#[derive(Debug)]
pub(crate) struct ThreadRetry {
    shared: Arc<Shared>,
    /// Present until `drop`.
    thread: Option<thread::JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Pools to which a thread was refused.
    refused: Vec<Weak<Registry>>,
    has_ended: bool,
}

impl State {
    fn is_idle(&mut self) -> bool {
        self.refused.is_empty() && !self.has_ended
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut pause = FIRST_PAUSE;
        let mut state = self.lock();
        loop {
            state = self.changed.wait_while(state, State::is_idle).unwrap_or_else(PoisonError::into_inner);
            let paused = self.changed.wait_timeout_while(state, pause, |state| !state.has_ended);
            state = paused.unwrap_or_else(PoisonError::into_inner).0;
            if state.has_ended {
                return;
            }
            let refused = mem::take(&mut state.refused);
            drop(state);
            refused.iter().filter_map(Weak::upgrade).for_each(|registry| registry.retry_refused());
            state = self.lock();
            // A pool whose retry was refused again has reported that.
            pause = if state.refused.is_empty() { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
        }
    }
}

impl ThreadRetry {
    /// Returns the thread of this process, which is started if there is none.
    ///
    /// # Errors
    ///
    /// Returns the operating system's error if it refuses the thread.
    pub(crate) fn get() -> io::Result<Arc<Self>> {
        static RETRY: PerProcess<Mutex<Weak<ThreadRetry>>> = PerProcess::new();
        let mut place = RETRY.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(retry) = place.upgrade() {
            return Ok(retry);
        }
        let shared = Arc::new(Shared::default());
        let theirs = shared.clone();
        let builder = thread::Builder::new().name("pool-retry".to_owned()).stack_size(STACK_SIZE);
        let thread = builder.spawn(move || {
            brigade_trace::live::helper_thread();
            theirs.run();
        })?;
        let retry = Arc::new(Self { shared, thread: Some(thread) });
        *place = Arc::downgrade(&retry);
        Ok(retry)
    }

    /// Makes the registry [retry](Registry::retry_refused) after a pause.
    pub(crate) fn report(&self, registry: Weak<Registry>) {
        let mut state = self.shared.lock();
        if !state.refused.iter().any(|other| other.ptr_eq(&registry)) {
            state.refused.push(registry);
        }
        drop(state);
        self.shared.changed.notify_one();
    }
}

/// Ends the thread and waits for it, unless this is that thread. The last pool has gone.
impl Drop for ThreadRetry {
    fn drop(&mut self) {
        self.shared.lock().has_ended = true;
        self.shared.changed.notify_one();
        let thread = self.thread.take().filter(|thread| thread.thread().id() != thread::current().id());
        // The thread does not panic.
        thread.into_iter().for_each(|thread| _ = thread.join());
    }
}
