//! The timers of an executor: a wheel for each worker, and the first moment of each, which the driver reads.
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
//! The driver sets its alarm to the first timer that it knows, and sleeps. A thread that sets an earlier
//! timer meanwhile has to bring the alarm forward, or to wake the driver if there is no alarm
//! (`driver/alarm.rs`):
//!
//! ```text
//!   setting                             driver, before it sleeps
//!                                       next = min of all wheels' next
//!                                       set the alarm to next
//!   wheel.next = when                   until = next
//!   until > when? bring the alarm       recheck: min of all wheels' next < next? again
//!     forward to when
//! ```
//!
//! The store and the load of either thread are sequentially consistent, so one of the two threads sees the
//! other's store. If the setting thread sees `until`, the driver has set its alarm before, and does not put
//! it off again. If the driver sees `when`, it sets the alarm once more. While the driver is awake, `until`
//! is 0 and nobody else touches the alarm: the driver looks at the timers before it sleeps.

use super::wheel::Wheel;
use crate::{
    driver::slab::Key,
    shim::{AtomicU64, AtomicUsize, Mutex, Ordering, in_order, lock},
    time::clock::{Clock, NEVER},
};
use brigade_trace::{Id, Kind, on, record};
use std::{task::Waker, time::Instant};

/// The value of `until` while the driver is awake.
const DRIVER_AWAKE: u64 = 0;

/// The timers of one worker.
// Aligned so that each shard has a cache line of its own: a worker writes its own shard often.
#[repr(align(128))]
struct TimerShard {
    /// A moment at or before the wheel's first timer. It is stored under the lock and read without it.
    next: AtomicU64,
    /// `None` once the executor is gone.
    kept: Mutex<Option<ShardTimers>>,
}

/// The part of a shard that its lock guards.
struct ShardTimers {
    wheel: Wheel,
    /// The time of `next`. `None` if there is no next timer.
    first: Option<Instant>,
}

/// All wheels of one executor.
pub(crate) struct Timers {
    pub(crate) clock: Clock,
    shards: Box<[TimerShard]>,
    /// The moment until which the driver sleeps, or [`DRIVER_AWAKE`].
    until: AtomicU64,
    /// The number of calls of `expire`, which ends each poll of the driver.
    looks: AtomicUsize,
}

/// The result of setting a timer.
pub(crate) enum SetTimer {
    /// The timer is set, and the driver will see it in time.
    Done(Key),
    /// The timer is set, but the driver sleeps for longer: the caller must
    /// [hurry](crate::driver::Driver::hurry) it.
    HurryDriver(Key),
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
        let kept = || ShardTimers { wheel: Wheel::new(), first: None };
        let shard = || TimerShard { next: AtomicU64::new(NEVER), kept: Mutex::new(Some(kept())) };
        let (until, looks) = (AtomicU64::new(DRIVER_AWAKE), AtomicUsize::new(0));
        Self { clock, shards: (0..shards).map(|_| shard()).collect(), until, looks }
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
            let left = deadline.saturating_duration_since(self.clock.now());
            let left = u64::try_from(left.as_nanos()).unwrap_or(u64::MAX);
            record(Kind::TimerSet, Id::NONE, brigade_trace::clock::nanos().saturating_add(left));
        }
        let shard = &self.shards[shard];
        let waker = waker.clone();
        let mut kept = lock(&shard.kept);
        let Some(kept) = &mut *kept else { return SetTimer::Closed };
        let key = kept.wheel.insert(deadline, waker);
        // Most timers are later than the first one. Then nobody needs the timer's moment yet, and it is not
        // computed.
        if kept.first.is_none_or(|first| deadline < first) && self.advance(shard, kept, deadline) {
            return SetTimer::HurryDriver(key);
        }
        SetTimer::Done(key)
    }

    /// Shows the driver a timer that is the first of its wheel. Returns true if the driver sleeps for longer
    /// than that.
    fn advance(&self, shard: &TimerShard, kept: &mut ShardTimers, deadline: Instant) -> bool {
        let when = self.clock.moment_of(deadline);
        if when == NEVER {
            return false;
        }
        kept.first = Some(deadline);
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
            let Some(timers) = &mut *kept else { return Armed::Closed };
            let Some(place) = timers.wheel.waker(key) else { return Armed::Fired };
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

    /// Announces that the driver is about to sleep. Calls `set_alarm` with the moment of the first timer, or
    /// [`NEVER`]. If that changes meanwhile, the last call counts.
    pub(crate) fn before_sleep(&self, mut set_alarm: impl FnMut(u64)) {
        loop {
            let next = self.next();
            set_alarm(next);
            // SeqCst, the store and the load: see "Why no timer is missed".
            self.until.store(next.max(DRIVER_AWAKE + 1), Ordering::SeqCst);
            in_order();
            if self.next() >= next {
                return;
            }
        }
    }

    /// Announces that the driver no longer sleeps.
    pub(crate) fn after_sleep(&self) {
        // Relaxed: a thread that does not see this store wakes the driver in vain, which does no harm.
        self.until.store(DRIVER_AWAKE, Ordering::Relaxed);
    }

    /// Returns how often the driver has looked at the timers, or `None` if a thread sleeps in the driver. If
    /// the number stays the same, nobody is in the driver.
    pub(crate) fn looks_if_driver_awake(&self) -> Option<usize> {
        // Relaxed, both: callers look again and again.
        let is_awake = self.until.load(Ordering::Relaxed) == DRIVER_AWAKE;
        is_awake.then(|| self.looks.load(Ordering::Relaxed))
    }

    /// Returns the moment until which a thread sleeps in the driver: at or before the first timer. Returns
    /// `None` if no thread sleeps there, or if there is no timer.
    pub(crate) fn driver_sleeps_until(&self) -> Option<u64> {
        // Relaxed: it may change at once, so callers check the time when they are woken.
        Some(self.until.load(Ordering::Relaxed)).filter(|until| ![DRIVER_AWAKE, NEVER].contains(until))
    }

    /// Returns a moment at or before the first timer, or `None` if there is no timer that fires.
    pub(crate) fn first(&self) -> Option<u64> {
        Some(self.next()).filter(|&next| next != NEVER)
    }

    fn next(&self) -> u64 {
        self.shards.iter().map(|shard| shard.next.load(Ordering::SeqCst)).min().unwrap_or(NEVER)
    }

    /// Takes out the timers of all workers that fire by now.
    pub(crate) fn expire(&self, fired: &mut Vec<Waker>) {
        // Relaxed: nothing is published.
        self.looks.fetch_add(1, Ordering::Relaxed);
        // Relaxed, here and in `TimerShard::expire`: a timer that is set at this moment is seen at the next
        // look.
        if self.shards.iter().any(|shard| shard.next.load(Ordering::Relaxed) != NEVER) {
            let now = self.clock.moment_now();
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
        self.next.store(NEVER, Ordering::Relaxed);
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
        kept.first = next.map(|next| clock.time_of(next));
        // Relaxed, unlike the store in `advance` that makes `next` earlier: this store makes it later, and
        // a thread that does not see it only looks too early.
        self.next.store(next.unwrap_or(NEVER), Ordering::Relaxed);
    }
}

#[cfg(all(loom, test))]
mod model {
    use super::*;
    use crate::model::Count;
    use loom::thread;
    use std::sync::Arc;

    /// A moment so far ahead that the clock does not reach it.
    const LATER: u64 = 1 << 50;

    fn timers() -> Arc<Timers> {
        Arc::new(Timers::new(Clock::os(), 1))
    }

    fn set(timers: &Timers, moment: u64, waker: &Waker) -> SetTimer {
        timers.set(0, timers.clock.time_of(moment), waker)
    }

    /// Timers, and the moment to which the driver's alarm is set.
    fn with_alarm() -> Arc<(Timers, Mutex<u64>)> {
        Arc::new((Timers::new(Clock::os(), 1), Mutex::new(NEVER)))
    }

    /// Sets a timer as a sleep does.
    fn set_and_hurry((timers, alarm): &(Timers, Mutex<u64>), moment: u64) {
        if let SetTimer::HurryDriver(_) = set(timers, moment, Waker::noop()) {
            let mut alarm = lock(alarm);
            *alarm = moment.min(*alarm);
        }
    }

    fn fall_asleep((timers, alarm): &(Timers, Mutex<u64>)) {
        timers.before_sleep(|next| *lock(alarm) = next);
    }

    #[test]
    fn the_alarm_goes_off_no_later_than_a_timer() {
        loom::model(|| {
            let both = with_alarm();
            let setting = both.clone();
            let setter = thread::spawn(move || set_and_hurry(&setting, LATER));
            fall_asleep(&both);
            setter.join().unwrap();
            assert_eq!(*lock(&both.1), LATER, "the timer is missed");
        });
    }

    #[test]
    fn of_two_timers_the_alarm_is_set_to_the_earlier_one() {
        loom::model(|| {
            let both = with_alarm();
            let setters = [LATER + 1, LATER].map(|moment| {
                let setting = both.clone();
                thread::spawn(move || set_and_hurry(&setting, moment))
            });
            fall_asleep(&both);
            setters.into_iter().for_each(|setter| setter.join().unwrap());
            assert_eq!(*lock(&both.1), LATER, "the earlier timer is missed");
        });
    }

    #[test]
    fn a_thread_that_comes_late_brings_the_alarm_forward_for_nothing() {
        loom::model(|| {
            let both = with_alarm();
            set_and_hurry(&both, LATER + 1);
            let setting = both.clone();
            let setter = thread::spawn(move || set_and_hurry(&setting, LATER));
            fall_asleep(&both);
            both.0.after_sleep();
            fall_asleep(&both);
            setter.join().unwrap();
            assert_eq!(*lock(&both.1), LATER, "the timer is missed");
        });
    }

    #[test]
    fn a_timer_is_cancelled_or_fires() {
        loom::model(|| {
            let timers = timers();
            let SetTimer::Done(key) = set(&timers, LATER, Waker::noop()) else {
                panic!("the driver is awake")
            };
            let cancelling = timers.clone();
            let canceller = thread::spawn(move || cancelling.cancel(0, key));
            let mut fired = Vec::new();
            timers.expire_one(0, LATER + 5, &mut fired);
            assert_ne!(canceller.join().unwrap(), fired.len() == 1);
        });
    }

    #[test]
    fn a_waker_that_was_changed_in_time_is_the_one_that_is_woken() {
        loom::model(|| {
            let timers = timers();
            let (first, second) = (Arc::new(Count::default()), Arc::new(Count::default()));
            let SetTimer::Done(key) = set(&timers, LATER, &Waker::from(first.clone())) else {
                panic!("the driver is awake")
            };
            let (changing, new) = (timers.clone(), Waker::from(second.clone()));
            let changer = thread::spawn(move || changing.rearm(0, key, &new));
            let mut fired = Vec::new();
            timers.expire_one(0, LATER + 5, &mut fired);
            fired.into_iter().for_each(Waker::wake);
            let woken = (first.times(), second.times());
            assert_eq!(woken, if changer.join().unwrap() == Armed::Waits { (0, 1) } else { (1, 0) });
        });
    }
}
