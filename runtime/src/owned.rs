//! The list of all tasks of a multi-threaded runtime, so that they can be cancelled and counted when it ends.
//!
//! In shards, each under its own lock: a worker lists what it spawns in its own shard, so that its lock is taken by others
//! only to strike off what they have completed.

use crate::{
    roll::Roll,
    shim::{Mutex, lock},
    task::{Task, TaskRef, UNPLACED},
};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    task::Waker,
};

/// So many shards at most. A place is the number on the roll, times the count of shards, plus the shard's.
const SHARDS: usize = 128;

#[repr(align(128))]
struct Shard {
    list: Mutex<List>,
}

struct List {
    tasks: Roll,
    /// No task is let in any more.
    closed: bool,
}

/// All tasks that are not complete.
pub(crate) struct Owned {
    shards: Box<[Shard]>,
    /// Somebody waits until no task is left.
    awaited: AtomicBool,
    waiting: Mutex<Option<Waker>>,
}

impl Owned {
    /// A list for so many workers and for others.
    pub(crate) fn new(workers: usize) -> Self {
        let shard = || Shard { list: Mutex::new(List { tasks: Roll::new(), closed: false }) };
        Self {
            shards: (0..=workers.min(SHARDS - 1)).map(|_| shard()).collect(),
            awaited: AtomicBool::new(false),
            waiting: Mutex::new(None),
        }
    }

    /// Lists a new task. Gives it back if the runtime ends.
    #[inline]
    pub(crate) fn insert(&self, shard: usize, task: Task) -> Result<Task, Task> {
        let shards = self.shards.len();
        // The last one is for threads that are no workers.
        let shard = shard.min(shards - 1);
        let mut list = lock(&self.shards[shard].list);
        if list.closed {
            return Err(task);
        }
        let number = list.tasks.enter(task.to_ref());
        drop(list);
        task.set_place(number * shards as u32 + shard as u32);
        Ok(task)
    }

    /// Strikes a task off. Nothing happens for one that was never listed.
    #[inline]
    pub(crate) fn remove(&self, place: u32) {
        if place == UNPLACED {
            return;
        }
        let shards = self.shards.len() as u32;
        lock(&self.shards[(place % shards) as usize].list).tasks.strike(place / shards);
        // SeqCst pairs with `when_empty`: if that saw our task, this sees that somebody waits.
        if self.awaited.load(Ordering::SeqCst) {
            self.wake_if_empty();
        }
    }

    #[cold]
    fn wake_if_empty(&self) {
        if self.is_empty() {
            let waker = lock(&self.waiting).take();
            waker.into_iter().for_each(Waker::wake);
        }
    }

    /// Lets no task in any more, and cancels all.
    pub(crate) fn cancel_all(&self) {
        for shard in &self.shards {
            let mut list = lock(&shard.list);
            list.closed = true;
            // Under the lock a task cannot be struck off, so it is alive. No foreign code runs: cancelling pushes it.
            list.tasks.iter().for_each(TaskRef::cancel);
        }
    }

    fn is_empty(&self) -> bool {
        self.shards.iter().all(|shard| lock(&shard.list).tasks.is_empty())
    }

    /// Whether no task is left; if one is, `waker` is woken when none is.
    pub(crate) fn when_empty(&self, waker: &Waker) -> bool {
        *lock(&self.waiting) = Some(waker.clone());
        // SeqCst: see `remove`.
        self.awaited.store(true, Ordering::SeqCst);
        self.is_empty()
    }
}
