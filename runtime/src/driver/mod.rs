//! The driver: the reactor and the timers of one executor, turned by whichever of its threads has nothing else to do.

pub(crate) mod fork;
pub(crate) mod reactor;
pub(crate) mod registration;
pub(crate) mod slab;
pub(crate) mod source;
pub(crate) mod wake;

use crate::{
    driver::{
        reactor::{Poller, Reactor},
        wake::wake_all,
    },
    shim::{self, Mutex, MutexGuard, lock},
    time::{clock::Clock, timers::Timers},
};
use brigade_trace::Cause;
use std::{io, sync::Arc, time::Duration};

/// How long an executor that ends sleeps at a time, if its driver is broken and nobody can wake it.
const MAX_SLEEP_WHEN_BROKEN: Duration = Duration::from_millis(1);

/// What an executor waits with.
pub(crate) struct Driver {
    pub(crate) reactor: Arc<Reactor>,
    pub(crate) timers: Timers,
    /// None once the executor is gone, or if it broke. Whoever has the lock is the one who turns.
    poller: Mutex<Option<Poller>>,
}

/// The right to turn the driver.
pub(crate) struct DriverLock<'a> {
    driver: &'a Driver,
    poller: MutexGuard<'a, Option<Poller>>,
}

impl Driver {
    /// A driver with timer wheels for so many workers, and one for threads that are none.
    pub(crate) fn new(workers: usize, clock: Clock) -> io::Result<Self> {
        let (reactor, poller) = reactor::new()?;
        let timers = Timers::new(clock, workers + 1);
        Ok(Self { reactor, timers, poller: Mutex::new(Some(poller)) })
    }

    /// The right to turn, unless another thread has it.
    pub(crate) fn try_lock(&self) -> Option<DriverLock<'_>> {
        let poller = match self.poller.try_lock() {
            Ok(poller) => poller,
            Err(std::sync::TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(std::sync::TryLockError::WouldBlock) => return None,
        };
        Some(DriverLock { driver: self, poller })
    }

    /// Closes its descriptors; wakes everybody who waits for a source or a timer.
    pub(crate) fn close(&self) {
        lock(&self.poller).take();
        self.reactor.close();
        wake_all(Cause::Timer, &mut self.timers.close());
    }
}

impl DriverLock<'_> {
    /// Wakes what is ready, without sleeping.
    pub(crate) fn poll_now(&mut self) {
        self.poll(Some(Duration::ZERO), || ());
    }

    /// Sleeps until something is ready, a timer fires, the reactor is woken, or `at_most` is over; calls `awake`, and
    /// wakes what is ready.
    pub(crate) fn sleep(&mut self, at_most: Option<Duration>, awake: impl FnOnce()) {
        let timers = &self.driver.timers;
        let next = timers.before_sleep();
        // A clock that is paused is moved by who sleeps, not by the sleep.
        let until = next.filter(|_| !timers.clock.is_paused()).map(|tick| timers.clock.until(tick));
        let timeout = match (until, at_most) {
            (Some(until), Some(at_most)) => Some(until.min(at_most)),
            (until, at_most) => until.or(at_most),
        };
        self.poll(timeout, || {
            timers.after_sleep();
            awake();
        });
    }

    /// Moves a clock that is paused to the next timer, and fires it. False if there is none.
    pub(crate) fn advance_clock(&mut self) -> bool {
        let timers = &self.driver.timers;
        let Some(tick) = timers.first() else { return false };
        timers.clock.jump_to(tick);
        self.poll_now();
        true
    }

    fn poll(&mut self, timeout: Option<Duration>, awake: impl FnOnce()) {
        self.driver.reactor.assert_not_forked();
        let waited = match &mut *self.poller {
            Some(poller) => poller.wait(timeout),
            None => {
                shim::park(Some(
                    timeout.map_or(MAX_SLEEP_WHEN_BROKEN, |timeout| timeout.min(MAX_SLEEP_WHEN_BROKEN)),
                ));
                Ok(())
            }
        };
        awake();
        if let Err(error) = waited {
            // Once: the executor has to end, and must not come here again.
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
