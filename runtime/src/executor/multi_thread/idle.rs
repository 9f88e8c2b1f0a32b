//! How the workers of a multi-threaded runtime fall asleep and are woken: the count of sleeping and
//! searching workers, and the watcher.
//!
//! # Vocabulary
//!
//! A worker is **working** (it runs tasks), **searching** (it looks for tasks of others), or **asleep**. At
//! most half of the workers search. Some of those asleep **watch**: they wake every millisecond.
//!
//! ```text
//!   word   [ searching : 32 | asleep : 32 ]   stored under the lock or by a searching worker; all read it
//! ```
//!
//! # The protocol
//!
//! 1. A thread that puts a task where others can take it (a ring, the injector) then reads the word. If
//!    some worker is asleep and none searches, it wakes one, and that worker searches.
//! 2. A worker that finds a task stops searching. If it was the last to search, it checks whether there are
//!    more tasks, and if so it wakes the next worker, as in 1.
//! 3. A worker that finds nothing falls asleep: in one step it stops searching and counts as asleep. Then
//!    it looks once more at all rings and at the injector. If there is a task, it acts as in 1.
//!
//! # Why no task is left alone
//!
//! ```text
//!   pushing                              falling asleep, or stopping to search
//!   push the task                        word: searching - 1 (and asleep + 1)
//!   word: asleep and none searches?      a task anywhere?
//!      wake one                             wake one
//! ```
//!
//! All four steps are sequentially consistent, so either the pushing thread sees the new word, or the other
//! worker sees the task. If a worker was still searching when the pushing thread read the word, that worker
//! has its last look before it. The other changes of the word need no order. They are made when a worker
//! begins to search, is woken, or wakes up. Such a worker is awake, and also has a look before it.
//!
//! # Why there are watchers
//!
//! A task in a LIFO slot is not announced. Usually its worker runs it next, and handing it over would cost
//! more than it gains. Also, a worker that leaves the driver to run a task leaves nobody in the driver,
//! usually for a short time. But a poll may take long, and then no other worker is told. So a watcher looks
//! every millisecond. An empty driver, or a task in a LIFO slot, is suspicious. If the watcher finds the same
//! at the next look, and the owner of the slot has ended no round meanwhile, it takes the place in the
//! driver, or the task. `worker/sleep.rs` says when that look comes.
//!
//! **While some workers are awake and some asleep, one of the sleepers watches.** All changes of the list and
//! of its watchers are made under the lock:
//!
//! * A worker that falls asleep watches, unless [`MAX_WATCHERS`] do.
//! * A worker that wakes up and leaves sleepers, none of which watches, calls one of them.
//! * A watcher stops if no worker has woken up since its last look, and all are asleep or another one
//!   watches.
//! * If all are asleep and the driver sleeps until a timer, a watcher on its thread does not stop for good:
//!   it plans a look for [`WATCH_INTERVAL`] after the timer. If the driver then wakes up on time, the
//!   planned look is soon enough, so nobody is called. The plan goes on from timer to timer.
//!
//! A call is a system call on either side. So watchers go on for a while when all workers sleep: if work
//! comes again and again, the worker in the driver wakes up and another one watches already. There may be
//! two, because either of them may be the one that wakes up. In an idle runtime nobody watches. A worker that
//! fires a timer would call before it runs the timer's task, which then is later by the call; and with 300
//! timers a second, calls and looks took half of the CPU time.
//!
//! The protocol follows tokio's `multi_thread/idle.rs` and the "spinning" threads of Go
//! (`runtime/proc.go`). The watchers are our own.

use crate::shim::{AtomicU64, Mutex, Ordering, in_order, lock};
use std::time::Duration;

const ASLEEP: u64 = 1;
const SEARCHING: u64 = 1 << 32;

/// The number of sleeping workers that watch at a time: the one in the driver, and one on its thread.
const MAX_WATCHERS: usize = 2;
/// The time that a watcher sleeps before it looks at the other workers.
pub(super) const WATCH_INTERVAL: Duration = Duration::from_millis(1);
/// The same, in moments of the clock.
const WATCH_MOMENTS: u64 = WATCH_INTERVAL.as_nanos() as u64;

/// The counts and the list of sleeping workers.
pub(crate) struct Idle {
    workers: usize,
    word: AtomicU64,
    sleepers: Mutex<Sleepers>,
}

struct Sleepers {
    /// The sleeping workers, in the order in which they fell asleep.
    list: Vec<Sleeper>,
    /// The number of times that a worker has woken up.
    wake_ups: u64,
}

struct Sleeper {
    worker: usize,
    watches: bool,
    /// `wake_ups` when this worker fell asleep, or last looked.
    wake_ups_seen: u64,
    /// The moment for which a look is planned.
    planned: Option<u64>,
}

impl Sleepers {
    fn watchers(&self) -> usize {
        self.list.iter().filter(|sleeper| sleeper.watches).count()
    }

    fn has_plan(&self) -> bool {
        self.list.iter().any(|sleeper| sleeper.planned.is_some())
    }
}

/// Says whether a worker that falls asleep, or wakes for a moment, has to watch.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watch {
    Yes,
    /// It looks at this moment.
    At(u64),
    No,
}

/// How an awake worker is counted.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awake {
    Working,
    /// The worker searches. After a sleep: it was woken to search.
    Searching,
}

impl Idle {
    /// All workers are awake, and none searches.
    pub(crate) fn new(workers: usize) -> Self {
        let sleepers = Sleepers { list: Vec::with_capacity(workers), wake_ups: 0 };
        Self { workers, word: AtomicU64::new(0), sleepers: Mutex::new(sleepers) }
    }

    /// Tells whether a worker has to be woken for a task that others can take.
    #[inline]
    pub(crate) fn should_wake(&self) -> bool {
        // SeqCst: see "Why no task is left alone".
        in_order();
        let word = self.word.load(Ordering::SeqCst);
        word != 0 && word < SEARCHING
    }

    /// Begins to search, and returns true, unless enough workers search.
    pub(crate) fn try_search(&self) -> bool {
        // Relaxed: one searching worker more or less does no harm.
        let searching = self.word.load(Ordering::Relaxed) / SEARCHING;
        if 2 * searching as usize >= self.workers {
            return false;
        }
        self.word.fetch_add(SEARCHING, Ordering::Relaxed);
        true
    }

    /// Stops searching, because a task was found. Returns true if no worker searches any more.
    pub(crate) fn stop_search(&self) -> bool {
        // SeqCst: see "Why no task is left alone".
        let was_last = self.word.fetch_sub(SEARCHING, Ordering::SeqCst) / SEARCHING == 1;
        in_order();
        was_last
    }

    /// Tells whether some worker is asleep.
    pub(crate) fn has_sleepers(&self) -> bool {
        // Relaxed: a hint.
        self.word.load(Ordering::Relaxed) & (SEARCHING - 1) != 0
    }

    /// Counts the worker as asleep. The caller then looks once more for a task.
    pub(crate) fn fall_asleep(&self, worker: usize, as_what: Awake) -> Watch {
        let mut sleepers = lock(&self.sleepers);
        // A single worker has nobody to watch. If a look is planned, that is enough.
        let watches = self.workers > 1 && sleepers.watchers() < MAX_WATCHERS && !sleepers.has_plan();
        let wake_ups_seen = sleepers.wake_ups;
        sleepers.list.push(Sleeper { worker, watches, wake_ups_seen, planned: None });
        let change = match as_what {
            Awake::Searching => ASLEEP.wrapping_sub(SEARCHING),
            Awake::Working => ASLEEP,
        };
        // SeqCst: see "Why no task is left alone".
        self.word.fetch_add(change, Ordering::SeqCst);
        in_order();
        if watches { Watch::Yes } else { Watch::No }
    }

    /// Chooses a worker to wake, if none searches. It prefers workers for which `costly` is false, and
    /// among those the one that fell asleep last. The chosen worker counts as searching from here on, and
    /// the caller has to unpark it.
    #[cold]
    pub(crate) fn wake_one(&self, costly: impl Fn(usize) -> bool) -> Option<usize> {
        let mut sleepers = lock(&self.sleepers);
        if !self.should_wake() {
            return None;
        }
        let cheap = sleepers.list.iter().rposition(|sleeper| !costly(sleeper.worker));
        let position = cheap.or(sleepers.list.len().checked_sub(1))?;
        let worker = sleepers.list.remove(position).worker;
        self.word.fetch_add(SEARCHING.wrapping_sub(ASLEEP), Ordering::Relaxed);
        Some(worker)
    }

    /// Counts the worker as awake. If there are workers asleep, and none of them watches or is about to, it
    /// chooses one to do so and passes it to `call`.
    pub(crate) fn wake_up(
        &self,
        worker: usize,
        now: impl FnOnce() -> u64,
        call: impl FnOnce(usize),
    ) -> Awake {
        let mut sleepers = lock(&self.sleepers);
        let position = sleepers.list.iter().position(|sleeper| sleeper.worker == worker);
        if let Some(position) = position {
            sleepers.list.remove(position);
            self.word.fetch_sub(ASLEEP, Ordering::Relaxed);
        }
        sleepers.wake_ups += 1;
        if sleepers.watchers() == 0 {
            let planned = sleepers.list.iter_mut().find(|sleeper| sleeper.planned.is_some());
            if let Some(sleeper) = planned
                && sleeper.planned <= Some(now().saturating_add(WATCH_MOMENTS))
            {
                sleeper.watches = true;
            } else if let Some(last) = sleepers.list.last_mut() {
                last.watches = true;
                // This happens under the lock, so the new watcher cannot wake up before it has been told.
                call(last.worker);
            }
        }
        if position.is_some() { Awake::Working } else { Awake::Searching }
    }

    /// Chooses a sleeping worker that is not in the driver, and passes it to `call`: it watches, and takes
    /// the place in the driver.
    #[cold]
    pub(crate) fn call_driver(&self, is_driving: impl Fn(usize) -> bool, call: impl FnOnce(usize)) {
        let mut sleepers = lock(&self.sleepers);
        if let Some(sleeper) = sleepers.list.iter_mut().rfind(|sleeper| !is_driving(sleeper.worker)) {
            sleeper.watches = true;
            // Under the lock, as in `wake_up`.
            call(sleeper.worker);
        }
    }

    /// Tells whether the watcher has to go on watching. `next_timer` is the moment until which another thread
    /// sleeps in the driver, if there is one.
    pub(crate) fn watch_on(&self, worker: usize, next_timer: Option<u64>) -> Watch {
        let mut sleepers = lock(&self.sleepers);
        let (watchers, wake_ups) = (sleepers.watchers(), sleepers.wake_ups);
        let all_sleep = sleepers.list.len() == self.workers;
        // A worker that is not in the list has been woken, and its parker says so.
        let Some(sleeper) = sleepers.list.iter_mut().find(|sleeper| sleeper.worker == worker) else {
            return Watch::No;
        };
        let is_quiet = std::mem::replace(&mut sleeper.wake_ups_seen, wake_ups) == wake_ups;
        let had_planned = sleeper.planned.take().is_some();
        let next_timer = next_timer.filter(|_| all_sleep);
        let may_stop =
            if had_planned && next_timer.is_some() { true } else { is_quiet && (all_sleep || watchers > 1) };
        sleeper.watches = !may_stop;
        if !may_stop {
            return Watch::Yes;
        }
        let Some(timer) = next_timer.filter(|_| !sleepers.has_plan()) else { return Watch::No };
        let look = timer.saturating_add(WATCH_MOMENTS);
        if let Some(sleeper) = sleepers.list.iter_mut().find(|sleeper| sleeper.worker == worker) {
            sleeper.planned = Some(look);
        }
        Watch::At(look)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// The moment of a timer.
    const TIMER: u64 = 7 * WATCH_MOMENTS;

    /// A moment in a test that plans no look.
    fn soon() -> u64 {
        unreachable!("no look is planned")
    }

    /// Two workers that sleep: worker 0 in the driver, until [`TIMER`]. Worker 1 plans a look.
    fn planning() -> Idle {
        let idle = Idle::new(2);
        let _ = [0, 1].map(|worker| idle.fall_asleep(worker, Awake::Working));
        assert_eq!(idle.watch_on(0, None), Watch::No);
        assert_eq!(idle.watch_on(1, Some(TIMER)), Watch::At(TIMER + WATCH_MOMENTS));
        idle
    }

    #[test]
    fn a_woken_worker_counts_as_searching_until_it_stops() {
        let idle = Idle::new(2);
        assert_eq!(idle.fall_asleep(0, Awake::Working), Watch::Yes);
        assert_eq!(idle.fall_asleep(1, Awake::Working), Watch::Yes);
        assert!(idle.should_wake());
        assert_eq!(
            idle.wake_one(|worker| worker == 1),
            Some(0),
            "the worker that is cheap to wake goes first"
        );
        assert!(!idle.should_wake());
        assert_eq!(idle.wake_one(|_| false), None, "one searches already");
        assert_eq!(idle.wake_up(0, soon, |_| panic!("worker 1 watches already")), Awake::Searching);
        assert!(idle.stop_search(), "it was the only one to search");
        assert!(idle.should_wake());
        assert_eq!(idle.wake_up(1, soon, |_| panic!("nobody sleeps")), Awake::Working);
        assert!(!idle.should_wake());
    }

    #[test]
    fn watchers_stop_after_a_quiet_interval_and_the_next_wake_up_calls_one() {
        let idle = Idle::new(2);
        assert_eq!(idle.fall_asleep(0, Awake::Working), Watch::Yes);
        assert_eq!(idle.watch_on(0, None), Watch::Yes, "worker 1 is awake, and nobody else watches");
        assert_eq!(idle.fall_asleep(1, Awake::Working), Watch::Yes);
        let _ = idle.wake_up(1, soon, |_| panic!("worker 0 watches already"));
        assert_eq!(idle.fall_asleep(1, Awake::Working), Watch::Yes);
        assert_eq!(idle.watch_on(0, None), Watch::Yes, "a worker has woken up since the last look");
        assert_eq!(idle.watch_on(0, None), Watch::No);
        assert_eq!(idle.watch_on(1, None), Watch::No);
        let mut called = None;
        let _ = idle.wake_up(1, soon, |worker| called = Some(worker));
        assert_eq!(called, Some(0));
        assert_eq!(idle.watch_on(0, None), Watch::Yes);
    }

    #[test]
    fn the_planned_look_after_a_timer_spares_the_call_and_goes_on_from_timer_to_timer() {
        let idle = planning();
        for n in 1..4 {
            let _ = idle.wake_up(0, || n * TIMER, |_| panic!("worker 1 looks soon enough"));
            assert_eq!(idle.fall_asleep(0, Awake::Working), Watch::No, "worker 1 looks");
            let next = (n + 1) * TIMER;
            assert_eq!(idle.watch_on(1, Some(next)), Watch::At(next + WATCH_MOMENTS));
        }
        assert_eq!(idle.watch_on(1, None), Watch::No, "no timer comes");
    }

    #[test]
    fn a_worker_that_wakes_up_before_its_timer_calls_although_a_look_is_planned() {
        let idle = planning();
        let mut called = None;
        let _ = idle.wake_up(0, || TIMER - 1, |worker| called = Some(worker));
        assert_eq!(called, Some(1));
        assert_eq!(idle.watch_on(1, None), Watch::Yes, "worker 0 is awake");
    }

    #[test]
    fn a_planned_look_that_finds_a_long_poll_is_not_the_last() {
        let idle = planning();
        let _ = idle.wake_up(0, || TIMER, |_| panic!("worker 1 looks soon enough"));
        assert_eq!(idle.watch_on(1, Some(2 * TIMER)), Watch::Yes, "worker 0 is awake");
        assert_eq!(idle.watch_on(1, None), Watch::Yes);
    }

    #[test]
    fn of_many_sleepers_two_watch_and_one_of_these_stops() {
        let idle = Idle::new(4);
        let watch = [0, 1, 2].map(|worker| idle.fall_asleep(worker, Awake::Working));
        assert_eq!(watch, [Watch::Yes, Watch::Yes, Watch::No]);
        assert_eq!(idle.watch_on(0, None), Watch::No, "worker 1 watches as well");
        assert_eq!(idle.watch_on(1, None), Watch::Yes, "worker 3 is awake");
    }

    #[test]
    fn a_worker_in_the_driver_is_not_called_to_it() {
        let idle = Idle::new(3);
        let _ = [0, 1].map(|worker| idle.fall_asleep(worker, Awake::Working));
        let mut called = None;
        idle.call_driver(|worker| worker == 1, |worker| called = Some(worker));
        assert_eq!(called, Some(0));
        idle.call_driver(|_| true, |_| panic!("everybody drives"));
    }

    #[test]
    fn a_single_worker_does_not_watch() {
        assert_eq!(Idle::new(1).fall_asleep(0, Awake::Working), Watch::No);
    }
}
