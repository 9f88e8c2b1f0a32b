//! The list of all tasks of a multi-threaded runtime, so that they can be cancelled and counted when it ends.
//!
//! In shards, each under its own lock: a worker lists what it spawns in its own shard, so that its lock is taken by others
//! only to strike off what they have completed.

use crate::{
    shim::{Mutex, lock},
    slab::{Key, Slab},
    task::{Task, TaskRef},
};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    task::Waker,
};

/// A place is the shard in the highest byte, and a key below.
const SHARD: u32 = 56;
/// So many shards at most.
const SHARDS: usize = 128;

#[repr(align(128))]
struct Shard {
    list: Mutex<List>,
}

struct List {
    tasks: Slab<TaskRef>,
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
        let shard = || Shard { list: Mutex::new(List { tasks: Slab::new(), closed: false }) };
        Self {
            shards: (0..=workers.min(SHARDS - 1)).map(|_| shard()).collect(),
            awaited: AtomicBool::new(false),
            waiting: Mutex::new(None),
        }
    }

    /// Lists a new task. Gives it back if the runtime ends.
    #[inline]
    pub(crate) fn insert(&self, shard: usize, task: Task) -> Result<Task, Task> {
        let shard = shard % self.shards.len();
        let mut list = lock(&self.shards[shard].list);
        if list.closed {
            return Err(task);
        }
        let key = list.tasks.insert(task.to_ref());
        drop(list);
        task.set_place((shard as u64) << SHARD | key.to_bits());
        Ok(task)
    }

    /// Strikes a task off. Nothing happens for one that was never listed.
    #[inline]
    pub(crate) fn remove(&self, place: u64) {
        let Some(shard) = self.shards.get((place >> SHARD) as usize) else { return };
        let key = Key::from_bits(place & ((1 << SHARD) - 1));
        lock(&shard.list).tasks.remove(key);
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
