//! The driver: the reactor and the timers of one executor. A thread that has nothing else to do polls it or
//! sleeps in it.

mod alarm;
pub(crate) mod conversion;
pub(crate) mod explored;
pub(crate) mod fork;
pub(crate) mod reactor;
pub(crate) mod registration;
pub(crate) mod slab;
mod slices;
pub(crate) mod source;
// Unsafe: system calls.
#[allow(unsafe_code)]
mod sys;
pub(crate) mod wake;
pub(crate) mod watched_fd;

use crate::{
    driver::{
        alarm::Alarm,
        explored::SleepLimits,
        reactor::{Poller, Reactor},
        wake::wake_all,
    },
    shim::{self, Mutex, MutexGuard, lock},
    time::{clock::Clock, timers::Timers},
};
use brigade_trace::Cause;
use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

/// The longest that an executor sleeps at a time while it ends with a broken driver: nobody can wake it then.
const MAX_SLEEP_WHEN_BROKEN: Duration = Duration::from_millis(1);

/// The reactor and the timers with which an executor waits.
pub(crate) struct Driver {
    pub(crate) reactor: Arc<Reactor>,
    pub(crate) timers: Timers,
    alarm: Alarm,
    /// `None` once the executor is gone, or if the poller broke. The thread that holds the lock drives the
    /// executor.
    poller: Mutex<Option<Poller>>,
}

/// The right to poll the driver or to sleep in it. One thread has it at a time.
pub(crate) struct DriverLock<'a> {
    driver: &'a Driver,
    poller: MutexGuard<'a, Option<Poller>>,
}

impl Driver {
    /// Makes a driver with a timer wheel for each worker and one for threads that are no workers.
    pub(crate) fn new(workers: usize, clock: Clock) -> io::Result<Self> {
        let (reactor, poller) = reactor::new()?;
        let alarm = Alarm::new(&reactor, &clock);
        let timers = Timers::new(clock, workers + 1);
        Ok(Self { reactor, timers, alarm, poller: Mutex::new(Some(poller)) })
    }

    /// Takes the driver's lock, unless another thread has it.
    pub(crate) fn try_lock(&self) -> Option<DriverLock<'_>> {
        let poller = match self.poller.try_lock() {
            Ok(poller) => poller,
            Err(std::sync::TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(std::sync::TryLockError::WouldBlock) => return None,
        };
        Some(DriverLock { driver: self, poller })
    }

    /// Makes sure that a driver which sleeps wakes up at this deadline, if not before.
    pub(crate) fn hurry(&self, deadline: Instant) {
        // A forked child shares the alarm with its parent.
        if self.reactor.is_forked() {
            return;
        }
        let clock = &self.timers.clock;
        if !self.alarm.bring_forward(clock, clock.moment_of(deadline)) {
            self.reactor.wake();
        }
    }

    /// Closes the driver's descriptors and wakes every task that waits for a source or a timer.
    pub(crate) fn close(&self) {
        lock(&self.poller).take();
        self.alarm.close();
        self.reactor.close();
        wake_all(Cause::Timer, &mut self.timers.close());
    }

    /// Wakes every thread that waits for a timer and is no worker. No such thread can set a timer any more.
    pub(crate) fn close_guest_timers(&self) {
        wake_all(Cause::Timer, &mut self.timers.close_guests());
    }
}

impl DriverLock<'_> {
    /// Wakes the tasks whose sources are ready or whose timers fire, without sleeping.
    pub(crate) fn poll_now(&mut self) {
        self.poll(SleepLimits { timers: Some(Duration::ZERO), upkeep: None }, || ());
    }

    /// Sleeps until a source is ready, a timer fires, the reactor is woken, or `at_most` is over. Then
    /// calls `awake` and wakes the tasks whose sources are ready or whose timers fire.
    pub(crate) fn sleep(&mut self, at_most: Option<Duration>, awake: impl FnOnce()) {
        let Driver { reactor, timers, alarm, .. } = self.driver;
        reactor.assert_not_forked();
        let mut left = None;
        timers.before_sleep(|next| {
            // A sleep does not move a paused clock, so no timer ends it: `advance_clock` moves that clock.
            left = if timers.clock.is_paused() { None } else { alarm.set(&timers.clock, next) };
        });
        self.poll(SleepLimits { timers: left, upkeep: at_most }, || {
            timers.after_sleep();
            awake();
        });
    }

    /// Moves a paused clock to the next timer and fires the timer. Returns false if there is no timer.
    pub(crate) fn advance_clock(&mut self) -> bool {
        let timers = &self.driver.timers;
        let Some(moment) = timers.first() else { return false };
        timers.clock.jump_to(moment);
        self.poll_now();
        true
    }

    fn poll(&mut self, limits: SleepLimits, awake: impl FnOnce()) {
        self.driver.reactor.assert_not_forked();
        let waited = match &mut *self.poller {
            Some(poller) => poller.wait(limits),
            None => {
                let limit = limits.first().unwrap_or(MAX_SLEEP_WHEN_BROKEN);
                shim::park(Some(limit.min(MAX_SLEEP_WHEN_BROKEN)));
                Ok(())
            }
        };
        awake();
        if let Err(error) = waited {
            // The executor has to end and must not panic here again, so the poller is taken out.
            self.poller.take();
            panic!("the reactor cannot wait for events, since its descriptor was closed: {error}");
        }
        if let Some(poller) = &mut *self.poller {
            poller.dispatch(&self.driver.reactor);
        }
        let mut fired = Vec::new();
        self.driver.timers.expire(&mut fired);
        wake_all(Cause::Timer, &mut fired);
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
