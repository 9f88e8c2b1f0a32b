//! A model of CPython's global interpreter lock (`Python/ceval_gil.c`).
//!
//! One token for all threads. Who runs holds it, and looks between two batches of work whether somebody has asked for it.
//! Who wants it waits for the switch interval, and then asks; the holder gives it up and waits until another has it, so that
//! it cannot take it back at once. Around a blocking call the token is given up unasked.

use brigade_trace::clock;
use std::{
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// How long a thread waits before it asks: CPython's default (`sys.getswitchinterval`).
pub(super) const SWITCH_INTERVAL: Duration = Duration::from_millis(5);

/// The lock.
#[derive(Debug, Default)]
pub(super) struct Gil {
    state: Mutex<State>,
    /// The token is free.
    freed: Condvar,
    /// Somebody has taken the token.
    taken: Condvar,
    /// Somebody has waited long enough. Only a hint that is read often: the state says what is true.
    drop_requested: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    held: bool,
    /// How often the token was taken.
    takes: u64,
    /// How often it was given up because somebody asked.
    handovers: u64,
}

impl Gil {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No foreign code runs under the mutex.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` with the token.
    pub(super) fn hold<R>(&self, work: impl FnOnce() -> R) -> R {
        self.take();
        let result = work();
        self.give(self.lock());
        result
    }

    /// Called between two batches of work, as the interpreter does between bytecodes: hands over if somebody has asked.
    pub(super) fn check(&self) {
        // Relaxed: seen a batch later is early enough.
        if self.drop_requested.load(Ordering::Relaxed) {
            let mut state = self.lock();
            state.handovers += 1;
            let takes = state.takes;
            self.drop_requested.store(false, Ordering::Relaxed);
            state.held = false;
            self.freed.notify_one();
            // Forced: not before another has had it. A waiter cannot go away, so another will.
            while state.takes == takes {
                state = self.taken.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            drop(state);
            self.take();
        }
    }

    /// Gives the token up while `work` blocks, and takes it back.
    pub(super) fn release_during<R>(&self, work: impl FnOnce() -> R) -> R {
        self.give(self.lock());
        let result = work();
        self.take();
        result
    }

    /// How often it was handed over because somebody had asked.
    pub(super) fn handovers(&self) -> u64 {
        self.lock().handovers
    }

    fn take(&self) {
        let mut state = self.lock();
        let mut since = (clock::now(), state.takes);
        while state.held {
            let (next, _) =
                self.freed.wait_timeout(state, SWITCH_INTERVAL).unwrap_or_else(PoisonError::into_inner);
            state = next;
            if since.1 != state.takes {
                // Somebody else had a turn meanwhile: the interval begins anew.
                since = (clock::now(), state.takes);
            } else if state.held && since.0.elapsed() >= SWITCH_INTERVAL {
                self.drop_requested.store(true, Ordering::Relaxed);
            }
        }
        state.held = true;
        state.takes += 1;
        self.drop_requested.store(false, Ordering::Relaxed);
        self.taken.notify_all();
    }

    fn give(&self, mut state: MutexGuard<'_, State>) {
        state.held = false;
        self.freed.notify_one();
    }
}
