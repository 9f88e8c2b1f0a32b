//! The run queue of one worker: a ring of fixed size that others steal from, and the LIFO slot.
//!
//! ```text
//!   LIFO slot ▏  the task that was made ready last. It runs next, while the memory that
//!             ▏  its waker touched is still in the cache
//!   ring      ▏  head ──▶ ■ ■ ■ ■ ■ ◀── tail      the oldest is at the head: the owner and thieves
//!             ▏                                    take there, and the owner appends at the tail
//! ```
//!
//! The [`Owner`] belongs to the worker's thread. Any thread may steal through the [`RunQueue`].
//!
//! 1. Only the owner stores `tail`. `head` moves only by compare-exchange. Always 0 ≤ `tail - head` ≤
//!    RING_CAPACITY.
//! 2. The slots from `head` to `tail` hold tasks. The owner writes the slot at `tail` and the slots after
//!    it, and nobody else reads those as tasks.
//! 3. A thread that moves `head` from h to h + n has taken the tasks of the slots h to h + n - 1. It reads
//!    them *before* it moves `head`: as long as `head` is h, the owner does not write there again (rules 1
//!    and 2). So if the move succeeds, the reads were right; if it fails, the reads are forgotten.
//! 4. The pointer in `lifo_slot` is a task or null. A thread that swaps it out has taken the task.
//!
//! The ring is Go's (`runtime/proc.go`, `runqput` and `runqgrab`). Thieves can also reach the LIFO slot, so
//! a task there is not stuck behind a worker that blocks. `worker.rs` says when they take it.

use crate::{
    shim::{AtomicPtr, AtomicUsize, Ordering},
    task::Task,
};
use std::{marker::PhantomData, ptr::NonNull, ptr::null_mut, sync::Arc};
#[cfg(feature = "explore")]
use {brigade_handle::explore::Stopped, brigade_trace::Id, std::mem::ManuallyDrop};

/// The number of tasks that a ring can hold.
#[cfg(not(loom))]
const RING_CAPACITY: usize = 256;
#[cfg(loom)]
const RING_CAPACITY: usize = 4;

/// The part of a run queue that all threads see.
#[repr(align(128))]
pub(crate) struct RunQueue {
    // --- moved by whoever takes ---
    head: AtomicUsize,
    // --- stored by the owner ---
    tail: AtomicUsize,
    /// The number of rounds that the owner has ended.
    rounds: AtomicUsize,
    slots: Box<[AtomicPtr<()>]>,
    // --- swapped by anybody ---
    lifo_slot: AtomicPtr<()>,
}

/// The owner's side of a run queue. It is neither `Clone` nor `Sync`, so one thread has it.
pub(crate) struct Owner {
    queue: Arc<RunQueue>,
    _not_sync: PhantomData<std::cell::Cell<()>>,
}

/// The tail of a ring, and the number of tasks in it.
pub(crate) struct RingSnapshot {
    pub(crate) tail: usize,
    pub(crate) tasks: usize,
}

/// The task in a LIFO slot at one moment, and the progress of its owner. If two snapshots are equal, the
/// owner has been in the same round since the first one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LifoSnapshot {
    /// The address of the task. It may be used for comparisons only: the task can be gone, and another one in
    /// its memory.
    task: usize,
    rounds: usize,
}

/// The tasks that a thief has taken.
pub(crate) struct Stolen {
    /// The oldest task.
    pub(crate) first: Task,
    /// The number of tasks that were taken, including the first.
    pub(crate) tasks: usize,
}

/// Makes an empty queue, and returns both sides of it.
pub(crate) fn new() -> (Owner, Arc<RunQueue>) {
    let queue = Arc::new(RunQueue {
        head: AtomicUsize::new(0),
        tail: AtomicUsize::new(0),
        rounds: AtomicUsize::new(0),
        slots: (0..RING_CAPACITY).map(|_| AtomicPtr::new(null_mut())).collect(),
        lifo_slot: AtomicPtr::new(null_mut()),
    });
    (Owner { queue: queue.clone(), _not_sync: PhantomData }, queue)
}

/// Turns a pointer back into its task.
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

    /// Tells whether the ring holds a task. SeqCst: part of the argument at the head of `idle.rs`.
    pub(crate) fn has_stealable_tasks(&self) -> bool {
        self.tail.load(Ordering::SeqCst) != self.head.load(Ordering::SeqCst)
    }

    /// Returns the current tail and length of the ring, for a thief that looks again later.
    pub(crate) fn snapshot(&self) -> RingSnapshot {
        // Relaxed, all here and in `has_task_before`: these are hints, and a thief takes tasks by `steal`.
        // A head that is newer than the tail counts as an empty ring.
        let tail = self.tail.load(Ordering::Relaxed);
        let len = tail.wrapping_sub(self.head.load(Ordering::Relaxed));
        RingSnapshot { tail, tasks: if len > RING_CAPACITY { 0 } else { len } }
    }

    /// Returns the head of the ring, for a thief that looks again later, or `None` if the ring is empty.
    pub(crate) fn head_of_tasks(&self) -> Option<usize> {
        let RingSnapshot { tail, tasks } = self.snapshot();
        (tasks > 0).then(|| tail.wrapping_sub(tasks))
    }

    /// Tells whether the ring still holds a task from the time when its tail was `tail`.
    pub(crate) fn has_task_before(&self, tail: usize) -> bool {
        let len = tail.wrapping_sub(self.head.load(Ordering::Relaxed));
        0 < len && len <= RING_CAPACITY
    }

    /// Returns the task in the LIFO slot, for a thief that looks again later, or `None` if the slot is empty.
    pub(crate) fn lifo_snapshot(&self) -> Option<LifoSnapshot> {
        // Relaxed, both: callers look again and again.
        let (rounds, task) = (self.rounds.load(Ordering::Relaxed), self.lifo_slot.load(Ordering::Relaxed));
        (!task.is_null()).then(|| LifoSnapshot { task: task.addr(), rounds })
    }

    /// Tells whether the LIFO slot holds a task.
    pub(crate) fn has_lifo_task(&self) -> bool {
        // Relaxed: callers look again and again.
        !self.lifo_slot.load(Ordering::Relaxed).is_null()
    }

    /// Returns the ids of the task in the LIFO slot and of those in the ring, the oldest first.
    #[cfg(feature = "explore")]
    pub(crate) fn tasks(&self, _: &Stopped) -> [Vec<Id>; 2] {
        let id = |pointer: *mut ()| {
            // SAFETY: a slot between head and tail, and the LIFO slot, hold tasks (rules 2 and 4). No thread
            // goes on, so none is taken meanwhile. The entry is forgotten and stays in the queue.
            NonNull::new(pointer).map(|task| ManuallyDrop::new(unsafe { Task::from_raw(task) }).id())
        };
        let RingSnapshot { tail, tasks } = self.snapshot();
        let ring = (1..=tasks).rev().map(|back| self.slot(tail.wrapping_sub(back)).load(Ordering::Relaxed));
        let newest = self.lifo_slot.load(Ordering::Relaxed);
        [id(newest).into_iter().collect(), ring.filter_map(id).collect()]
    }

    /// Takes the task out of the LIFO slot of a worker that seems to be stuck.
    pub(crate) fn steal_lifo_task(&self) -> Option<Task> {
        // Acquire pairs with the owner's swap, which put the task there.
        let newest = self.lifo_slot.swap(null_mut(), Ordering::Acquire);
        // SAFETY: swapping it out has taken it (rule 4).
        (!newest.is_null()).then(|| unsafe { taken(newest) })
    }

    /// Takes half of the tasks of the ring, rounded up. The first one is returned; the others go into the
    /// ring of the thief.
    pub(crate) fn steal(&self, thief: &Owner) -> Option<Stolen> {
        let into = &*thief.queue;
        // Relaxed: only the thief stores its own tail.
        let into_tail = into.tail.load(Ordering::Relaxed);
        // A thief searches when it has no work, so it has room. Tasks that it still has are counted.
        // Acquire pairs with the threads that took tasks from the thief: their reads come before our
        // writes.
        let room = RING_CAPACITY - into_tail.wrapping_sub(into.head.load(Ordering::Acquire));
        loop {
            // Acquire pairs with the other takers' moves.
            let head = self.head.load(Ordering::Acquire);
            // Acquire pairs with the owner's store: the tasks below the tail are seen.
            let tail = self.tail.load(Ordering::Acquire);
            let len = tail.wrapping_sub(head);
            // An old head may seem to be further behind than is possible. Then the thief reads again.
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
    /// Tells thieves that this worker is not stuck: it has ended a round.
    pub(crate) fn end_round(&self) {
        // Relaxed, both: only this thread stores it, and thieves look again and again.
        let rounds = self.queue.rounds.load(Ordering::Relaxed);
        self.queue.rounds.store(rounds.wrapping_add(1), Ordering::Relaxed);
    }

    /// Puts a task into the LIFO slot, and returns the task that was there.
    #[inline]
    pub(crate) fn replace_lifo_slot(&self, task: Task) -> Option<Task> {
        // Release publishes the task to the thread that takes it. This thread itself put the task before it
        // there.
        let old = self.queue.lifo_slot.swap(task.into_raw().as_ptr(), Ordering::Release);
        // SAFETY: swapping it out has taken it (rule 4).
        (!old.is_null()).then(|| unsafe { taken(old) })
    }

    /// Takes the task out of the LIFO slot.
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
            // A swap, so that what follows in `MultiThread::notify` is ordered after it: see the head of
            // `idle.rs`.
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

    /// Tells whether the ring holds a task, as far as its owner knows.
    #[inline]
    pub(crate) fn has_ring_tasks(&self) -> bool {
        // Relaxed, both: a thief may be taking the last one.
        self.queue.tail.load(Ordering::Relaxed) != self.queue.head.load(Ordering::Relaxed)
    }

    /// Returns the number of tasks for which the ring has room.
    pub(crate) fn room(&self) -> usize {
        let len =
            self.queue.tail.load(Ordering::Relaxed).wrapping_sub(self.queue.head.load(Ordering::Relaxed));
        RING_CAPACITY - len.min(RING_CAPACITY)
    }

    /// Tells whether the slot and the ring are both empty.
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
        // The tasks that are left are cancelled.
        while let Some(task) = self.pop().or_else(|| self.pop_lifo_slot()) {
            drop(task);
        }
    }
}
