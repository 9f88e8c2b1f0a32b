//! The sleep of a worker: where it sleeps, what it looks at when it watches, and how the driver is handed
//! over.
//!
//! A worker that falls asleep takes the place in the driver if it is free. Once it sleeps on its thread, it
//! goes to the driver in two cases only, because a driver that wanders from worker to worker costs a wake-up
//! each time:
//!
//! * It watches, and nobody has been in the driver from one look to the next.
//! * It is called. A worker that had a long poll of late calls another one when it leaves the driver, or when
//!   it finds the driver empty: the next poll may be long as well, and timers and sockets should not wait for
//!   it.
//!
//! So an event waits for a worker's long poll for [`WATCH_INTERVAL`] and [`SECOND_LOOK`] at most, and if a
//! poll shortly before was long as well, for the time of a wake-up. A task in a LIFO slot may wait for two
//! [`WATCH_INTERVAL`]s: if the only watcher sleeps in the driver, its [`SECOND_LOOK`] comes after a whole
//! millisecond, because epoll counts in milliseconds.
//!
//! A worker that leaves the driver's lock wakes up or tries to take it again. So the driver is never left
//! empty while all workers sleep: a worker that finds the lock taken may rely on the one that has it.
//!
//! # The rhythm of a watcher
//!
//! A watcher compares each look with the one before. If a look finds something suspicious, the next one comes
//! after [`SECOND_LOOK`], but only once: the look after that comes after [`WATCH_INTERVAL`] again. Beside a
//! busy worker that polls the driver without sleeping there, each look is suspicious. A watcher that always
//! hurried would wake ten thousand times a second.
//!
//! A watcher in an idle runtime stops, or plans one look after the next timer (`idle.rs`).
//!
//! ```text
//!   looks    |         1 ms         |.|         1 ms         |.|
//!                        ^ stuck from here: seen by the first look after it, taken at the second
//! ```

use super::{Wakes, Worker};
use crate::executor::multi_thread::{
    idle::{Awake, WATCH_INTERVAL, Watch},
    parker::{WakeReason, WakeReasons},
};
use brigade_trace::{park, unpark};
use std::time::Duration;

/// The time after which a watcher looks for a second time at something that it suspects to be stuck.
const SECOND_LOOK: Duration = Duration::from_micros(100);

/// The state that a sleeping worker keeps from one sleep to the next.
struct Asleep {
    watch: Watch,
    /// Whether the worker may take the place in the driver.
    may_drive: bool,
    /// Whether the last look found something that may be stuck, so that the next one comes soon.
    suspects: bool,
    /// Whether the worker has slept, or looked into the driver.
    has_slept: bool,
}

/// The findings of a watcher.
#[derive(Default)]
struct Look {
    /// A task lies in a LIFO slot, or nobody is in the driver.
    is_suspicious: bool,
    /// A task in a LIFO slot was there at the last look.
    task_is_stuck: bool,
    /// Nobody was in the driver since the last look.
    driver_is_empty: bool,
}

impl Worker {
    /// Sleeps until there is something to do. The worker sleeps in the driver if no other thread does.
    #[cold]
    pub(super) fn sleep(&self) {
        let shared = &self.shared;
        let clock = &shared.driver.timers.clock;
        let began = clock.now();
        self.queue.end_round();
        self.suspect.clear();
        let id = self.id();
        let watch = shared.idle.fall_asleep(self.index, self.awake.replace(Awake::Working));
        // Rule 3 of `idle.rs`. The worker that is woken may be this one.
        if shared.has_tasks() {
            shared.notify(Some(self.index));
        }
        shared.owned.wake_if_empty();
        park(id);
        let mut sleep = Asleep { watch, may_drive: true, suspects: false, has_slept: false };
        while !self.sleep_once(&mut sleep) {}
        unpark(id);
        let call = |watcher| shared.wake(watcher, WakeReason::Watch);
        self.awake.set(shared.idle.wake_up(self.index, || clock.moment_now(), call));
        // A worker that was called before it slept has not polled the driver. Then the round goes on, so that
        // a check comes.
        if sleep.has_slept {
            self.interval.end_round(began);
            let now = clock.now();
            self.interval.begin_round(now);
            if sleep.may_drive {
                self.driver_polled.set(now);
                self.hand_over_driver();
            }
        }
        self.announce_collected();
    }

    /// Sleeps once, in the driver or on the thread. Returns true if the worker has to wake up.
    fn sleep_once(&self, sleep: &mut Asleep) -> bool {
        let called = self.sleep_in_place(sleep);
        let is_called = called.contains(WakeReason::Watch);
        if called.contains(WakeReason::Search)
            || self.has_collected.get()
            || !self.queue.is_empty()
            || self.shared.is_stopped()
        {
            return true;
        }
        if is_called {
            (sleep.watch, sleep.may_drive, sleep.suspects) = (Watch::Yes, true, false);
        } else if sleep.watch != Watch::No {
            // A worker that comes from the driver need not ask whether somebody is there.
            let look = self.look(!sleep.may_drive);
            if look.task_is_stuck {
                self.may_steal_lifo_task.set(true);
                return true;
            }
            sleep.may_drive |= look.driver_is_empty;
            sleep.suspects = look.is_suspicious && !sleep.suspects;
            let timers = &self.shared.driver.timers;
            let next_timer = if sleep.may_drive { None } else { timers.driver_sleeps_until() };
            sleep.watch = self.shared.idle.watch_on(self.index, next_timer);
        }
        false
    }

    /// Sleeps once. Afterwards `may_drive` says whether that was in the driver.
    fn sleep_in_place(&self, sleep: &mut Asleep) -> WakeReasons {
        let parker = &self.shared.remotes[self.index].parker;
        let at_most = match sleep.watch {
            Watch::Yes if sleep.suspects => Some(SECOND_LOOK),
            Watch::Yes => Some(WATCH_INTERVAL),
            Watch::At(look) => Some(self.shared.driver.timers.clock.until(look)),
            Watch::No => None,
        };
        let driver = if sleep.may_drive { self.shared.driver.try_lock() } else { None };
        sleep.may_drive = driver.is_some();
        if driver.is_some()
            && let Err(called) = parker.enter_driver()
        {
            return called;
        }
        sleep.has_slept = true;
        let Some(mut driver) = driver else { return parker.park(at_most) };
        let mut called = None;
        self.wakes.set(Wakes::Collected);
        driver.sleep(at_most, || called = Some(parker.take_reasons()));
        self.wakes.set(Wakes::Local);
        called.unwrap_or_else(|| parker.take_reasons())
    }

    /// Looks at the other workers, and at the driver if it `may_be_empty`. Compares with the last look.
    fn look(&self, may_be_empty: bool) -> Look {
        let mut look = Look::default();
        for (remote, seen) in self.shared.remotes.iter().zip(&self.seen_lifo_tasks) {
            let task = remote.queue.lifo_snapshot();
            let last = seen.replace(task);
            look.is_suspicious |= task.is_some();
            look.task_is_stuck |= task.is_some() && task == last;
        }
        let looks = self.shared.driver.timers.looks_if_driver_awake().filter(|_| may_be_empty);
        let last = self.driver_looks_seen.replace(looks);
        look.is_suspicious |= looks.is_some();
        look.driver_is_empty = looks.is_some() && looks == last;
        look
    }

    /// Calls a sleeping worker to the driver if this worker probably begins a long poll.
    pub(super) fn hand_over_driver(&self) {
        let shared = &self.shared;
        if self.interval.expects_long_poll() && shared.idle.has_sleepers() {
            self.interval.count_call();
            let is_driving = |worker: usize| shared.remotes[worker].parker.is_driving();
            shared.idle.call_driver(is_driving, |worker| shared.wake(worker, WakeReason::Watch));
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
