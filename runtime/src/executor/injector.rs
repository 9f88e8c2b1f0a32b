//! The injector: the queue by which tasks come to an executor from other threads.
//!
//! A locked list whose length can be read without the lock, so that workers that find it empty do not touch the lock.

use crate::{
    shim::{AtomicUsize, Mutex, Ordering, lock},
    task::Task,
};
use std::collections::VecDeque;

/// Tasks from other threads, in the order in which they came.
pub(crate) struct Injector {
    /// Stored under the lock, read without.
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

    /// SeqCst: part of the argument at the head of `multi_thread/idle.rs`.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::SeqCst)
    }

    /// Appends tasks. Gives them back if the executor is gone.
    pub(crate) fn push(&self, task: Task) -> Result<(), Task> {
        let mut list = lock(&self.list);
        if list.closed {
            return Err(task);
        }
        list.tasks.push_back(task);
        self.publish(&list);
        Ok(())
    }

    /// Appends a worker's surplus.
    pub(crate) fn push_all(&self, tasks: impl IntoIterator<Item = Task>) {
        let mut list = lock(&self.list);
        list.tasks.extend(tasks);
        self.publish(&list);
    }

    /// Takes the first task, and hands others, `share` of the length at most, to `keep`.
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

    /// Takes everything; nothing more is let in.
    pub(crate) fn close(&self) -> VecDeque<Task> {
        let mut list = lock(&self.list);
        list.closed = true;
        let tasks = std::mem::take(&mut list.tasks);
        self.publish(&list);
        tasks
    }

    fn publish(&self, list: &List) {
        // SeqCst: part of the argument at the head of `multi_thread/idle.rs`.
        self.len.store(list.tasks.len(), Ordering::SeqCst);
    }
}
