//! The owned tasks of a multi-threaded runtime: their number, and a list of those that wait, so that a
//! shutdown can cancel them.
//!
//! A task is listed when it is pending for the first time. The worker that runs it puts it into its own
//! shard. So a task that never waits takes no lock, and another worker takes the lock of a shard only to
//! remove a task that has moved. Before it is listed, a task is in a queue or runs. The worker that runs it
//! checks whether the runtime is ending before the first poll, and again when it lists the task, under the
//! lock of the shard. So after [`OwnedTasks::cancel_all`] every task is cancelled at its next run, or is in
//! that run already.
//!
//! # When there is no task left
//!
//! ```text
//!   shard   spawned, ended    counted by its worker; in the last shard, by all other threads
//! ```
//!
//! A spawn is counted before the task is queued. An end is counted after the task's last use of the parts
//! of the executor. A reader adds up the ends first and then the spawns. If the sums are equal, there was a
//! moment between the two readings at which no task was left: the reader saw no more ends than had
//! happened, and no fewer spawns, and the spawns of a task come before its end.
//!
//! The last end has to wake a thread that waits until no task is left:
//!
//! ```text
//!   waiting                          a worker that falls asleep, any other thread that ends a task
//!   awaited = true                   ended += 1
//!   fence                            fence
//!   is none left?                    awaited? and is none left? wake
//! ```
//!
//! A worker that has ended the last task falls asleep soon after, since there is none to run. If several
//! fall asleep, the last one in the order of the fences sees the counts of all of them.

use crate::{
    executor::context::{self, ThreadRole},
    shim::{AtomicBool, AtomicU64, Mutex, Ordering, fence, lock},
    task::{TaskRef, UNLISTED, list::TaskList},
};
use std::task::Waker;

#[repr(align(128))]
#[derive(Default)]
struct TaskShard {
    // --- the worker's ---
    spawned: AtomicU64,
    ended: AtomicU64,
    // --- anybody's ---
    list: Mutex<ListedTasks>,
}

#[derive(Default)]
struct ListedTasks {
    tasks: TaskList,
    /// True once no task is let in any more.
    closed: bool,
}

/// All tasks that are not complete.
pub(crate) struct OwnedTasks {
    /// One shard for each worker, and a last one for the other threads. The index of a task is its number
    /// in the list, times the number of shards, plus the number of the shard.
    shards: Box<[TaskShard]>,
    /// True once the runtime is ending: a task is then no longer polled for the first time.
    closing: AtomicBool,
    /// True once a thread waits until no task is left.
    awaited: AtomicBool,
    waiting: Mutex<Option<Waker>>,
}

impl OwnedTasks {
    /// Makes the shards for this number of workers, and one for the other threads.
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            shards: (0..=workers).map(|_| TaskShard::default()).collect(),
            closing: AtomicBool::new(false),
            awaited: AtomicBool::new(false),
            waiting: Mutex::new(None),
        }
    }

    /// Tells whether the runtime is ending, so that new tasks are cancelled.
    #[inline]
    pub(crate) fn is_closing(&self) -> bool {
        // Relaxed: a worker that misses this polls the task, and then sees under the lock that the task
        // must not wait.
        self.closing.load(Ordering::Relaxed)
    }

    /// Adds one to the counter of a worker, or to that of the other threads.
    #[inline]
    fn count(&self, worker: Option<usize>, which: impl Fn(&TaskShard) -> &AtomicU64) {
        // Release, both: a thread that sees an end also sees all spawns before it.
        match worker {
            Some(index) => {
                let counter = which(&self.shards[index]);
                // Only this thread stores it.
                counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Release);
            }
            None => {
                which(&self.shards[self.shards.len() - 1]).fetch_add(1, Ordering::Release);
            }
        }
    }

    /// Counts a task that is about to be queued, by this worker or by a thread outside the runtime.
    #[inline]
    pub(crate) fn spawned(&self, worker: Option<usize>) {
        self.count(worker, |shard| &shard.spawned);
    }

    /// Counts a task that ends, and removes it from its list if it was listed.
    #[inline]
    pub(crate) fn ended(&self, worker: Option<usize>, place: u32) {
        if place != UNLISTED {
            let shards = self.shards.len() as u32;
            lock(&self.shards[(place % shards) as usize].list).tasks.remove(place / shards);
        }
        self.count(worker, |shard| &shard.ended);
        if worker.is_none() {
            self.wake_if_empty();
        }
    }

    /// Lists a task that waits for the first time, and returns its index. Returns `None` if the runtime is
    /// ending.
    pub(crate) fn list(&self, worker: Option<usize>, task: TaskRef) -> Option<u32> {
        let shards = self.shards.len();
        let shard = worker.unwrap_or(shards - 1);
        let mut list = lock(&self.shards[shard].list);
        (!list.closed).then(|| list.tasks.insert(task) * shards as u32 + shard as u32)
    }

    /// Wakes the thread that waits until no task is left, if none is. A worker calls this when it falls
    /// asleep.
    #[cold]
    pub(crate) fn wake_if_empty(&self) {
        // See the head of this file.
        fence(Ordering::SeqCst);
        if self.awaited.load(Ordering::Relaxed) && self.is_empty() {
            let waker = lock(&self.waiting).take();
            waker.into_iter().for_each(Waker::wake);
        }
    }

    /// Lets no more tasks in, and cancels all that are listed.
    pub(crate) fn cancel_all(&self) {
        self.closing.store(true, Ordering::Relaxed);
        for shard in &self.shards {
            let mut list = lock(&shard.list);
            list.closed = true;
            // A task cannot be removed while this holds the lock, so it is alive. No foreign code runs:
            // cancelling only queues it.
            list.tasks.iter().for_each(TaskRef::cancel);
        }
    }

    fn is_empty(&self) -> bool {
        let sum = |which: fn(&TaskShard) -> &AtomicU64| {
            self.shards.iter().map(|shard| which(shard).load(Ordering::Acquire)).sum::<u64>()
        };
        let ended = sum(|shard| &shard.ended);
        ended == sum(|shard| &shard.spawned)
    }

    /// Tells whether no task is left. If one is, `waker` is woken when none is.
    pub(crate) fn when_empty(&self, waker: &Waker) -> bool {
        // Cloning and dropping a waker is foreign code, so it happens without the lock.
        let waker = waker.clone();
        let _old = lock(&self.waiting).replace(waker);
        self.awaited.store(true, Ordering::Relaxed);
        // See the head of this file.
        fence(Ordering::SeqCst);
        let is_empty = self.is_empty();
        // If no task is left, take our waker out again: it may own what owns this list.
        let _own = if is_empty { lock(&self.waiting).take() } else { None };
        is_empty
    }
}

/// Returns the index of the worker that this thread is, if it is one of this runtime.
#[inline]
pub(crate) fn worker_of(owned: &OwnedTasks) -> Option<usize> {
    context::with(|place| match place {
        ThreadRole::Worker(worker) if std::ptr::eq(&worker.shared.owned, owned) => Some(worker.index),
        _ => None,
    })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::{sync::Arc, task::Wake};

    #[test]
    fn a_waiter_that_need_not_wait_leaves_no_waker_behind() {
        struct Idle;
        impl Wake for Idle {
            fn wake(self: Arc<Self>) {}
        }
        let (owned, idle) = (OwnedTasks::new(1), Arc::new(Idle));
        assert!(owned.when_empty(&Waker::from(idle.clone())));
        assert_eq!(Arc::strong_count(&idle), 1);
    }
}

#[cfg(all(loom, test))]
mod model {
    use super::*;
    use crate::model::Count;
    use loom::thread;
    use std::sync::Arc;

    /// Waits on this thread. The returned function tells whether the waiter was woken, or saw at once that
    /// no task is left.
    fn wait(owned: &OwnedTasks) -> impl FnOnce() -> bool {
        let count = Arc::new(Count::default());
        let empty = owned.when_empty(&Waker::from(count.clone()));
        move || empty || count.times() > 0
    }

    #[test]
    fn the_last_of_two_workers_that_fall_asleep_wakes_who_waits() {
        loom::model(|| {
            let owned = Arc::new(OwnedTasks::new(2));
            [None, Some(0)].into_iter().for_each(|spawner| owned.spawned(spawner));
            let workers = [0, 1].map(|worker| {
                let owned = owned.clone();
                thread::spawn(move || {
                    owned.ended(Some(worker), UNLISTED);
                    owned.wake_if_empty();
                })
            });
            let told = wait(&owned);
            workers.into_iter().for_each(|worker| worker.join().unwrap());
            assert!(told(), "nobody said that no task is left");
        });
    }

    #[test]
    fn a_task_that_ends_elsewhere_wakes_who_waits() {
        loom::model(|| {
            let owned = Arc::new(OwnedTasks::new(1));
            owned.spawned(Some(0));
            let other = owned.clone();
            let other = thread::spawn(move || other.ended(None, UNLISTED));
            let told = wait(&owned);
            other.join().unwrap();
            assert!(told(), "nobody said that no task is left");
        });
    }

    #[test]
    fn nobody_is_told_that_none_is_left_while_a_task_has_spawned_another() {
        // Once on a worker, and once on another thread.
        one_is_left_at_all_times(Some(0));
        one_is_left_at_all_times(None);
    }

    fn one_is_left_at_all_times(worker: Option<usize>) {
        loom::model(move || {
            let owned = Arc::new(OwnedTasks::new(2));
            owned.spawned(None);
            let other = owned.clone();
            let asking = thread::spawn(move || assert!(!other.is_empty(), "one task is left at all times"));
            // Spawns a task that ends elsewhere, and then ends itself. This runs on this thread: loom does
            // not try all orders of a read and the writes of a thread that comes after it and reads the
            // same first.
            owned.spawned(worker);
            owned.ended(worker, UNLISTED);
            owned.wake_if_empty();
            asking.join().unwrap();
            owned.ended(Some(1), UNLISTED);
            assert!(owned.is_empty());
        });
    }
}
