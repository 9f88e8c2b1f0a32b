//! A worker's own queue of tasks: a fixed ring that others steal from, and a slot for the task that was made ready last.
//!
//! ```text
//!   newest ▏  the task that was made ready last: it runs next, while what its waker touched is still in the cache
//!   ring   ▏  head ──▶ ■ ■ ■ ■ ■ ◀── tail      oldest at the head; owner and thieves take there, the owner appends
//! ```
//!
//! The [`Owner`] belongs to the worker's thread; any thread may steal through the [`RunQueue`].
//!
//! 1. `tail` is stored by the owner only, `head` is moved by compare-exchange only, and 0 ≤ `tail - head` ≤ RING_CAPACITY.
//! 2. The slots from `head` to `tail` hold tasks. The owner writes the slot at `tail`, and those after it, which nobody
//!    else reads as tasks.
//! 3. Whoever moves `head` from h to h + n has taken the tasks of the slots h to h + n - 1. It reads them *before* it moves
//!    `head`: as long as `head` is h the owner does not write there again (rules 1 and 2), so if the move succeeds what was
//!    read is right, and if it fails what was read is forgotten.
//! 4. The pointer in `lifo_slot` is a task, or null. Whoever swaps it out has taken it.
//!
//! The ring is Go's (`runtime/proc.go`, `runqput` and `runqgrab`). That thieves can reach the newest task as well is what
//! keeps it from being stuck behind a worker that blocks; `worker.rs` says when they do.

use crate::{
    shim::{AtomicPtr, AtomicUsize, Ordering},
    task::Task,
};
use std::{marker::PhantomData, ptr::NonNull, ptr::null_mut, sync::Arc};

/// How many tasks the ring holds.
#[cfg(not(loom))]
const RING_CAPACITY: usize = 256;
#[cfg(loom)]
const RING_CAPACITY: usize = 4;

/// What all threads see of a worker's queue.
#[repr(align(128))]
pub(crate) struct RunQueue {
    // --- moved by whoever takes ---
    head: AtomicUsize,
    // --- stored by the owner ---
    tail: AtomicUsize,
    slots: Box<[AtomicPtr<()>]>,
    // --- swapped by anybody ---
    lifo_slot: AtomicPtr<()>,
}

/// The owner's side. Neither cloned nor shared, so that one thread has it.
pub(crate) struct Owner {
    queue: Arc<RunQueue>,
    _not_sync: PhantomData<std::cell::Cell<()>>,
}

/// A ring's tail, and how many tasks it held.
pub(crate) struct RingSnapshot {
    pub(crate) tail: usize,
    pub(crate) tasks: usize,
}

/// What a thief has taken.
pub(crate) struct Stolen {
    /// The oldest task.
    pub(crate) first: Task,
    /// How many tasks were taken, the first among them.
    pub(crate) tasks: usize,
}

/// An empty queue, both sides of it.
pub(crate) fn new() -> (Owner, Arc<RunQueue>) {
    let queue = Arc::new(RunQueue {
        head: AtomicUsize::new(0),
        tail: AtomicUsize::new(0),
        slots: (0..RING_CAPACITY).map(|_| AtomicPtr::new(null_mut())).collect(),
        lifo_slot: AtomicPtr::new(null_mut()),
    });
    (Owner { queue: queue.clone(), _not_sync: PhantomData }, queue)
}

/// The task that a pointer was made from.
///
/// # Safety
///
/// The pointer is from `Task::into_raw`, and the caller has taken it by rule 3 or 4.
unsafe fn taken(pointer: *mut ()) -> Task {
    let pointer = NonNull::new(pointer).expect("a slot between head and tail holds a task");
    // SAFETY: the caller is the only one that has taken this pointer.
    unsafe { Task::from_raw(pointer) }
}

impl RunQueue {
    #[inline]
    fn slot(&self, position: usize) -> &AtomicPtr<()> {
        &self.slots[position % RING_CAPACITY]
    }

    /// Whether the ring holds a task. SeqCst: part of the argument at the head of `idle.rs`.
    pub(crate) fn has_stealable_tasks(&self) -> bool {
        self.tail.load(Ordering::SeqCst) != self.head.load(Ordering::SeqCst)
    }

    /// What the ring holds now, for a thief that looks again later.
    pub(crate) fn snapshot(&self) -> RingSnapshot {
        // Relaxed, all here and in `has_task_before`: hints, a thief takes by `steal`. A head that is newer than the tail counts as none.
        let tail = self.tail.load(Ordering::Relaxed);
        let len = tail.wrapping_sub(self.head.load(Ordering::Relaxed));
        RingSnapshot { tail, tasks: if len > RING_CAPACITY { 0 } else { len } }
    }

    /// Whether a task still lies there that did when the tail was this one.
    pub(crate) fn has_task_before(&self, tail: usize) -> bool {
        let len = tail.wrapping_sub(self.head.load(Ordering::Relaxed));
        0 < len && len <= RING_CAPACITY
    }

    /// Whether there is a newest task.
    pub(crate) fn has_lifo_task(&self) -> bool {
        // Relaxed: looked at again and again.
        !self.lifo_slot.load(Ordering::Relaxed).is_null()
    }

    /// Takes the newest task, whose owner seems to be stuck.
    pub(crate) fn steal_lifo_task(&self) -> Option<Task> {
        // Acquire pairs with the owner's swap that put it there.
        let newest = self.lifo_slot.swap(null_mut(), Ordering::Acquire);
        // SAFETY: swapping it out has taken it (rule 4).
        (!newest.is_null()).then(|| unsafe { taken(newest) })
    }

    /// Takes half of the ring's tasks, rounded up. The first is returned; the others are put into the thief's ring.
    pub(crate) fn steal(&self, thief: &Owner) -> Option<Stolen> {
        let into = &*thief.queue;
        // Relaxed: the thief is the only one that stores it.
        let into_tail = into.tail.load(Ordering::Relaxed);
        // A thief looks for work when it has none, so there is room; what it may still have is counted.
        // Acquire pairs with the takers of the thief's tasks: their reads come before our writes.
        let room = RING_CAPACITY - into_tail.wrapping_sub(into.head.load(Ordering::Acquire));
        loop {
            // Acquire pairs with the other takers' moves.
            let head = self.head.load(Ordering::Acquire);
            // Acquire pairs with the owner's store: the tasks below the tail are seen.
            let tail = self.tail.load(Ordering::Acquire);
            let len = tail.wrapping_sub(head);
            // A head that is older than the tail may seem to be further behind than can be: look again.
            if len > RING_CAPACITY {
                continue;
            }
            let count = (len - len / 2).min(room + 1);
            if count == 0 {
                return None;
            }
            let first = self.slot(head).load(Ordering::Relaxed);
            for n in 1..count {
                // Behind the thief's tail nobody reads (rule 2).
                let task = self.slot(head.wrapping_add(n)).load(Ordering::Relaxed);
                into.slot(into_tail.wrapping_add(n - 1)).store(task, Ordering::Relaxed);
            }
            // Release: our reads of the slots come before the owner's next writes.
            let moved = self.head.compare_exchange(
                head,
                head.wrapping_add(count),
                Ordering::Release,
                Ordering::Relaxed,
            );
            if moved.is_ok() {
                // SeqCst, which includes Release: publishes the tasks to other thieves.
                into.tail.store(into_tail.wrapping_add(count - 1), Ordering::SeqCst);
                // SAFETY: moving the head has taken it (rule 3).
                return Some(Stolen { first: unsafe { taken(first) }, tasks: count });
            }
        }
    }
}

impl Owner {
    /// Makes a task the newest. The one that was it is returned.
    #[inline]
    pub(crate) fn replace_lifo_slot(&self, task: Task) -> Option<Task> {
        // Release publishes the task to who takes it. The one before was put there by this thread.
        let old = self.queue.lifo_slot.swap(task.into_raw().as_ptr(), Ordering::Release);
        // SAFETY: swapping it out has taken it (rule 4).
        (!old.is_null()).then(|| unsafe { taken(old) })
    }

    /// Takes the newest task.
    #[inline]
    pub(crate) fn pop_lifo_slot(&self) -> Option<Task> {
        if self.queue.has_lifo_task() { self.queue.steal_lifo_task() } else { None }
    }

    /// Appends a task to the ring. If the ring is full, `overflow` is given half of it, and the task.
    #[inline]
    pub(crate) fn push(&self, task: Task, overflow: impl FnOnce(Vec<Task>)) {
        let queue = &*self.queue;
        // Relaxed: only this thread stores it.
        let tail = queue.tail.load(Ordering::Relaxed);
        // Acquire pairs with the takers: their reads of the slot come before our write.
        if tail.wrapping_sub(queue.head.load(Ordering::Acquire)) < RING_CAPACITY {
            queue.slot(tail).store(task.into_raw().as_ptr(), Ordering::Relaxed);
            // A swap, so that what follows in `MultiThread::notify` is ordered after it: see the head of `idle.rs`.
            queue.tail.swap(tail.wrapping_add(1), Ordering::SeqCst);
        } else {
            let mut half = self.take_half();
            half.push(task);
            overflow(half);
        }
    }

    /// Takes the oldest task of the ring.
    #[inline]
    pub(crate) fn pop(&self) -> Option<Task> {
        let queue = &*self.queue;
        // Relaxed: only this thread stores it.
        let tail = queue.tail.load(Ordering::Relaxed);
        // Relaxed: what the slots hold was written by this thread.
        let mut head = queue.head.load(Ordering::Relaxed);
        while head != tail {
            let task = queue.slot(head).load(Ordering::Relaxed);
            // Release: a thief that sees this head sees our tail as well, and does not look again and again.
            match queue.head.compare_exchange_weak(
                head,
                head.wrapping_add(1),
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                // SAFETY: moving the head has taken it (rule 3).
                Ok(_) => return Some(unsafe { taken(task) }),
                Err(now) => head = now,
            }
        }
        None
    }

    /// Whether the ring holds a task, as far as its owner knows.
    #[inline]
    pub(crate) fn has_ring_tasks(&self) -> bool {
        // Relaxed, both: a thief may be taking the last one.
        self.queue.tail.load(Ordering::Relaxed) != self.queue.head.load(Ordering::Relaxed)
    }

    /// How many tasks the ring has room for.
    pub(crate) fn room(&self) -> usize {
        let len =
            self.queue.tail.load(Ordering::Relaxed).wrapping_sub(self.queue.head.load(Ordering::Relaxed));
        RING_CAPACITY - len.min(RING_CAPACITY)
    }

    /// Whether there is anything to run.
    pub(crate) fn is_empty(&self) -> bool {
        !self.queue.has_lifo_task() && !self.queue.has_stealable_tasks()
    }

    #[cold]
    fn take_half(&self) -> Vec<Task> {
        let queue = &*self.queue;
        loop {
            // Orders as in `pop`.
            let head = queue.head.load(Ordering::Relaxed);
            let count = queue.tail.load(Ordering::Relaxed).wrapping_sub(head) / 2;
            let read = |n| queue.slot(head.wrapping_add(n)).load(Ordering::Relaxed);
            let pointers: Vec<_> = (0..count).map(read).collect();
            let moved = queue.head.compare_exchange(
                head,
                head.wrapping_add(count),
                Ordering::Release,
                Ordering::Relaxed,
            );
            if moved.is_ok() {
                // SAFETY: moving the head has taken them (rule 3).
                return pointers.into_iter().map(|pointer| unsafe { taken(pointer) }).collect();
            }
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // What is left is cancelled.
        while let Some(task) = self.pop().or_else(|| self.pop_lifo_slot()) {
            drop(task);
        }
    }
}
