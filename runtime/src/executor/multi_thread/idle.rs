//! How the workers of a multi-threaded runtime fall asleep and are woken: the count of sleeping and
//! searching workers, and the watcher.
//!
//! # Vocabulary
//!
//! A worker is **working** (it runs tasks), **searching** (it looks for tasks of others), or **asleep**. At
//! most half of the workers search. If some workers are awake and some asleep, one of the sleepers
//! **watches**: it wakes every few milliseconds.
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
//! # Why there is a watcher
//!
//! A task in a LIFO slot is not announced. Usually its worker runs it next, and handing it over would cost
//! more than it gains. Also, a worker that leaves the driver to run a task leaves nobody in the driver,
//! usually for a short time. But a poll may take long. So while one worker is awake and another asleep, one
//! of the sleepers watches. When its time is over, it enters the driver if nobody is there, and it steals
//! the task of a LIFO slot that its worker has still not run. This limits the harm of one long poll to a
//! few milliseconds, and costs nothing while all workers are asleep.
//!
//! The protocol follows tokio's `multi_thread/idle.rs` and the "spinning" threads of Go
//! (`runtime/proc.go`). The watcher is our own.

use crate::shim::{AtomicU64, Mutex, Ordering, in_order, lock};

const ASLEEP: u64 = 1;
const SEARCHING: u64 = 1 << 32;

/// The counts and the list of sleeping workers.
pub(crate) struct Idle {
    workers: usize,
    word: AtomicU64,
    sleepers: Mutex<Sleepers>,
}

struct Sleepers {
    /// The sleeping workers, in the order in which they fell asleep.
    list: Vec<usize>,
    watcher: Option<usize>,
}

/// Says whether a worker that falls asleep, or wakes for a moment, has to watch.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watch {
    Yes,
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
        let sleepers = Sleepers { list: Vec::with_capacity(workers), watcher: None };
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

    /// Counts the worker as asleep. The caller then looks once more for a task.
    pub(crate) fn fall_asleep(&self, worker: usize, as_what: Awake) -> Watch {
        let mut sleepers = lock(&self.sleepers);
        sleepers.list.push(worker);
        let change = match as_what {
            Awake::Searching => ASLEEP.wrapping_sub(SEARCHING),
            Awake::Working => ASLEEP,
        };
        // SeqCst: see "Why no task is left alone".
        self.word.fetch_add(change, Ordering::SeqCst);
        in_order();
        if sleepers.watcher.is_none() && sleepers.list.len() < self.workers {
            sleepers.watcher = Some(worker);
            return Watch::Yes;
        }
        Watch::No
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
        let cheap = sleepers.list.iter().rposition(|&worker| !costly(worker));
        let position = cheap.or(sleepers.list.len().checked_sub(1))?;
        let worker = sleepers.list.remove(position);
        self.word.fetch_add(SEARCHING.wrapping_sub(ASLEEP), Ordering::Relaxed);
        Some(worker)
    }

    /// Counts the worker as awake. If no watcher is left for those still asleep, it chooses one and passes
    /// it to `call`.
    pub(crate) fn wake_up(&self, worker: usize, call: impl FnOnce(usize)) -> Awake {
        let mut sleepers = lock(&self.sleepers);
        let position = sleepers.list.iter().position(|&sleeper| sleeper == worker);
        if let Some(position) = position {
            sleepers.list.remove(position);
            self.word.fetch_sub(ASLEEP, Ordering::Relaxed);
        }
        if sleepers.watcher == Some(worker) {
            sleepers.watcher = None;
        }
        if let (None, Some(&last)) = (sleepers.watcher, sleepers.list.last()) {
            sleepers.watcher = Some(last);
            // This happens under the lock, so the new watcher cannot wake up before it has been told.
            call(last);
        }
        if position.is_some() { Awake::Working } else { Awake::Searching }
    }

    /// Tells whether the watcher has to go on watching. It stops when all workers are asleep.
    pub(crate) fn watch_on(&self, worker: usize) -> Watch {
        let mut sleepers = lock(&self.sleepers);
        if sleepers.watcher != Some(worker) {
            return Watch::No;
        }
        if sleepers.list.len() == self.workers {
            sleepers.watcher = None;
            return Watch::No;
        }
        Watch::Yes
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_woken_worker_counts_as_searching_until_it_stops() {
        let idle = Idle::new(2);
        assert_eq!(idle.fall_asleep(0, Awake::Working), Watch::Yes);
        assert_eq!(idle.fall_asleep(1, Awake::Working), Watch::No);
        assert!(idle.should_wake());
        assert_eq!(idle.wake_one(|worker| worker == 1), Some(0), "who is cheap to wake is woken first");
        assert!(!idle.should_wake());
        assert_eq!(idle.wake_one(|_| false), None, "one searches already");
        assert_eq!(
            idle.wake_up(0, |worker| assert_eq!(worker, 1, "one who sleeps watches")),
            Awake::Searching
        );
        assert!(idle.stop_search(), "it was the only one to search");
        assert!(idle.should_wake());
        assert_eq!(idle.wake_up(1, |_| panic!("nobody sleeps")), Awake::Working);
        assert!(!idle.should_wake());
    }
}
