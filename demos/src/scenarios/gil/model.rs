//! A model of CPython's global interpreter lock (`Python/ceval_gil.c`).
//!
//! There is one token for all threads, and the thread that runs holds it. Between two batches of work the
//! holder checks whether another thread has requested the token. A thread that wants the token waits for the
//! switch interval and then requests it. The holder drops the token and waits until another thread has taken
//! it, so that it cannot take the token back at once. Around a blocking call a thread drops the token without
//! being asked.

use brigade_trace::{Cause, Domain, Resource, Site, Wait, clock, label};
use std::{
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// How long a thread waits before it requests the token: CPython's default (`sys.getswitchinterval`).
pub(super) const SWITCH_INTERVAL: Duration = Duration::from_millis(5);

/// The lock.
#[derive(Debug)]
pub(super) struct Gil {
    /// The token, as a trace sees it.
    token: Resource,
    state: Mutex<State>,
    /// Notified when the token is free.
    freed: Condvar,
    /// Notified when a thread has taken the token.
    taken: Condvar,
    /// A thread has waited for the switch interval. This is a hint that is cheap to read often; the state
    /// says what is true.
    drop_requested: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    held: bool,
    /// How often the token was taken.
    takes: u64,
    /// How often the token was dropped because another thread had requested it.
    handovers: u64,
}

impl Default for Gil {
    fn default() -> Self {
        Self {
            token: Resource::new(Domain::Lock),
            state: Mutex::default(),
            freed: Condvar::new(),
            taken: Condvar::new(),
            drop_requested: AtomicBool::new(false),
        }
    }
}

impl Gil {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No foreign code runs under the mutex.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // --code from here
    /// Runs `work` with the token.
    pub(super) fn hold<R>(&self, work: impl FnOnce() -> R) -> R {
        self.take();
        let result = work();
        self.give(self.lock());
        result
    }

    /// Hands the token over if another thread has requested it. A thread
    /// calls this between two batches of work, as the interpreter does at
    /// calls and at the ends of loops.
    pub(super) fn check(&self) {
        // Relaxed: to see the request a batch later is early enough.
        if self.drop_requested.load(Ordering::Relaxed) {
            let mut state = self.lock();
            state.handovers += 1;
            let takes = state.takes;
            self.drop_requested.store(false, Ordering::Relaxed);
            self.token.released_by_holder();
            state.held = false;
            self.freed.notify_one();
            // Waits until another thread has had the token. One will,
            // because a waiter cannot go away.
            while state.takes == takes {
                let woken = self.taken.wait(state);
                state = woken.unwrap_or_else(PoisonError::into_inner);
            }
            drop(state);
            self.take();
        }
    }

    /// Drops the token while `work` blocks, and takes it back.
    pub(super) fn release_during<R>(&self, work: impl FnOnce() -> R) -> R {
        self.give(self.lock());
        let result = work();
        self.take();
        result
    }
    // --code to here

    /// How often the token was dropped because another thread had requested it.
    pub(super) fn handovers(&self) -> u64 {
        self.lock().handovers
    }

    fn take(&self) {
        let mut state = self.lock();
        let mut since = (clock::now(), state.takes);
        let wait = self.record_wait(state.held);
        while state.held {
            let (next, _) =
                self.freed.wait_timeout(state, SWITCH_INTERVAL).unwrap_or_else(PoisonError::into_inner);
            state = next;
            if since.1 != state.takes {
                // Another thread has taken the token meanwhile: the interval begins anew.
                since = (clock::now(), state.takes);
            } else if state.held && since.0.elapsed() >= SWITCH_INTERVAL {
                self.drop_requested.store(true, Ordering::Relaxed);
            }
        }
        wait.end(Cause::Unlock);
        self.token.held(1);
        state.held = true;
        state.takes += 1;
        self.drop_requested.store(false, Ordering::Relaxed);
        self.taken.notify_all();
    }

    /// For a trace: this thread waits for the token if another one holds it.
    fn record_wait(&self, is_held: bool) -> Wait {
        label(self.token.id(), || "GIL".into());
        if !is_held {
            return Wait::NONE;
        }
        let wait = Wait::begin(|| self.token.id(), Cause::Unlock, Site::here());
        self.token.still_held();
        wait
    }

    fn give(&self, mut state: MutexGuard<'_, State>) {
        self.token.released_by_holder();
        state.held = false;
        self.freed.notify_one();
    }
}
