//! The injector: the queue for tasks that come to an executor from other threads.
//!
//! A list behind a lock. Its length can be read without the lock, so workers that find it empty do not
//! touch the lock.

use crate::{
    shim::{AtomicUsize, Mutex, Ordering, lock},
    task::Task,
};
use std::collections::VecDeque;

/// Tasks from other threads, in the order in which they came.
pub(crate) struct Injector {
    /// Stored under the lock, and read without it.
    len: AtomicUsize,
    list: Mutex<List>,
}

struct List {
    tasks: VecDeque<Task>,
    closed: bool,
}

impl Injector {
    pub(crate) fn new() -> Self {
        let list = List { tasks: VecDeque::new(), closed: false };
        Self { len: AtomicUsize::new(0), list: Mutex::new(list) }
    }

    /// Returns the number of tasks. SeqCst: part of the argument at the head of `multi_thread/idle.rs`.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::SeqCst)
    }

    /// Appends a task. Gives it back if the executor has ended.
    pub(crate) fn push(&self, task: Task) -> Result<(), Task> {
        let mut list = lock(&self.list);
        if list.closed {
            return Err(task);
        }
        list.tasks.push_back(task);
        self.publish(&list);
        Ok(())
    }

    /// Appends the tasks that a worker has no room for.
    pub(crate) fn push_all(&self, tasks: impl IntoIterator<Item = Task>) {
        let mut list = lock(&self.list);
        list.tasks.extend(tasks);
        self.publish(&list);
    }

    /// Takes the first task, and hands more tasks to `keep`: at most as many as `share` says, given the
    /// length of the rest.
    pub(crate) fn pop_batch(
        &self,
        share: impl FnOnce(usize) -> usize,
        mut keep: impl FnMut(Task),
    ) -> Option<Task> {
        if self.len() == 0 {
            return None;
        }
        let mut list = lock(&self.list);
        let first = list.tasks.pop_front();
        let more = share(list.tasks.len()).min(list.tasks.len());
        list.tasks.drain(..more).for_each(&mut keep);
        self.publish(&list);
        first
    }

    /// Takes all tasks, and lets no more in.
    pub(crate) fn close(&self) -> VecDeque<Task> {
        let mut list = lock(&self.list);
        list.closed = true;
        let tasks = std::mem::take(&mut list.tasks);
        self.publish(&list);
        tasks
    }

    /// Returns the ids of the tasks, the first one in front, or `None` if a thread has the lock.
    #[cfg(feature = "explore")]
    pub(crate) fn tasks(&self) -> Option<Vec<brigade_trace::Id>> {
        Some(self.list.try_lock().ok()?.tasks.iter().map(Task::id).collect())
    }

    fn publish(&self, list: &List) {
        // SeqCst: part of the argument at the head of `multi_thread/idle.rs`.
        self.len.store(list.tasks.len(), Ordering::SeqCst);
    }
}
