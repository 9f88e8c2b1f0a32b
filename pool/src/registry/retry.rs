//! Trying again: the operating system has refused a spare thread, and may have one later.
//!
//! A spare thread is wanted when workers are blocked inside their jobs, so it may be that no thread of the pool can try again, and that
//! no producer comes any more. One thread of the process does it, for all its pools. It is there as long as one of them is, since it could be
//! refused as well when it is needed. It sleeps until a pool reports a refusal; then it tries again after pauses that grow.

use crate::registry::Registry;
use brigade_handle::fork::PerProcess;
use std::{
    io, mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak},
    thread,
    time::Duration,
};

/// The first pause. Each one is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// In bytes. It only starts threads, and where memory is short a large stack would be refused to it first.
const STACK_SIZE: usize = 128 << 10;

/// Keeps the thread there.
#[derive(Debug)]
pub(crate) struct ThreadRetry {
    shared: Arc<Shared>,
    /// There until `drop`.
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
            // Those to which it was refused again have reported that.
            pause = if state.refused.is_empty() { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
        }
    }
}

impl ThreadRetry {
    /// The thread of this process, which is started if there is none.
    ///
    /// # Errors
    ///
    /// If the operating system refuses the thread.
    pub(crate) fn get() -> io::Result<Arc<Self>> {
        static RETRY: PerProcess<Mutex<Weak<ThreadRetry>>> = PerProcess::new();
        let mut place = RETRY.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(retry) = place.upgrade() {
            return Ok(retry);
        }
        let shared = Arc::new(Shared::default());
        let theirs = shared.clone();
        let builder = thread::Builder::new().name("pool-retry".to_owned()).stack_size(STACK_SIZE);
        let thread = builder.spawn(move || theirs.run())?;
        let retry = Arc::new(Self { shared, thread: Some(thread) });
        *place = Arc::downgrade(&retry);
        Ok(retry)
    }

    /// Has the crew [try again](Registry::try_again) after a pause.
    pub(crate) fn report(&self, registry: Weak<Registry>) {
        let mut state = self.shared.lock();
        if !state.refused.iter().any(|other| other.ptr_eq(&registry)) {
            state.refused.push(registry);
        }
        drop(state);
        self.shared.changed.notify_one();
    }
}

/// The last pool has gone: waits for the thread to end, unless this is it.
impl Drop for ThreadRetry {
    fn drop(&mut self) {
        self.shared.lock().has_ended = true;
        self.shared.changed.notify_one();
        let thread = self.thread.take().filter(|thread| thread.thread().id() != thread::current().id());
        // It does not panic.
        thread.into_iter().for_each(|thread| _ = thread.join());
    }
}
