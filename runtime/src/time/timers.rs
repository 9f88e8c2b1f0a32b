//! The timers of an executor: one wheel for each worker, and the first tick of each, which the driver reads.
//!
//! A task's timer goes to the wheel of the worker that polls the task, so almost always one thread alone
//! takes a wheel's lock. Another thread takes the lock in two cases: the task has moved and drops its timer
//! elsewhere, or the driver fires the timers of a worker that is busy. No waker is cloned, called or
//! dropped under the lock.
//!
//! # Cancel against fire
//!
//! Cancelling and firing both take the timer out of the wheel under the wheel's lock, so one of the two
//! finds it gone. A timer has fired exactly if it is no longer in the wheel: a `Sleep` asks the wheel, not
//! the clock. When the executor ends, it takes all timers out and calls their wakers. From then on no timer
//! can be set, and a `Sleep` that asks is told that the executor is gone.
//!
//! # Why no timer is missed
//!
//! The driver sleeps until the first timer that it knows. A thread that sets an earlier timer meanwhile has
//! to wake it:
//!
//! ```text
//!   setting                             driver, before it sleeps
//!   wheel.next = when                   until = min of all wheels' next
//!   until > when? wake the driver       recheck: min of all wheels' next < until? again
//! ```
//!
//! All four accesses are sequentially consistent, so one of the two threads sees the other's store. While
//! the driver is awake, `until` is 0 and nobody wakes the driver: it looks at the timers before it sleeps.

use super::wheel::{FAR, Wheel};
use crate::{
    driver::slab::Key,
    shim::{AtomicU64, Mutex, Ordering, in_order, lock},
    time::clock::Clock,
};
use brigade_trace::{Id, Kind, on, record};
use std::{task::Waker, time::Instant};

/// The tick of a wheel without timers.
const NO_TIMER: u64 = u64::MAX;
/// The value of `until` while the driver is awake.
const DRIVER_AWAKE: u64 = 0;

/// The timers of one worker.
// Aligned so that each shard has a cache line of its own: a worker writes its own shard often.
#[repr(align(128))]
struct TimerShard {
    /// A tick at or before the wheel's first timer. It is stored under the lock and read without it.
    next: AtomicU64,
    /// `None` once the executor is gone.
    kept: Mutex<Option<ShardTimers>>,
}

/// The part of a shard that its lock guards.
struct ShardTimers {
    wheel: Wheel,
    /// The time at which `next` begins. `None` if there is no next timer, or if an `Instant` cannot express
    /// that time.
    begins: Option<Instant>,
}

/// All wheels of one executor.
pub(crate) struct Timers {
    pub(crate) clock: Clock,
    shards: Box<[TimerShard]>,
    /// The tick until which the driver sleeps, or [`DRIVER_AWAKE`].
    until: AtomicU64,
}

/// The result of setting a timer.
pub(crate) enum SetTimer {
    /// The timer is set, and the driver will see it in time.
    Done(Key),
    /// The timer is set, but the driver sleeps for longer: the caller must wake it.
    WakeDriver(Key),
    /// The executor is gone.
    Closed,
}

/// The state of a timer that was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Armed {
    /// The timer has not fired.
    Waits,
    /// The timer has fired.
    Fired,
    /// The executor is gone and has taken out all timers.
    Closed,
}

impl Timers {
    pub(crate) fn new(clock: Clock, shards: usize) -> Self {
        let kept = || ShardTimers { wheel: Wheel::new(), begins: None };
        let shard = || TimerShard { next: AtomicU64::new(NO_TIMER), kept: Mutex::new(Some(kept())) };
        Self { clock, shards: (0..shards).map(|_| shard()).collect(), until: AtomicU64::new(DRIVER_AWAKE) }
    }

    /// Returns the shard for threads that are no workers.
    pub(crate) fn guests(&self) -> usize {
        self.shards.len() - 1
    }

    /// Sets a timer on the wheel of a worker, or on the last wheel, which is for threads that are no workers.
    // Always: a call costs 20 instructions of the 440 of `timer_drop`.
    #[inline(always)]
    pub(crate) fn set(&self, shard: usize, deadline: Instant, waker: &Waker) -> SetTimer {
        if on() {
            record(Kind::TimerSet, Id::NONE, self.clock.tick_of(deadline).saturating_mul(1_000_000));
        }
        let shard = &self.shards[shard];
        let waker = waker.clone();
        let mut kept = lock(&shard.kept);
        let Some(kept) = &mut *kept else { return SetTimer::Closed };
        let key = kept.wheel.insert(deadline, waker);
        // Most timers are later than the first one. Then nobody needs the timer's tick yet, and it is not
        // computed.
        if kept.begins.is_none_or(|begins| deadline < begins) && self.advance(shard, kept, deadline) {
            return SetTimer::WakeDriver(key);
        }
        SetTimer::Done(key)
    }

    /// Shows the driver a timer that may be the first. Returns true if the driver sleeps for longer than
    /// that.
    fn advance(&self, shard: &TimerShard, kept: &mut ShardTimers, deadline: Instant) -> bool {
        let when = self.clock.tick_of(deadline);
        // Relaxed: `next` is stored only under the lock, which this thread holds.
        if when >= FAR || when >= shard.next.load(Ordering::Relaxed) {
            return false;
        }
        kept.begins = self.clock.beginning(when);
        // SeqCst, the store and the load: see "Why no timer is missed".
        shard.next.store(when, Ordering::SeqCst);
        in_order();
        when < self.until.load(Ordering::SeqCst)
    }

    /// Takes a timer out. Returns false if the timer has fired.
    // Always: a call costs 20 instructions of the 440 of `timer_drop`.
    #[inline(always)]
    pub(crate) fn cancel(&self, shard: usize, key: Key) -> bool {
        // `next` stays as it is. If it is too early now, the driver looks once for nothing and corrects it
        // then.
        let waker = lock(&self.shards[shard].kept).as_mut().and_then(|kept| kept.wheel.remove(key));
        waker.is_some()
    }

    /// Replaces the waker of a timer, unless the timer is gone.
    #[inline]
    pub(crate) fn rearm(&self, shard: usize, key: Key, waker: &Waker) -> Armed {
        let mut fresh = None;
        loop {
            let mut kept = lock(&self.shards[shard].kept);
            let Some(wheels) = &mut *kept else { return Armed::Closed };
            let Some(place) = wheels.wheel.waker(key) else { return Armed::Fired };
            if place.will_wake(waker) {
                return Armed::Waits;
            }
            if let Some(fresh) = fresh.take() {
                let old = std::mem::replace(place, fresh);
                drop(kept);
                drop(old);
                return Armed::Waits;
            }
            drop(kept);
            // Cloning a waker runs foreign code, so it happens outside of the lock.
            fresh = Some(waker.clone());
        }
    }

    /// Announces that the driver is about to sleep. Returns the tick until which it may sleep; `None` means
    /// for ever.
    pub(crate) fn before_sleep(&self) -> Option<u64> {
        loop {
            let next = self.next();
            // SeqCst, the store and the load: see "Why no timer is missed".
            self.until.store(next.max(DRIVER_AWAKE + 1), Ordering::SeqCst);
            in_order();
            if self.next() >= next {
                return (next != NO_TIMER).then_some(next);
            }
        }
    }

    /// Announces that the driver no longer sleeps.
    pub(crate) fn after_sleep(&self) {
        // Relaxed: a thread that does not see this store wakes the driver in vain, which does no harm.
        self.until.store(DRIVER_AWAKE, Ordering::Relaxed);
    }

    /// Returns a tick at or before the first timer, or `None` if there is no timer that fires.
    pub(crate) fn first(&self) -> Option<u64> {
        Some(self.next()).filter(|&next| next != NO_TIMER)
    }

    fn next(&self) -> u64 {
        self.shards.iter().map(|shard| shard.next.load(Ordering::SeqCst)).min().unwrap_or(NO_TIMER)
    }

    /// Takes out the timers of all workers that fire by now.
    pub(crate) fn expire(&self, fired: &mut Vec<Waker>) {
        // Relaxed, here and in `TimerShard::expire`: a timer that is set at this moment is seen at the next
        // look.
        if self.shards.iter().any(|shard| shard.next.load(Ordering::Relaxed) != NO_TIMER) {
            let now = self.clock.tick_now();
            self.shards.iter().for_each(|shard| shard.expire(&self.clock, now, fired));
        }
    }

    /// Takes out the timers of one worker that fire by now.
    pub(crate) fn expire_one(&self, shard: usize, now: u64, fired: &mut Vec<Waker>) {
        self.shards[shard].expire(&self.clock, now, fired);
    }

    /// Takes out all timers and returns their wakers. From then on no timer can be set.
    pub(crate) fn close(&self) -> Vec<Waker> {
        self.shards.iter().flat_map(TimerShard::close).collect()
    }

    /// Takes out the timers of threads that are no workers. From then on those can set none.
    pub(crate) fn close_guests(&self) -> Vec<Waker> {
        self.shards[self.guests()].close()
    }
}

impl TimerShard {
    fn close(&self) -> Vec<Waker> {
        let mut kept = lock(&self.kept);
        // Relaxed: under the lock, and a thread that does not see it looks in vain.
        self.next.store(NO_TIMER, Ordering::Relaxed);
        kept.take().map(|mut kept| kept.wheel.clear()).into_iter().flatten().collect()
    }

    #[inline]
    fn expire(&self, clock: &Clock, now: u64, fired: &mut Vec<Waker>) {
        if self.next.load(Ordering::Relaxed) > now {
            return;
        }
        let mut kept = lock(&self.kept);
        let Some(kept) = &mut *kept else { return };
        let next = kept.wheel.expire(clock, now, fired);
        kept.begins = next.and_then(|next| clock.beginning(next));
        // Relaxed, unlike the store in `advance` that makes `next` earlier: this store makes it later, and
        // a thread that does not see it only looks too early.
        self.next.store(next.unwrap_or(NO_TIMER), Ordering::Relaxed);
    }
}

#[cfg(all(loom, test))]
mod model {
    use super::*;
    use crate::model::Count;
    use loom::thread;
    use std::sync::Arc;

    fn timers() -> Arc<Timers> {
        Arc::new(Timers::new(Clock::os(), 1))
    }

    fn set(timers: &Timers, tick: u64, waker: &Waker) -> SetTimer {
        timers.set(0, timers.clock.beginning(tick).unwrap(), waker)
    }

    #[test]
    fn the_driver_sleeps_no_longer_than_a_timer_or_is_woken() {
        loom::model(|| {
            let timers = timers();
            let setting = timers.clone();
            let setter = thread::spawn(move || set(&setting, 5, Waker::noop()));
            let until = timers.before_sleep();
            let set = setter.join().unwrap();
            assert!(until == Some(5) || matches!(set, SetTimer::WakeDriver(_)), "the timer is missed");
        });
    }

    #[test]
    fn of_two_timers_the_driver_hears_of_the_earlier_one() {
        loom::model(|| {
            let timers = timers();
            let setters = [9, 5].map(|when| {
                let setting = timers.clone();
                thread::spawn(move || matches!(set(&setting, when, Waker::noop()), SetTimer::WakeDriver(_)))
            });
            let until = timers.before_sleep();
            let [_, woken] = setters.map(|setter| setter.join().unwrap());
            assert!(until == Some(5) || woken, "the earlier timer is missed");
        });
    }

    #[test]
    fn a_timer_is_cancelled_or_fires() {
        loom::model(|| {
            let timers = timers();
            let SetTimer::Done(key) = set(&timers, 5, Waker::noop()) else { panic!("the driver is awake") };
            let cancelling = timers.clone();
            let canceller = thread::spawn(move || cancelling.cancel(0, key));
            let mut fired = Vec::new();
            timers.expire_one(0, 10, &mut fired);
            assert_ne!(canceller.join().unwrap(), fired.len() == 1);
        });
    }

    #[test]
    fn a_waker_that_was_changed_in_time_is_the_one_that_is_woken() {
        loom::model(|| {
            let timers = timers();
            let (first, second) = (Arc::new(Count::default()), Arc::new(Count::default()));
            let SetTimer::Done(key) = set(&timers, 5, &Waker::from(first.clone())) else {
                panic!("the driver is awake")
            };
            let (changing, new) = (timers.clone(), Waker::from(second.clone()));
            let changer = thread::spawn(move || changing.rearm(0, key, &new));
            let mut fired = Vec::new();
            timers.expire_one(0, 10, &mut fired);
            fired.into_iter().for_each(Waker::wake);
            let woken = (first.times(), second.times());
            assert_eq!(woken, if changer.join().unwrap() == Armed::Waits { (0, 1) } else { (1, 0) });
        });
    }
}
