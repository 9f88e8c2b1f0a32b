//! Who sleeps, who searches, and who watches: how the workers of a multi-threaded runtime go to sleep and are woken.
//!
//! # Vocabulary
//!
//! A worker is **working** (it runs tasks), **searching** (it looks for tasks of others), or **asleep**. At most half of the
//! workers search. One of those asleep **watches** if another worker is awake: it wakes every few milliseconds.
//!
//! ```text
//!   word   [ searching : 32 | asleep : 32 ]      stored under the lock or by who searches, read by everybody
//! ```
//!
//! # The protocol
//!
//! 1. Whoever puts a task where others can take it (a ring, the injector) looks at the word, and if somebody is asleep and
//!    nobody searches, wakes one, who searches.
//! 2. A worker that finds a task stops to search. If it was the last to search it looks whether there is more to find, and
//!    if so wakes the next, as in 1.
//! 3. A worker that finds nothing falls asleep: it stops to search and counts as asleep, in one step. Then it looks once more
//!    at all rings and the injector, and if there is something, acts as in 1.
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
//! All four are sequentially consistent: so either the pushing worker sees the new word, or the other sees the task. A
//! worker that was searching when the push looked at the word has its own look still before it. The other changes of the word, by one who
//! begins to search, is woken or wakes up, need no order: such a worker is awake, and has a look still before it, too.
//!
//! # What the watch is for
//!
//! The newest task of a worker is not announced: as a rule the worker runs it next, and handing it over would cost more
//! than it brings. And who leaves the driver to run a task leaves it alone, for as short a time as a rule. But a poll may be
//! long. So while a worker is awake and another asleep, one of those asleep watches: when its time is over, it takes
//! the driver if nobody has it, and takes the newest task of a worker that still has not run it. This is what bounds the
//! harm of one long poll to a few milliseconds, and it costs nothing while all are asleep.
//!
//! After tokio's `multi_thread/idle.rs` and Go's "spinning" threads (`runtime/proc.go`); the watch is ours.

use crate::shim::{AtomicU64, Mutex, Ordering, in_order, lock};

const ASLEEP: u64 = 1;
const SEARCHING: u64 = 1 << 32;

/// The book of who is asleep.
pub(crate) struct Idle {
    workers: usize,
    word: AtomicU64,
    sleepers: Mutex<Sleepers>,
}

struct Sleepers {
    /// Those asleep; who fell asleep last is last.
    list: Vec<usize>,
    watcher: Option<usize>,
}

/// Whether a worker that falls asleep, or wakes up for a moment, has to watch.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watch {
    Yes,
    No,
}

/// As what a worker that is awake counts.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awake {
    Working,
    /// After its sleep: because it was woken to search.
    Searching,
}

impl Idle {
    /// All awake, nobody searching.
    pub(crate) fn new(workers: usize) -> Self {
        let sleepers = Sleepers { list: Vec::with_capacity(workers), watcher: None };
        Self { workers, word: AtomicU64::new(0), sleepers: Mutex::new(sleepers) }
    }

    /// Whether somebody has to be woken for a task that was just put where others can take it.
    #[inline]
    pub(crate) fn should_wake(&self) -> bool {
        // SeqCst: see "Why no task is left alone".
        in_order();
        let word = self.word.load(Ordering::SeqCst);
        word != 0 && word < SEARCHING
    }

    /// Begins to search, unless enough others do.
    pub(crate) fn try_search(&self) -> bool {
        // Relaxed: one more or less who searches is no harm.
        let searching = self.word.load(Ordering::Relaxed) / SEARCHING;
        if 2 * searching as usize >= self.workers {
            return false;
        }
        self.word.fetch_add(SEARCHING, Ordering::Relaxed);
        true
    }

    /// Stops to search, because a task was found. True if nobody searches any more.
    pub(crate) fn stop_search(&self) -> bool {
        // SeqCst: see "Why no task is left alone".
        let was_last = self.word.fetch_sub(SEARCHING, Ordering::SeqCst) / SEARCHING == 1;
        in_order();
        was_last
    }

    /// Falls asleep. The caller then looks once more whether there is a task.
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

    /// Chooses whom to wake, if nobody searches: the one who fell asleep last of those for whom `costly` is false, if there
    /// is one. It counts as searching from here on; the caller has to unpark it.
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

    /// Leaves the sleep. If nobody watches those who are still asleep, `call` is called with one who then has to.
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
            // Under the lock, so that the one called cannot leave before it has been told.
            call(last);
        }
        if position.is_some() { Awake::Working } else { Awake::Searching }
    }

    /// The watcher's time was over: whether to watch on. Not if everybody is asleep.
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
    fn one_who_is_woken_counts_as_searching_until_it_stops() {
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
