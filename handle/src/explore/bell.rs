//! The bell of a driver: what a reactor's wake-up is within a run.

use super::{
    baton,
    thread::{self, Thread},
    virtual_time::TimeLimits,
};
use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

/// A place for one thread at a time to wait until others ring.
#[derive(Debug, Default)]
pub struct Bell {
    // Relaxed everywhere: only the thread that has the baton touches it.
    has_rung: AtomicBool,
    sleeper: Mutex<Option<Thread>>,
}

impl Bell {
    /// Ends the wait of the thread that waits. If none does, ends the next wait at once.
    pub fn ring(&self) {
        super::point();
        self.has_rung.store(true, Relaxed);
        if let Some(sleeper) = &*self.lock_sleeper() {
            sleeper.unpark();
        }
    }

    /// Waits until somebody rings, for `at_most`, or for the time of `upkeep`, which no user has asked for.
    /// It may end early for no reason.
    pub fn wait(&self, at_most: Option<Duration>, upkeep: Option<Duration>) {
        super::point();
        *self.lock_sleeper() = Some(thread::current());
        let is_zero = |time: Option<Duration>| time.is_some_and(|time| time.is_zero());
        if !self.has_rung.load(Relaxed) && !is_zero(at_most) && !is_zero(upkeep) {
            baton::park(TimeLimits::after(at_most, upkeep));
        }
        self.has_rung.store(false, Relaxed);
        *self.lock_sleeper() = None;
    }

    fn lock_sleeper(&self) -> MutexGuard<'_, Option<Thread>> {
        self.sleeper.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
