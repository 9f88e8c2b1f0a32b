//! The alarm: it ends the driver's sleep at the moment of the first timer, to the microsecond.
//!
//! The timeout of epoll counts in milliseconds, and the kernel adds the slack of the thread, 50 µs. A timerfd
//! counts in nanoseconds and has no slack. So on Linux the driver sleeps without a timeout for its timers,
//! and the reactor watches a timerfd. Setting it is a system call, but it stays set while the first timer is
//! the same: a server whose timeouts are far away sets it seldom. Another thread can set it to an earlier
//! moment while the driver sleeps, and so need not wake the driver.
//!
//! Where there is no timerfd (kqueue, or a sandbox that forbids it), the driver passes a timeout to the
//! reactor, and a thread that sets an earlier timer wakes the driver.
//!
//! While the driver sleeps, the timerfd is set to `goes_off`, and becomes readable then; [`NEVER`] says that
//! it is not set. Setting it again takes a readiness back that epoll has not reported. So an alarm is never
//! put off while the driver sleeps, even if its moment has passed: the driver is about to wake from it, and
//! looks at all timers. Only the driver itself sets it to a later moment, before each sleep.
//!
//! The timerfd is never early: the time that is left is computed before the kernel starts to count.

use crate::{
    driver::{reactor::Reactor, sys::Timerfd},
    shim::{Mutex, lock},
    time::clock::{Clock, NEVER},
};
use std::{os::fd::AsFd, time::Duration};

/// The alarm of one driver.
pub(super) struct Alarm(Mutex<Setting>);

struct Setting {
    /// `None` where there is no such clock, and once the executor is gone.
    clock: Option<Timerfd>,
    /// The moment at which the clock goes off, or [`NEVER`].
    goes_off: u64,
}

impl Alarm {
    /// Makes an alarm that the reactor watches, if the operating system has one. The timers of a paused clock
    /// need none.
    pub(super) fn new(reactor: &Reactor, clock: &Clock) -> Self {
        let watched = |clock: &Timerfd| reactor.watch_alarm(clock.as_fd()).is_ok();
        // The time of an explored run is not the system's.
        #[cfg(feature = "explore")]
        if brigade_handle::explore::is_managed() {
            return Self(Mutex::new(Setting { clock: None, goes_off: NEVER }));
        }
        let clock = if clock.is_paused() { None } else { Timerfd::new().ok().filter(watched) };
        Self(Mutex::new(Setting { clock, goes_off: NEVER }))
    }

    /// Sets the alarm before the driver sleeps until `when`. Returns the timeout that the sleep needs beside
    /// the alarm: zero if the moment has come already, and all the time that is left if there is no alarm.
    pub(super) fn set(&self, clock: &Clock, when: u64) -> Option<Duration> {
        let mut setting = lock(&self.0);
        if when == NEVER {
            setting.goes_off = NEVER;
            return None;
        }
        let now = clock.moment_now();
        if when <= now {
            setting.goes_off = NEVER;
            Some(Duration::ZERO)
        } else if setting.goes_off == when || setting.set(when, now) {
            None
        } else {
            Some(clock.until(when))
        }
    }

    /// Lets the alarm go off at this moment if it would be later. Returns false if there is no alarm.
    pub(super) fn bring_forward(&self, clock: &Clock, when: u64) -> bool {
        let mut setting = lock(&self.0);
        setting.goes_off <= when || setting.set(when, clock.moment_now())
    }

    /// Closes the descriptor.
    pub(super) fn close(&self) {
        *lock(&self.0) = Setting { clock: None, goes_off: NEVER };
    }
}

impl Setting {
    fn set(&mut self, when: u64, now: u64) -> bool {
        // Moments count in nanoseconds as long as the machine runs.
        let left = Duration::from_nanos(when.saturating_sub(now));
        let is_set = self.clock.as_ref().is_some_and(|clock| clock.set(left).is_ok());
        self.goes_off = if is_set { when } else { NEVER };
        is_set
    }
}
