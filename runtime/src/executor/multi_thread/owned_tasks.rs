//! All tasks of a multi-threaded runtime: how many there are, and a list of those that wait, so that they can be cancelled when it ends.
//!
//! A task is listed when it is pending for the first time, by the worker that runs it, in that worker's own shard: so that no lock is
//! taken for a task that never waits, and that of a shard by others only to strike off what has wandered. Until then it lies in a
//! queue or runs: whoever runs it looks whether the runtime ends before it is polled for the first time and, under the shard's lock, when
//! it is listed. So after [`OwnedTasks::cancel_all`] every task is cancelled at its next run, or is in that one already.
//!
//! # When there is no task left
//!
//! ```text
//!   shard   spawned, ended    counted by its worker alone; those of the last shard by all threads that are no workers
//! ```
//!
//! A spawn is counted before the task is queued, an end after the task's last use of the executor's parts. Who asks adds up the ends first
//! and then the spawns. If the sums are equal, no task was left between the two: the ends that were seen are not more than those
//! that had happened, nor the spawns that were seen fewer; and the spawns of a task come before its end.
//!
//! Who waits until no task is left has to be woken by the last end:
//!
//! ```text
//!   waiting                          a worker that falls asleep, any other thread that ends a task
//!   awaited = true                   ended += 1
//!   fence                            fence
//!   is none left?                    awaited? and is none left? wake
//! ```
//!
//! A worker that has ended the last task falls asleep soon after, since there is none to run. Of several that fall asleep the last one in
//! the order of the fences sees what all have counted.

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
    /// No task is let in any more.
    closed: bool,
}

/// All tasks that are not complete.
pub(crate) struct OwnedTasks {
    /// One for each worker, and the last one for others. A place is the number on the roll, times the count of shards, plus the shard's.
    shards: Box<[TaskShard]>,
    /// The runtime ends: no task is polled that has not been before.
    closing: AtomicBool,
    /// Somebody waits until no task is left.
    awaited: AtomicBool,
    waiting: Mutex<Option<Waker>>,
}

impl OwnedTasks {
    /// A list for so many workers and for others.
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            shards: (0..=workers).map(|_| TaskShard::default()).collect(),
            closing: AtomicBool::new(false),
            awaited: AtomicBool::new(false),
            waiting: Mutex::new(None),
        }
    }

    /// Whether the runtime ends, so that new tasks are cancelled.
    #[inline]
    pub(crate) fn is_closing(&self) -> bool {
        // Relaxed: a task that does not see it is polled, and sees under the lock that it must not wait.
        self.closing.load(Ordering::Relaxed)
    }

    /// Adds one to a worker's own counter, or to that of the other threads.
    #[inline]
    fn count(&self, worker: Option<usize>, which: impl Fn(&TaskShard) -> &AtomicU64) {
        // Release, both: who sees an end sees all spawns before it.
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

    /// Counts a task that is about to be queued: by this worker, or by a thread that is none of this runtime's.
    #[inline]
    pub(crate) fn spawned(&self, worker: Option<usize>) {
        self.count(worker, |shard| &shard.spawned);
    }

    /// Counts a task that ends, and strikes it off if it was listed.
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

    /// Lists a task that waits for the first time, and says where. None if the runtime ends.
    pub(crate) fn list(&self, worker: Option<usize>, task: TaskRef) -> Option<u32> {
        let shards = self.shards.len();
        let shard = worker.unwrap_or(shards - 1);
        let mut list = lock(&self.shards[shard].list);
        (!list.closed).then(|| list.tasks.insert(task) * shards as u32 + shard as u32)
    }

    /// Wakes who waits until no task is left, if none is. A worker calls this when it falls asleep.
    #[cold]
    pub(crate) fn wake_if_empty(&self) {
        // See the head of this file.
        fence(Ordering::SeqCst);
        if self.awaited.load(Ordering::Relaxed) && self.is_empty() {
            let waker = lock(&self.waiting).take();
            waker.into_iter().for_each(Waker::wake);
        }
    }

    /// Lets no task in any more, and cancels all.
    pub(crate) fn cancel_all(&self) {
        self.closing.store(true, Ordering::Relaxed);
        for shard in &self.shards {
            let mut list = lock(&shard.list);
            list.closed = true;
            // Under the lock a task cannot be struck off, so it is alive. No foreign code runs: cancelling pushes it.
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

    /// Whether no task is left; if one is, `waker` is woken when none is.
    pub(crate) fn when_empty(&self, waker: &Waker) -> bool {
        // Foreign code, cloning and dropping a waker, has no lock.
        let waker = waker.clone();
        let _old = lock(&self.waiting).replace(waker);
        self.awaited.store(true, Ordering::Relaxed);
        // See the head of this file.
        fence(Ordering::SeqCst);
        let is_empty = self.is_empty();
        // Who need not wait leaves nothing behind: its waker may hold what holds this.
        let _own = if is_empty { lock(&self.waiting).take() } else { None };
        is_empty
    }
}

/// The index of the worker that this thread is, if it is one of this runtime's.
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
    fn who_need_not_wait_leaves_no_waker_behind() {
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

    /// Waits on this thread; whether it was woken, or saw at once that no task is left, is told by what is returned.
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
        // On a worker, and on a thread that is none.
        one_is_left_at_all_times(Some(0));
        one_is_left_at_all_times(None);
    }

    fn one_is_left_at_all_times(worker: Option<usize>) {
        loom::model(move || {
            let owned = Arc::new(OwnedTasks::new(2));
            owned.spawned(None);
            let other = owned.clone();
            let asking = thread::spawn(move || assert!(!other.is_empty(), "one task is left at all times"));
            // Spawns one, which ends elsewhere, and ends itself. On this thread: loom does not try all orders of a read and the
            // writes of a thread that comes after it and reads the same first.
            owned.spawned(worker);
            owned.ended(worker, UNLISTED);
            owned.wake_if_empty();
            asking.join().unwrap();
            owned.ended(Some(1), UNLISTED);
            assert!(owned.is_empty());
        });
    }
}
